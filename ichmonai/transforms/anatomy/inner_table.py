"""Where things lie in a skull: a frame of its inside, and lengths along and depths below its inner table."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask
from ichmonai.transforms.anatomy.bleeding import pixels

Field = NDArray[np.float64]

ELONGATED = 1.1  # a head rounder than this shows no direction
UPRIGHT = 0.8  # least cosine of the midline's angle to the rows' normal; a head that lies on its side is not believed
ANGLES = 240
TURNING = 5.0  # mm between the directions that are compared
SMOOTH = 3.0  # standard deviation in degrees of the blur of the curve, whose pixels would show


def symmetry_of_skull(inside: Mask, pixel: float) -> tuple[Field, Field]:
    """A point of the midline and its direction towards the back, both (row, column) of pixels.

    Args:
        inside: the inside of the skull (H, W), not empty.
        pixel: its side in mm.
    """
    frame = skull_frame(inside, pixel)
    return frame.centre, frame.axes[:, 0] / np.linalg.norm(frame.axes[:, 0])


class SkullFrame(NamedTuple):
    """Coordinates in which skulls of all sizes, widths and rotations in the plane lie alike."""

    centre: Field  # (row, column)
    axes: Field  # (2, 2): pixels for one standard deviation of the inside towards the back and to the left

    def to(self, other: "SkullFrame", mirrored: bool) -> Field:
        """Matrix (2, 2) of offsets from this centre to those from the other one."""
        return other.axes @ np.diag([1.0, -1.0 if mirrored else 1.0]) @ np.linalg.inv(self.axes)


def skull_frame(inside: Mask, pixel: float) -> SkullFrame:
    """Measure a skull.

    Args:
        inside: the inside of the skull (H, W), not empty.
        pixel: its side in mm.
    """
    step = pixels(3, pixel)
    points = np.argwhere(inside[::step, ::step]) * step
    if len(points) < 3:
        return SkullFrame(np.argwhere(inside).mean(axis=0), np.eye(2))
    covariance = np.cov(points.T)
    spread, vectors = np.linalg.eigh(covariance)
    axis = np.array([1.0, 0.0])
    if spread[1] > ELONGATED**2 * spread[0] and abs(vectors[0, 1]) > UPRIGHT:
        axis = vectors[:, 1] * np.sign(vectors[0, 1])
    turn = np.array([[axis[0], -axis[1]], [axis[1], axis[0]]])
    deviations = np.sqrt(np.diag(turn.T @ covariance @ turn).clip(1))
    return SkullFrame(points.mean(axis=0), turn * deviations)


class InnerTable:
    """The curve of the inner table in a slice, a smooth one around the inside of the skull.

    Lengths along it begin at the forehead and go clockwise in the image; depths are towards the inside.

    Args:
        inside: the inside of the skull (H, W), not empty.
        frame: of the same.
        pixel: its side in mm.

    Attributes:
        perimeter: length of the curve in mm.
    """

    def __init__(self, inside: Mask, frame: SkullFrame, pixel: float) -> None:
        back = frame.axes[:, 0]
        start = np.arctan2(-back[1], back[0])  # angle of the forehead, clockwise from the top of the image
        angles = start + np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
        rays = np.stack([-np.cos(angles), np.sin(angles)])  # (2, angles)
        radius = ndimage.gaussian_filter1d(_reach(inside, frame.centre, rays), SMOOTH * ANGLES / 360, mode="wrap") + 0.5
        points = frame.centre[:, None] + rays * radius
        points = np.append(points, points[:, :1], axis=1)
        lengths = pixel * np.append(0, np.hypot(*np.diff(points, axis=1)).cumsum())
        self.pixel, self.centre, self.start, self.perimeter = pixel, frame.centre, start, float(lengths[-1])
        self._length_at_angle = lengths
        evenly = np.linspace(0, self.perimeter, ANGLES + 1)
        self._points = np.stack([np.interp(evenly, lengths, line) for line in points])
        tangent = np.roll(self._points[:, :-1], -1, axis=1) - np.roll(self._points[:, :-1], 1, axis=1)
        tangent = tangent / np.hypot(*tangent)
        self._tangent = np.append(tangent, tangent[:, :1], axis=1)

    def at(self, along: Field) -> tuple[Field, Field]:
        """Points of the curve and its direction there, both (2, ...), at lengths in mm."""
        index = along % self.perimeter * (ANGLES / self.perimeter)
        low = index.astype(int).clip(0, ANGLES - 1)
        part = index - low
        point, direction = (
            line[:, low] + part * (line[:, low + 1] - line[:, low]) for line in (self._points, self._tangent)
        )
        return point, direction

    def turning(self, low: float, high: float) -> float:
        """By how many radians the curve turns between two lengths in mm, to either side together."""
        _, direction = self.at(np.linspace(low, high, max(2, int((high - low) / TURNING))))
        angle = np.unwrap(np.arctan2(direction[1], direction[0]))
        return float(abs(np.diff(angle)).sum())

    def place(self, along: Field, depth: Field) -> Field:
        """Pixels, (2, ...) of rows and columns, at a length and a depth in mm."""
        point, direction = self.at(along)
        return point + np.stack([direction[1], -direction[0]]) * depth / self.pixel

    def coordinates(self, places: Field) -> tuple[Field, Field]:
        """Lengths from 0 to the perimeter, and depths, in mm, of pixels (2, N) not far from the curve."""
        offset = places - self.centre[:, None]
        index = ((np.arctan2(offset[1], -offset[0]) - self.start) % (2 * np.pi)) * (ANGLES / (2 * np.pi))
        low = index.astype(int).clip(0, ANGLES - 1)
        first, then = self._length_at_angle[low], self._length_at_angle[low + 1]
        along = first + (index - low) * (then - first)
        for _ in range(2):  # towards the foot of the perpendicular
            point, direction = self.at(along)
            along = along + 0.8 * self.pixel * ((places - point) * direction).sum(axis=0)
        point, direction = self.at(along)
        offset = places - point
        depth = self.pixel * (offset[0] * direction[1] - offset[1] * direction[0])
        return along % self.perimeter, depth


def _reach(inside: Mask, centre: Field, rays: Field) -> Field:
    """How far the inside reaches along each ray, (2, N) to (N,), in pixels."""
    far = np.arange(0.5, np.hypot(*inside.shape) / 1.3, 0.5, dtype=np.float32)
    rows, columns = (
        np.rint(middle + ray[:, None].astype(np.float32) * far).astype(np.int32)
        for middle, ray in zip(centre.astype(np.float32), rays, strict=True)
    )
    within = (rows >= 0) & (columns >= 0) & (rows < inside.shape[0]) & (columns < inside.shape[1])
    hit = np.zeros(rows.shape, bool)
    hit[within] = inside[rows[within], columns[within]]
    return np.where(hit.any(axis=1), far[far.size - 1 - hit[:, ::-1].argmax(axis=1)], 1.0)
