"""The CT scanner of the phantom: geometry of the acquisition, head holders, noise and streaks."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.datasets.phantom.fields import Field


class HolderDesign(str, Enum):
    """Makes of head holder."""

    SHELL = "carbon shell, U-shaped"
    FOAM = "carbon shell lined with foam"
    BRACE = "two-layer brace"
    RING = "brace that nearly encloses the head"
    ARC = "wide arc that leaves the field of view"
    CUSHION = "moulded shell that touches the scalp"


@dataclass(frozen=True)
class Scanner:
    """One acquisition.

    Attributes:
        fov: reconstructed field of view in mm.
        tilt: gantry tilt in degrees; positive leans the top of the plane to the patient's head (as GE reports it).
        thickness: slice thickness in mm.
        slices: number of slices.
        centre: position (x, y, z) in mm, DICOM patient coordinates, of the middle of the lowest slice.
        noise: standard deviation of the noise in brain in HU.
        streaks: strength of the streaks between the petrous bones.
        holder: design of the head holder.
        holder_at: half-width, depth below the middle of the head, wall and length (mm) of the holder.
        table: whether the couch is in the field of view.
    """

    fov: float
    tilt: float
    thickness: float
    slices: int
    centre: tuple[float, float, float]
    noise: float
    streaks: float
    holder: HolderDesign
    holder_at: tuple[float, float, float, float]
    table: bool

    @property
    def axes(self) -> NDArray[np.float64]:
        """Columns: direction of a row, of a column, and the normal of the slices (DICOM patient coordinates)."""
        angle = np.deg2rad(self.tilt)
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.array([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]])

    @property
    def step(self) -> float:
        """Table feed between slices in mm: the thickness along the normal, more along the table when tilted."""
        return self.thickness / float(np.cos(np.deg2rad(self.tilt)))

    def position(self, index: int, size: int) -> NDArray[np.float64]:
        """ImagePositionPatient (mm): the centre of the first pixel of slice ``index``."""
        corner = -0.5 * (size - 1) * self.fov / size * (self.axes[:, 0] + self.axes[:, 1])
        return np.array(self.centre) + corner + np.array([0.0, 0.0, index * self.step])

    def affine(self, size: int) -> NDArray[np.float64]:
        """Affine from (row, column, slice) to RAS in mm, shape (4, 4). With tilt it shears."""
        spacing = self.fov / size
        lps = np.eye(4)
        lps[:3, 0], lps[:3, 1] = self.axes[:, 1] * spacing, self.axes[:, 0] * spacing
        lps[:3, 2] = (0.0, 0.0, self.step)
        lps[:3, 3] = self.position(0, size)
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps

    def points(self, index: int, size: int, samples: int) -> tuple[Field, Field, Field]:
        """DICOM patient coordinates (mm) of slice ``index``: three arrays that broadcast to (samples, size, size)."""
        spacing = self.fov / size
        first = self.position(index, size)
        across = np.arange(size) * spacing
        through = ((np.arange(samples) + 0.5) / samples - 0.5) * self.thickness
        row, column, normal = self.axes.T
        x = first[0] + across[None, None, :] * row[0] + 0 * through[:, None, None]
        y = first[1] + across[None, :, None] * column[1] + through[:, None, None] * normal[1]
        z = first[2] + across[None, :, None] * column[2] + through[:, None, None] * normal[2]
        return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)

    def paint_holder(self, x: Field, y: Field, z: Field, head: Field) -> tuple[Field, Field]:
        """Head holder and couch on one slice.

        Args:
            x: distance to the middle of the head in mm, to the left, shape (H, W).
            y: as ``x``, to posterior.
            z: as ``x``, to superior.
            head: signed distance to the skin in mm, shape (H, W).

        Returns:
            The HU and the part (0 to 1) of the holder, shape (H, W); nothing of it inside the head.
        """
        half, depth, wall, length = self.holder_at
        hu, part = np.full(x.shape, -1000.0, np.float32), np.zeros(x.shape, np.float32)
        edge = self.fov / x.shape[1]

        def add(distance: Field, value: float) -> None:
            inside = np.clip(0.5 - distance / edge, 0.0, 1.0) * (head > 0.5 * edge) * (z < length)
            hu[:] += inside * (value - hu)
            np.maximum(part, inside, out=part)

        def shell(grow: float, arms: float) -> Field:
            """Distance to a U: half an ellipse below, straight or closing arms above."""
            w, d = half + grow, depth + grow
            below = (np.sqrt((x / w) ** 2 + (y / d) ** 2) - 1.0) * np.where(y > 0, min(w, d), w)
            u = np.where(y > 0, below, np.abs(x) - w) if self.holder is not HolderDesign.RING else below
            return np.asarray(np.where(y > arms, u, 99.0))

        if self.holder is HolderDesign.SHELL:
            add(np.abs(shell(0.0, -20.0)) - wall, 180.0)
        elif self.holder is HolderDesign.FOAM:
            add(np.where(y > 20.0, np.abs(shell(-7.0, 0.0)) - 7.0, 99.0), -930.0)
            add(np.abs(shell(0.0, 5.0)) - wall, 110.0)
        elif self.holder is HolderDesign.BRACE:
            add(np.abs(shell(4.0, -30.0)) - 4.0, -880.0)
            add(np.abs(shell(0.0, -30.0)) - 0.6 * wall, 120.0)
            add(np.abs(shell(9.0, -30.0)) - wall, 160.0)
        elif self.holder is HolderDesign.RING:
            add(np.abs(shell(0.0, -0.86 * depth)) - wall, 150.0)
        elif self.holder is HolderDesign.ARC:
            radius = 1.5 * half
            add(np.abs(np.sqrt(x**2 + (y - depth + radius) ** 2) - radius) - 1.5 * wall, 130.0)
        else:
            add(np.maximum(head - 3.0, 15.0 - y), -700.0)
            add(np.maximum(np.abs(head - 3.0 - wall) - wall, 15.0 - y), 130.0)
        if self.table:
            add(np.abs(np.sqrt(x**2 + (y - depth - 14.0 + 230.0) ** 2) - 230.0) - 1.4, 60.0)
        return hu, part

    def streak(self, hu: Field, spacing: float) -> Field:
        """Streaks (HU, shape (H, W)) where rays along a row cross much bone, as between the petrous bones."""
        path = np.clip((hu - 250.0) / 900.0, 0.0, 1.5).sum(axis=1) * spacing
        smooth = ndimage.gaussian_filter1d(path, 1.2 / spacing)
        fine = ndimage.gaussian_filter1d(path, 1.2 / spacing) - ndimage.gaussian_filter1d(path, 6.0 / spacing)
        amount = 0.35 * fine + 0.10 * np.maximum(smooth - 42.0, 0.0)
        columns = np.abs(np.arange(hu.shape[1]) - 0.5 * (hu.shape[1] - 1)) * spacing
        between = np.exp(-((columns / 48.0) ** 4))
        tissue = (hu > -300.0) & (hu < 250.0)
        return (-self.streaks * amount[:, None] * between[None, :] * tissue).astype(np.float32)


class Grain:
    """CT-like noise: band-pass in the plane, independent from slice to slice, unit standard deviation.

    A few periodic tiles are drawn once; each slice takes one, rolled and mirrored at random.
    """

    def __init__(self, rng: np.random.Generator, size: int, tiles: int = 4) -> None:
        self.rng = rng
        fine, coarse = 0.75 * size / 512, 2.2 * size / 512
        self.tiles = []
        for _ in range(tiles):
            white = rng.standard_normal((size, size), dtype=np.float32)
            tile = ndimage.gaussian_filter(white, max(fine, 0.35), mode="wrap")
            tile -= 0.75 * ndimage.gaussian_filter(white, max(coarse, 1.0), mode="wrap")
            self.tiles.append(tile / tile.std())

    def draw(self) -> Field:
        """One slice of noise, float32, shape (size, size)."""
        tile = self.tiles[int(self.rng.integers(len(self.tiles)))]
        down, right = self.rng.integers(0, tile.shape[0], 2)
        tile = np.roll(tile, (int(down), int(right)), (0, 1))
        if self.rng.random() < 0.5:
            tile = tile[:, ::-1]
        return tile if self.rng.random() < 0.5 else -tile.T
