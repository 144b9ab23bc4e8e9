"""Building blocks of the phantom: signed distances, smooth noise and the canvas that tissue is painted on.

Head coordinates are millimetres: ``x`` to the patient's left, ``y`` to posterior, ``z`` to superior, with the origin at
the anterior commissure and the axial plane through both commissures. A signed distance is negative inside.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Field = NDArray[np.floating[Any]]
Point = tuple[float, float, float]


def coverage(distance: Field, softness: float) -> Field:
    """Part of a pixel (0 to 1) that lies inside a surface: the in-plane partial volume effect.

    Args:
        distance: signed distance to the surface in mm, negative inside, any shape.
        softness: width of the edge in mm; the pixel spacing.
    """
    return np.clip(np.float32(0.5) - distance * np.float32(1.0 / softness), 0.0, 1.0)


def ellipsoid(x: Field, y: Field, z: Field, centre: Point, radii: Point) -> Field:
    """Signed distance in mm to an axis-aligned ellipsoid (exact at the surface, an estimate elsewhere)."""
    u, v, w = ((a - np.float32(c)) * np.float32(1.0 / r) for a, c, r in zip((x, y, z), centre, radii, strict=True))
    k0 = np.sqrt(u * u + v * v + w * w)
    u *= np.float32(1.0 / radii[0])
    v *= np.float32(1.0 / radii[1])
    w *= np.float32(1.0 / radii[2])
    k1 = np.sqrt(u * u + v * v + w * w)
    return k0 * (k0 - 1.0) / np.maximum(k1, np.float32(1e-6))


def capsule(x: Field, y: Field, z: Field, start: Point, end: Point, radii: tuple[float, float]) -> Field:
    """Signed distance in mm to a rod from ``start`` to ``end`` whose radius goes from the first to the second."""
    axis = np.subtract(end, start).astype(np.float32)
    dx, dy, dz = x - np.float32(start[0]), y - np.float32(start[1]), z - np.float32(start[2])
    t = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / np.dot(axis, axis), 0.0, 1.0)
    dx -= t * axis[0]
    dy -= t * axis[1]
    dz -= t * axis[2]
    return np.sqrt(dx * dx + dy * dy + dz * dz) - (np.float32(radii[0]) + t * np.float32(radii[1] - radii[0]))


def rods(x: Field, y: Field, z: Field, points: Sequence[Point], radii: Sequence[float]) -> Field:
    """Signed distance in mm to a chain of :func:`capsule` through ``points``."""
    chain = [
        capsule(x, y, z, a, b, (ra, rb)) for a, b, ra, rb in zip(points, points[1:], radii, radii[1:], strict=False)
    ]
    return np.minimum.reduce(chain)


def smooth_union(a: Field, b: Field, blend: float) -> Field:
    """Union of two signed distances whose edge is rounded over ``blend`` mm."""
    h = np.clip(np.float32(0.5) + (b - a) * np.float32(0.5 / blend), 0.0, 1.0)
    return b + (a - b) * h - np.float32(blend) * h * (1.0 - h)


def smooth_max(a: Field, b: Field, blend: float) -> Field:
    """Intersection of two signed distances whose edge is rounded over ``blend`` mm."""
    return -smooth_union(-a, -b, blend)


class SmoothNoise:
    """Periodic band-limited Gaussian noise in space: zero mean, unit standard deviation.

    Args:
        rng: source of randomness.
        wavelength: the strongest wavelength in mm.
        bandwidth: relative width of the band; small gives stripes of equal spacing, 1 gives cloud-like noise.
        voxel: grid spacing in mm; at most a quarter of the wavelength.
        cells: grid points along each axis (the noise repeats after ``cells * voxel`` mm).
        through: whether it changes through the thickness of a slice; else the middle stands for all sub-samples.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        wavelength: float,
        bandwidth: float = 0.35,
        voxel: float = 3.0,
        cells: int = 64,
        through: bool = False,
    ) -> None:
        self.through = through
        self.wavelength = wavelength
        self.voxel = voxel
        white = rng.standard_normal((cells, cells, cells), dtype=np.float32)
        frequency = [np.fft.fftfreq(cells, voxel)] * 2 + [np.fft.rfftfreq(cells, voxel)]
        squares = [f.astype(np.float32) ** 2 for f in frequency]
        radius = np.sqrt(squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :])
        band = np.exp(-0.5 * ((radius * wavelength - 1.0) / bandwidth) ** 2)
        band[0, 0, 0] = 0.0
        grid = fft.irfftn(fft.rfftn(white) * band, s=white.shape)
        self.grid: Field = (grid / grid.std()).astype(np.float32)

    def __call__(self, x: Field, y: Field, z: Field) -> Field:
        """Noise at the points (mm) of a slice, shape (K, H, W); every second pixel where that is fine enough."""
        if not self.through and x.shape[0] > 1:
            middle = slice(x.shape[0] // 2, x.shape[0] // 2 + 1)
            return np.broadcast_to(self(x[middle], y[middle], z[middle]), x.shape)
        shape = x.shape[1:]
        step = float(abs(x[0, 0, -1] - x[0, 0, 0]) + abs(y[0, 0, -1] - y[0, 0, 0])) / max(shape[1] - 1, 1)
        if min(shape) < 8 or self.wavelength < 7.0 * step:
            return self._sample(x, y, z)
        rows, columns = (np.minimum(np.arange(0, n + 1, 2), n - 1) for n in shape)
        grid = np.ix_(range(x.shape[0]), rows, columns)
        return _between(_between(self._sample(x[grid], y[grid], z[grid]), 1, shape[0]), 2, shape[1])

    def _sample(self, x: Field, y: Field, z: Field) -> Field:
        """Noise at each point, trilinear."""
        at = np.stack([x, y, z]) * np.float32(1.0 / self.voxel)
        values: Field = ndimage.map_coordinates(self.grid, at, order=1, mode="grid-wrap", output=np.float32)
        return values


def _between(values: Field, axis: int, length: int) -> Field:
    """Fill in the means between neighbours along ``axis``, up to ``length`` values."""
    a = np.moveaxis(values, axis, 0)
    out = np.empty((2 * a.shape[0], *a.shape[1:]), np.float32)
    out[::2] = a
    out[1:-1:2] = 0.5 * (a[1:] + a[:-1])
    return np.moveaxis(out[:length], 0, axis)


class Canvas:
    """The points of one slice (with sub-samples through its thickness) and the HU painted on them.

    Args:
        x: head coordinates in mm, float32, shape (K sub-samples, H, W).
        y: as ``x``.
        z: as ``x``.
        softness: pixel spacing in mm.

    Attributes:
        ax: ``abs(x)``: anatomy that both sides share is written once.
        hu: HU painted so far, float32, shape (K, H, W); starts as air.
        low: the lowest ``z`` in mm.
        high: the highest ``z`` in mm.
    """

    def __init__(self, x: Field, y: Field, z: Field, softness: float) -> None:
        self.x, self.y, self.z = x, y, z
        self.ax = np.abs(x)
        self.softness = softness
        self.hu = np.full(x.shape, -1000.0, np.float32)
        self.low, self.high = float(z.min()), float(z.max())
        self._columns = self.ax.min(axis=(0, 1)), self.ax.max(axis=(0, 1))
        self._rows = y.min(axis=(0, 2)), y.max(axis=(0, 2))

    def reaches(self, low: float, high: float) -> bool:
        """Whether the slice holds points with ``z`` between the two levels (mm)."""
        return self.low < high and self.high > low

    def blend(self, part: Field, hu: Field | float) -> None:
        """Replace ``part`` (0 to 1) of what is there by tissue of ``hu``."""
        self.hu += part * (hu - self.hu)

    def paint(self, distance: Field, hu: Field | float) -> None:
        """Fill the inside of a signed distance (mm) with tissue of ``hu``."""
        self.blend(coverage(distance, self.softness), hu)

    def ball(self, centre: Point, radii: Point, hu: float) -> None:
        """Fill an ellipsoid on both sides (``centre`` and ``radii`` in mm, ``centre[0] >= 0``)."""
        box = self._box(np.subtract(centre, radii), np.add(centre, radii))
        if box is not None:
            self._paint_in(box, ellipsoid(self.ax[box], self.y[box], self.z[box], centre, radii), hu)

    def rod(self, points: Sequence[Point], radii: Sequence[float], hu: float) -> None:
        """Fill a chain of rods on both sides (mm)."""
        box = self._box(np.min(points, axis=0) - max(radii), np.max(points, axis=0) + max(radii))
        if box is not None:
            self._paint_in(box, rods(self.ax[box], self.y[box], self.z[box], points, radii), hu)

    def _box(self, low: NDArray[Any], high: NDArray[Any]) -> tuple[slice, slice, slice] | None:
        """The rows and columns that hold points between two corners (mm), or None when there are none."""
        low, high = low - self.softness, high + self.softness
        if not self.reaches(low[2], high[2]):
            return None
        rows = np.flatnonzero((self._rows[0] < high[1]) & (self._rows[1] > low[1]))
        columns = np.flatnonzero((self._columns[0] < high[0]) & (self._columns[1] > low[0]))
        if not rows.size or not columns.size:
            return None
        return slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def _paint_in(self, box: tuple[slice, slice, slice], distance: Field, hu: float) -> None:
        part = coverage(distance, self.softness)
        self.hu[box] += part * (np.float32(hu) - self.hu[box])
