"""Damage the pixels of a valid image in every format, and count what happens to its answer.

Each damage ends in one of four ways: the HU are the same (by their SHA-256), the reader refuses, a finding says what is
wrong, or the HU are others and nothing says so. The last is what compression and checksums are there to prevent; where
a format has neither, no reader can tell a changed value from a measured one, and this says how often that is so. A
damaged DICOM slice lies between whole ones, as in a series.

    python scripts/check/changed_pixels.py --damages 1000 --out scripts/results/check_changed_pixels.csv
"""

import argparse
import io
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import pydicom
from fuzzing import seeds
from machine import machine
from numpy.typing import NDArray

from ichmonai import __version__
from ichmonai.digests import sha256_of_hu
from ichmonai.io import HeadCTReadError, load_head_ct
from ichmonai.outputs.tables import write_csv

NEIGHBOURS = 3
"""Whole slices on either side of the damaged one."""


@dataclass(frozen=True)
class Format:
    """A valid image.

    Attributes:
        suffix: of its file.
        content: of its file.
        start: where pixels begin; they run to the end.
        protected: by what damage can be told.
        neighbours: other files of its series.
    """

    suffix: str
    content: bytes
    start: int
    protected: str
    neighbours: tuple[bytes, ...] = ()


def formats() -> dict[str, Format]:
    """Every format that is read."""
    found = {}
    protections = {"rle": "lengths of segments and rows", "jpeg": "its code words"}
    for name, syntax in {"uncompressed": None, **seeds.COMPRESSED}.items():
        indices = range(seeds.MIDDLE - NEIGHBOURS, seeds.MIDDLE + NEIGHBOURS + 1)
        slices = [seeds.dicom_bytes(seeds.dicom_slice(index, syntax)) for index in indices]
        content = slices.pop(NEIGHBOURS)
        pixels = pydicom.dcmread(io.BytesIO(content)).PixelData
        start = content.index(pixels[-200:]) + 200 - len(pixels)
        protection = "nothing" if syntax is None else protections.get(name, "its code words")
        found[f"DICOM {name}"] = Format(".dcm", content, start + (syntax is not None) * 8, protection, tuple(slices))
    volumes = {
        "NIfTI": (".nii", seeds.nifti()["first"], "nothing"),
        "NIfTI gzip": (".nii.gz", seeds.nifti_gz()["first"], "CRC-32"),
        "NRRD raw": (".nrrd", seeds.nrrd()["raw"], "nothing"),
        "NRRD gzip": (".nrrd", seeds.nrrd()["gzip"], "CRC-32"),
        "MetaImage": (".mha", seeds.metaimage()["raw"], "nothing"),
        "PNG": (".png", seeds.pictures()["L.png"], "CRC-32"),
        "JPEG": (".jpg", seeds.pictures()["L.jpg"], "its code words"),
        "BMP": (".bmp", seeds.pictures()["L.bmp"], "nothing"),
        "DICOM in zip": (".zip", _zipped(found["DICOM uncompressed"].content), "CRC-32"),
    }
    starts = {".nii": 352, ".nii.gz": 20, ".png": 41, ".bmp": 1078, ".zip": 60}
    for name, (suffix, content, protection) in volumes.items():
        marks = {".nrrd": b"\n\n", ".mha": b"LOCAL\n", ".jpg": b"\xff\xda"}
        start = starts.get(suffix) or content.index(marks[suffix]) + len(marks[suffix]) + 12 * (suffix == ".jpg")
        found[name] = Format(suffix, content, start, protection)
    return found


def _zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.dcm"), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _bit(chance: Random, pixels: bytes, at: int) -> bytes:
    return pixels[:at] + bytes([pixels[at] ^ 1 << chance.randrange(8)]) + pixels[at + 1 :]


def _byte(chance: Random, pixels: bytes, at: int) -> bytes:
    return pixels[:at] + bytes([pixels[at] ^ chance.randrange(1, 256)]) + pixels[at + 1 :]


def _noise(chance: Random, pixels: bytes, at: int) -> bytes:
    return pixels[:at] + chance.randbytes(len(pixels[at : at + 64])) + pixels[at + 64 :]


def _zeros(chance: Random, pixels: bytes, at: int) -> bytes:
    return pixels[:at] + bytes(len(pixels[at : at + 512])) + pixels[at + 512 :]


def _moved(chance: Random, pixels: bytes, at: int) -> bytes:
    other = chance.randrange(max(len(pixels) - 256, 1))
    return pixels[:at] + pixels[other : other + len(pixels[at : at + 256])] + pixels[at + 256 :]


def _dropped(chance: Random, pixels: bytes, at: int) -> bytes:
    return pixels[:at] + pixels[at + 2 :]


def _cut(chance: Random, pixels: bytes, at: int) -> bytes:
    return pixels[:at]


DAMAGES: dict[str, Callable[[Random, bytes, int], bytes]] = {
    "one bit": _bit,
    "one byte": _byte,
    "64 bytes of noise": _noise,
    "512 zeros": _zeros,
    "256 bytes from elsewhere": _moved,
    "two bytes left out": _dropped,
    "cut off": _cut,
}
"""What happens to pixels, by name."""


def read(folder: Path, one: Format, content: bytes) -> tuple[NDArray[np.float32], set[str]]:
    """HU of an image among its neighbours, and the codes of what was found."""
    names = [folder / f"{number}.dcm" for number in range(len(one.neighbours))]
    for name, other in zip(names, one.neighbours, strict=True):
        if not name.exists():
            name.write_bytes(other)
    path = folder / f"damaged{one.suffix}"
    path.write_bytes(content)
    if one.suffix == ".zip":
        from ichmonai.io import ImageSource

        image = load_head_ct(ImageSource(str(path), "a.dcm"))
    else:
        image = load_head_ct([*names, path] if names else path)
    return image.numpy(), {code for code, _ in image.meta["findings"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damages", type=int, default=1000, help="of each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="csv to write")
    arguments = parser.parse_args()
    rows = []
    for name, one in formats().items():
        chance = Random(f"{arguments.seed} {name}")
        counts: dict[str, Counter] = {kind: Counter() for kind in DAMAGES}
        changed: dict[str, list[float]] = {kind: [] for kind in DAMAGES}
        with tempfile.TemporaryDirectory(prefix="pixels-") as folder:
            hu, before = read(Path(folder), one, one.content)
            digest = sha256_of_hu(hu)
            pixels = one.content[one.start :]
            for number in range(arguments.damages):
                kind = list(DAMAGES)[number % len(DAMAGES)]
                damaged = DAMAGES[kind](chance, pixels, chance.randrange(len(pixels)))
                try:
                    found, codes = read(Path(folder), one, one.content[: one.start] + damaged)
                except HeadCTReadError:
                    counts[kind]["refused"] += 1
                    continue
                if sha256_of_hu(found) == digest:
                    counts[kind]["same"] += 1
                elif codes - before:
                    counts[kind]["flagged"] += 1
                else:
                    counts[kind]["silent"] += 1
                    if found.shape == hu.shape:
                        changed[kind].append(float((found != hu).mean()))
        for kind, count in counts.items():
            row = {"format": name, "protected_by": one.protected, "damage": kind, "damages": count.total()}
            row |= {end: count[end] for end in ("same", "refused", "flagged", "silent")}
            row["share_of_pixels_changed_silently"] = f"{np.median(changed[kind]):.5f}" if changed[kind] else ""
            rows.append({**row, "seed": arguments.seed, "version": __version__, "machine": machine()})
        total = sum(counts.values(), Counter())
        print(
            f"{name}: {dict(total)}; silent: { {kind: c['silent'] for kind, c in counts.items() if c['silent']} }",
            flush=True,
        )
    if arguments.out:
        write_csv(arguments.out, rows[0], rows)


if __name__ == "__main__":
    main()
