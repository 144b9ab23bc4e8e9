"""One phantom patient: drawn by seed, rendered slice by slice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import LOCATIONS, NOT_APPLICABLE
from ichmonai.datasets.phantom.haemorrhage import COMPARTMENTS, PhantomKind
from ichmonai.datasets.phantom.render import double, double_parts, image_slice
from ichmonai.datasets.phantom.scanner import Grain, HolderDesign, Scanner
from ichmonai.datasets.phantom.subject import Subject, draw_scanner, draw_subject

VISIBLE_MM2 = 15.0
"""Smallest area of blood of one kind, in mm2, for which a slice carries its label."""

_PRESENT = 0.35  # part of the slice thickness that blood must fill to be seen


@dataclass(frozen=True)
class SliceTruth:
    """What one slice shows.

    Attributes:
        index: slice number from the lowest, from 0.
        z: height of the middle of the slice in mm, DICOM patient coordinates.
        ich: 1 when intracerebral (deep, lobar or subtentorial) haemorrhage is visible, else 0.
        location: index into ``ichmonai.classes.LOCATIONS``, or ``NOT_APPLICABLE``.
        rsna: the six labels in the order of ``ichmonai.classes.RSNA_LABELS``, 0 or 1.
        blood_mm2: area of visible blood of any kind in mm2.
        brain_mm2: intracranial area in mm2.
    """

    index: int
    z: float
    ich: int
    location: int
    rsna: tuple[int, int, int, int, int, int]
    blood_mm2: float
    brain_mm2: float


@dataclass(frozen=True, eq=False)
class PhantomStudy:
    """One phantom patient's head CT.

    Attributes:
        patient: identifier, unique within a cohort.
        seed: what the study was drawn from.
        kind: the patient's diagnosis.
        hu: HU, int16, shape (H, W, S): rows to posterior, columns to the patient's left, slices to superior.
        affine: from (row, column, slice) to RAS in mm, shape (4, 4), float64; sheared when the gantry was tilted.
        scanner: the acquisition; ``scanner.position(s, H)`` is slice ``s``'s ImagePositionPatient.
        truth: one record a slice.
        head: mask of the patient's head, bool, as ``hu``.
        holder: mask of head holder and couch, bool, as ``hu``; never where ``head`` is.
        brain: mask of the cranial cavity, bool, as ``hu``.
        blood: uint8 as ``hu``: 0 or 1 + index into ``haemorrhage.COMPARTMENTS``.
    """

    patient: str
    seed: int
    kind: PhantomKind
    hu: NDArray[np.int16]
    affine: NDArray[np.float64]
    scanner: Scanner
    truth: tuple[SliceTruth, ...]
    head: NDArray[np.bool_]
    holder: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    blood: NDArray[np.uint8]

    @property
    def spacing(self) -> float:
        """Pixel spacing in mm."""
        return self.scanner.fov / self.hu.shape[0]


def make_study(
    seed: int | np.random.Generator,
    kind: PhantomKind | str | None = None,
    size: int = 512,
    patient: str | None = None,
    tilt: float | None = None,
    holder: HolderDesign | None = None,
) -> PhantomStudy:
    """Make one phantom patient.

    Args:
        seed: an integer, or a generator from which one is drawn.
        kind: diagnosis; ``None`` draws one (half of the patients are normal).
        size: pixels along each side of a slice; a multiple of 2, from 64 to 1024.
        patient: identifier; ``None`` makes one from the seed.
        tilt: gantry tilt in degrees (0 to 20); ``None`` draws one.
        holder: design of the head holder; ``None`` draws one.

    Returns:
        The study. The same arguments always give the same study.

    Raises:
        ValueError: if ``size`` or ``kind`` is not one of the allowed values.

    Example:
        >>> study = make_study(1, kind="deep", size=64)
        >>> study.hu.shape[:2], study.kind.value
        ((64, 64), 'deep')
    """
    if size % 2 or not 64 <= size <= 1024:
        raise ValueError(f"size is {size}; give an even number from 64 to 1024.")
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**31))
    rng = np.random.default_rng([20260, seed])
    if kind is None:
        kind = PhantomKind.NORMAL if rng.random() < 0.5 else list(PhantomKind)[int(rng.integers(1, len(PhantomKind)))]
    kind = PhantomKind(kind)
    subject = draw_subject(rng, kind)
    scanner, subject = draw_scanner(rng, subject, tilt, holder)
    return _render(rng, seed, patient or f"PH{seed:06d}", kind, subject, scanner, size)


def _render(
    rng: np.random.Generator, seed: int, patient: str, kind: PhantomKind, subject: Subject, scanner: Scanner, size: int
) -> PhantomStudy:
    """Image every slice and write down what it shows."""
    grid = size // 2 if size > 256 else size
    shape = (size, size, scanner.slices)
    hu, blood = np.empty(shape, np.int16), np.zeros(shape, np.uint8)
    head, holder, brain = (np.zeros(shape, bool) for _ in range(3))
    grain = Grain(rng, size)
    truth = []
    pixel = (scanner.fov / size) ** 2
    for s in range(scanner.slices):
        image, parts = image_slice(subject, scanner, s, grid)
        image += scanner.streak(image, scanner.fov / grid)
        if size > grid:
            image, parts = double(image), double_parts(parts)
        tissue = np.clip((image + 1000.0) / 800.0, 0.25, 1.0)
        dense = 1.0 + 0.5 * float(np.mean(image > 300.0)) / 0.06
        image += scanner.noise * min(dense, 1.8) * tissue * grain.draw()
        hu[..., s] = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
        head[..., s], brain[..., s] = parts[0] > 0.5, parts[2] > 0.5
        holder[..., s] = (parts[1] > 0.02) & ~head[..., s]
        strongest = np.maximum.reduce(parts[3:])
        for kind_index, part in enumerate(parts[3:], start=1):
            if part.any():
                blood[..., s][(part > _PRESENT) & (part >= strongest)] = kind_index
        z = float(scanner.centre[2] + s * scanner.step)
        truth.append(_truth(kind, s, z, blood[..., s], float(brain[..., s].sum()) * pixel, pixel))
    return PhantomStudy(
        patient, seed, kind, hu, scanner.affine(size), scanner, tuple(truth), head, holder, brain, blood
    )


def _truth(
    kind: PhantomKind, index: int, z: float, blood: NDArray[np.uint8], brain_mm2: float, pixel: float
) -> SliceTruth:
    """Labels from the blood mask of one slice."""
    areas = np.bincount(blood.ravel(), minlength=len(COMPARTMENTS) + 1)[1:] * pixel
    shown = [int(area >= VISIBLE_MM2) for area in areas]
    ich = shown[COMPARTMENTS.index("intraparenchymal")]
    location = LOCATIONS.index(kind.value) if ich else NOT_APPLICABLE
    labels = (max(shown), *shown)
    return SliceTruth(index, z, ich, location, labels, float(areas.sum()), brain_mm2)  # type: ignore[arg-type]
