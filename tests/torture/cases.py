"""What is fed to a batch, and what may become of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ichmonai.io.findings import WARNINGS, Code

PREDICTED, OTHER = "predicted", "other"
REFUSED = frozenset(code.value for code in Code) - {code.value for code in WARNINGS} - {Code.FAILED.value}
DAMAGED = frozenset({"unreadable", "undecodable"})
ANYTHING = REFUSED | {PREDICTED}
"""Every end but a failure: for damage of which nobody can say what it hits."""
SLICE, VOLUME, STUDY, PICTURE = "dicom/whole.dcm", "volumes/whole.nii", "studies/undisturbed", "pictures/whole.png"
"""Undamaged inputs, below the root."""


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        path: the file, or the folder or archive of all that belongs to it.
        expected: what may become of it, and no more.
        shows: undamaged inputs; whatever is predicted of the case has to have the HU of one of them.
        warned: of this, a prediction has to warn.
    """

    path: str
    expected: frozenset[str]
    shows: tuple[str, ...] = ()
    warned: str = ""


@dataclass
class Inputs:
    """Writes cases below a folder.

    Attributes:
        root: the folder.
        cases: written so far.
        given: what is named to the batch; one folder for each kind of case unless it must be named by itself.
        random: where damage falls.
    """

    root: Path
    cases: list[Case] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(2026))

    def folder(self, kind: str, named: bool = True) -> Path:
        """A folder for cases of one kind, itself an input."""
        folder = self.root / kind
        if not folder.exists():
            folder.mkdir(parents=True)
            if named:
                self.given.append(str(folder))
        return folder

    def file(self, kind: str, name: str, content: bytes, *expected: str | Iterable[str], shows: str = "") -> Path:
        """A case of one file in the folder of its kind."""
        path = self.folder(kind) / name
        path.write_bytes(content)
        self.expect(path, *expected, shows=(shows,) if shows else ())
        return path

    def expect(
        self,
        path: Path | str,
        *expected: str | Iterable[str],
        given: bool = False,
        shows: tuple[str, ...] = (),
        warned: str = "",
    ) -> None:
        """A case that is written already; `given`: it is named to the batch."""
        codes = frozenset().union(*({one} if isinstance(one, str) else one for one in expected))
        self.cases.append(Case(str(path), codes, shows, warned))
        if given:
            self.given.append(str(path))

    def flipped(self, content: bytes, bits: int, start: int = 0, end: int | None = None) -> bytes:
        """The content with some bits between two places turned over."""
        damaged = bytearray(content)
        for _ in range(bits):
            place = int(self.random.integers(start, len(content) if end is None else end))
            damaged[place] ^= 1 << int(self.random.integers(8))
        return bytes(damaged)

    def lengths(self, content: bytes, count: int, start: int = 0) -> list[int]:
        """Places at which to cut it, spread evenly, the last just before its end."""
        return [int(one) for one in np.linspace(start, len(content) - 1, count)]
