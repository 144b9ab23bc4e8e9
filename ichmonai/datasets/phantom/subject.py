"""One phantom patient, laid into the scanner."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ichmonai.datasets.phantom.brain import Brain
from ichmonai.datasets.phantom.face import Face
from ichmonai.datasets.phantom.fields import Field
from ichmonai.datasets.phantom.haemorrhage import Haemorrhage, PhantomKind
from ichmonai.datasets.phantom.scanner import HolderDesign, Scanner
from ichmonai.datasets.phantom.skull import Skull


@dataclass(frozen=True)
class Subject:
    """Anatomy and pose of one patient.

    Attributes:
        skull: skull and scalp.
        brain: brain, ventricles and cisterns.
        face: face and neck.
        bleed: the haemorrhage, if any.
        pose: rotation from head directions to DICOM patient directions, shape (3, 3).
        scale: size factors of the head along its x, y and z.
        sway: phases (radians) of the warp that makes the head asymmetric.
    """

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


def draw_subject(rng: np.random.Generator, kind: PhantomKind) -> Subject:
    """Draw the anatomy; the pose is set with the scanner."""
    size = rng.normal(1.0, 0.025)
    scale = np.clip(size * rng.normal(1.0, [0.03, 0.018, 0.018]), 0.92, 1.07)
    bleed = None if kind is PhantomKind.NORMAL else Haemorrhage.random(rng, kind)
    return Subject(
        Skull.random(rng),
        Brain.random(rng),
        Face.random(rng),
        bleed,
        np.eye(3),
        scale,
        (float(rng.uniform(0, 6)), float(rng.uniform(0, 6)), float(rng.uniform(0, 6))),
    )


def draw_scanner(
    rng: np.random.Generator, subject: Subject, tilt: float | None, holder: HolderDesign | None
) -> tuple[Scanner, Subject]:
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
    x, y, z = (float(c) for c in first)
    return replace(scanner, centre=(x, y, z)), replace(subject, pose=pose)


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    """Rotation about a coordinate axis by ``angle`` radians."""
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix
