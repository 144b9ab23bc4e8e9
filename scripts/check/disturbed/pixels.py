"""What disks and networks do to the bytes of an image."""

from collections.abc import Callable

import numpy as np

Damage = Callable[[bytearray, bytes, np.random.Generator], None]
"""Changes bytes; it is given those of another slice too."""


def one_byte(code: bytearray, other: bytes, rng: np.random.Generator) -> None:
    """Replace a byte by another."""
    code[int(rng.integers(len(code)))] ^= int(rng.integers(1, 256))


def _run_of(kind: str, length: int) -> Damage:
    def damage(code: bytearray, other: bytes, rng: np.random.Generator) -> None:
        at, elsewhere = (int(one) * length for one in rng.integers(len(code) // length, size=2))
        content = {
            "zeros": bytes(length),
            "noise": rng.bytes(length),
            "another place": other[elsewhere : elsewhere + length],
        }
        code[at : at + length] = content[kind]

    return damage


def _lost(length: int) -> Damage:
    def damage(code: bytearray, other: bytes, rng: np.random.Generator) -> None:
        at = int(rng.integers(len(code) // 8, len(code) * 7 // 8))
        code[at:] = code[at + length :] + bytes(length)

    return damage


RUNS = {
    f"{length} bytes of {kind}": _run_of(kind, length)
    for kind in ("zeros", "noise", "another place")
    for length in (512, 4096)
} | {f"{length} bytes lost": _lost(length) for length in (1, 16, 64, 512)}
"""By name."""
