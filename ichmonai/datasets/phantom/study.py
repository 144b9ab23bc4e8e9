"""One phantom patient: drawn by seed, rendered slice by slice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.datasets.phantom.brain import Brain, paint_brain
from ichmonai.datasets.phantom.face import Face, paint_face, paint_soft_tissue
from ichmonai.datasets.phantom.fields import Canvas, Field, coverage
from ichmonai.datasets.phantom.haemorrhage import COMPARTMENTS, Haemorrhage, PhantomKind
from ichmonai.datasets.phantom.scanner import Grain, HolderDesign, Scanner
from ichmonai.datasets.phantom.skull import Skull
from ichmonai.labels import LOCATIONS, NOT_APPLICABLE

VISIBLE_MM2 = 15.0
"""Smallest area of blood of one kind, in mm2, for which a slice carries its label."""

_PRESENT = 0.35  # part of the slice thickness that blood must fill to be seen
_BLUR = 0.45  # mm, standard deviation of the point spread function
_SAMPLES = 3  # through the thickness of a slice


@dataclass(frozen=True)
class SliceTruth:
    """What one slice shows.

    Attributes:
        index: slice number from the lowest, from 0.
        z: height of the middle of the slice in mm, DICOM patient coordinates.
        ich: 1 when intracerebral (deep, lobar or subtentorial) haemorrhage is visible, else 0.
        location: index into ``ichmonai.labels.LOCATIONS``, or ``NOT_APPLICABLE``.
        rsna: the six labels in the order of ``ichmonai.labels.RSNA_LABELS``, 0 or 1.
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


@dataclass(frozen=True)
class _Subject:
    """Anatomy and pose of one patient. ``pose`` turns head directions into patient directions."""

    skull: Skull
    brain: Brain
    face: Face
    bleed: Haemorrhage | None
    pose: NDArray[np.float64]
    scale: NDArray[np.float64]
    sway: tuple[float, float, float]

    def to_head(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        """Patient coordinates (mm) to head coordinates (mm)."""
        m = (self.pose.T / self.scale[:, None]).astype(np.float32)
        u, v, w = (m[i, 0] * x + m[i, 1] * y + m[i, 2] * z for i in range(3))
        a, b, c = self.sway
        u = u + 1.3 * np.sin(v * 0.024 + a) * np.sin(w * 0.03 + b)  # no head is symmetric
        v = v + 1.5 * np.sin(u * 0.03 + c)
        return u, v, w


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
    subject = _draw_subject(rng, kind)
    scanner, subject = _draw_scanner(rng, subject, tilt, holder)
    return _render(rng, seed, patient or f"PH{seed:06d}", kind, subject, scanner, size)


def _draw_subject(rng: np.random.Generator, kind: PhantomKind) -> _Subject:
    """Draw the anatomy; the pose is set with the scanner."""
    size = rng.normal(1.0, 0.025)
    scale = np.clip(size * rng.normal(1.0, [0.03, 0.018, 0.018]), 0.92, 1.07)
    bleed = None if kind is PhantomKind.NORMAL else Haemorrhage.random(rng, kind)
    return _Subject(
        Skull.random(rng),
        Brain.random(rng),
        Face.random(rng),
        bleed,
        np.eye(3),
        scale,
        (float(rng.uniform(0, 6)), float(rng.uniform(0, 6)), float(rng.uniform(0, 6))),
    )


def _draw_scanner(
    rng: np.random.Generator, subject: _Subject, tilt: float | None, holder: HolderDesign | None
) -> tuple[Scanner, _Subject]:
    """Draw the acquisition and lay the head in it."""
    drawn = float(rng.choice([0.0, 0.0, round(float(rng.uniform(5.0, 20.0)) * 2) / 2]))
    tilt = drawn if tilt is None else tilt
    design = list(HolderDesign)[int(rng.integers(len(HolderDesign)))]
    design = design if holder is None else holder
    low, high = rng.uniform(-77.0, -66.0), rng.uniform(82.0, 90.0)
    scale = subject.scale
    slices = int(np.clip(round((high - low) * scale[2] / 5.0), 28, 34))
    narrow = 232.0 if tilt < 8 else 246.0
    middle = np.array([rng.normal(0, 4.0), rng.normal(0, 4.0), 0.0])
    gap = float(rng.uniform(2.0, 10.0))
    scanner = Scanner(
        fov=float(round(rng.uniform(max(narrow, 218.0 * scale[1] + 8.0), 260.0))),
        tilt=tilt,
        thickness=5.0,
        slices=slices,
        centre=(0.0, 0.0, 0.0),
        noise=float(rng.uniform(1.6, 3.0)),
        streaks=float(rng.uniform(0.4, 1.0)),
        holder=design,
        holder_at=(
            float(rng.uniform(92, 108)),
            float(104.0 * scale[1] + gap),
            float(rng.uniform(0.9, 1.8)),
            float(rng.uniform(25.0, 120.0)),
        ),
        table=bool(rng.random() < 0.3),
    )
    yaw, roll, pitch = np.deg2rad(rng.normal(0, [4.0, 3.0, 4.0]))
    turn = _rotation(2, yaw) @ _rotation(1, roll) @ _rotation(0, pitch)
    pose = scanner.axes @ turn
    # The head's origin is the origin of the patient coordinates; the field of view is centred on the middle slice.
    centre_of_head = pose @ (scale * np.array([0.0, 8.0, 0.5 * (low + high)]))
    first = centre_of_head + middle - np.array([0.0, 0.0, 0.5 * (slices - 1) * scanner.step])
    scanner = Scanner(**{**scanner.__dict__, "centre": tuple(float(c) for c in first)})
    subject = _Subject(**{**subject.__dict__, "pose": pose})
    return scanner, subject


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    """Rotation about a coordinate axis by ``angle`` radians."""
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def _render(
    rng: np.random.Generator, seed: int, patient: str, kind: PhantomKind, subject: _Subject, scanner: Scanner, size: int
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
        image, parts = _slice(subject, scanner, s, grid)
        image += scanner.streak(image, scanner.fov / grid)
        if size > grid:
            image, parts = _double(image), _doubled(parts)
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


def _slice(subject: _Subject, scanner: Scanner, index: int, grid: int) -> tuple[Field, Field]:
    """Noise-free HU of one slice and the parts (head, holder, brain, blood of each kind), shape (3 + 5, H, W)."""
    px, py, pz = scanner.points(index, grid, _SAMPLES)
    softness = scanner.fov / grid
    image = np.full((grid, grid), -1000.0, np.float32)
    parts = np.zeros((3 + len(COMPARTMENTS), grid, grid), np.float32)
    u, v, _ = subject.to_head(px[1:2], py[1:2], pz[1:2])
    near = (np.abs(u[0]) < 90.0) & (v[0] > -114.0) & (v[0] < 114.0)
    skin = np.full((grid, grid), 99.0, np.float32)
    box = _box(near)
    if box is not None:
        x, y, z = subject.to_head(px[..., box[1]], py[:, box[0]], pz[:, box[0]])
        image[box], parts[:, box[0], box[1]], skin[box] = _anatomy(subject, x, y, z, softness)
    middle = subject.pose @ (subject.scale * np.array([0.0, 8.0, 0.0]))
    hx = np.broadcast_to(px[1] - np.float32(middle[0]), (grid, grid))
    hy = np.broadcast_to(py[1] - np.float32(middle[1]), (grid, grid))
    hz = np.broadcast_to(pz[1] - np.float32(middle[2]), (grid, grid))
    hu, part = scanner.paint_holder(hx, hy, hz, skin)
    image = ndimage.gaussian_filter(image, _BLUR / softness)
    image = np.where(part > 0, np.maximum(image, hu), image)
    parts[1] = part
    return image, parts


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The rows and columns that hold a mask (H, W), or None when it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _anatomy(subject: _Subject, x: Field, y: Field, z: Field, softness: float) -> tuple[Field, Field, Field]:
    """HU, parts and signed distance to the skin of the points (K, H, W), averaged through the slice: (H, W)."""
    skull = subject.skull
    inside, vault, base = skull.cavity(x, y, z)
    head = skull.head(x, y, z, vault)
    canvas = Canvas(x, y, z, softness)
    paint_soft_tissue(canvas, skull, head, vault, inside)
    skull.paint(canvas, inside, base)
    paint_face(canvas, skull, subject.face, head, vault)
    parts = np.zeros((3 + len(COMPARTMENTS), *x.shape[1:]), np.float32)
    cavity = coverage(inside, softness)
    box = _box(np.any(cavity > 0, axis=0))
    if box is not None:
        at = (slice(None), *box)
        x, y, z, depth = x[at], y[at], z[at], -inside[at]
        bleed = subject.bleed
        layer = bleed.thickness(x, y, z) if bleed else 0.0
        qx, qy, qz = bleed.displace(x, y, z, depth, layer) if bleed else (x, y, z)
        tissue = paint_brain(subject.brain, qx, qy, qz, depth - layer, softness)
        if bleed:
            blood = bleed.paint(tissue, x, y, z, depth, layer, softness)
            parts[3:, box[0], box[1]] = (blood * cavity[at]).mean(axis=1)
        canvas.hu[at] += cavity[at] * (tissue.hu - canvas.hu[at])
    parts[0] = coverage(head, softness).mean(axis=0)
    parts[2] = cavity.mean(axis=0)
    return canvas.hu.mean(axis=0), parts, head.min(axis=0)


def _doubled(parts: Field) -> Field:
    """Each of the parts with twice the pixels; most are empty and cost nothing."""
    fine = np.zeros((parts.shape[0], 2 * parts.shape[1], 2 * parts.shape[2]), np.float32)
    for coarse, out in zip(parts, fine, strict=True):
        if coarse.any():
            out[:] = _double(coarse)
    return fine


def _double(image: Field) -> Field:
    """Twice the pixels along the last two axes, linear, the pixel centres kept in register."""
    for axis in (-1, -2):
        a = np.moveaxis(image, axis, -1)
        before = np.concatenate([a[..., :1], a[..., :-1]], -1)
        after = np.concatenate([a[..., 1:], a[..., -1:]], -1)
        fine = np.stack([0.75 * a + 0.25 * before, 0.75 * a + 0.25 * after], -1).reshape(*a.shape[:-1], -1)
        image = np.moveaxis(fine, -1, axis)
    return image.astype(np.float32)
