"""Cranial cavity, skull bone, scalp and skin of the phantom."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ichmonai.datasets.phantom.fields import (
    Canvas,
    Field,
    SmoothNoise,
    coverage,
    ellipsoid,
    rods,
    smooth_max,
    smooth_union,
)

_FLOOR_X, _FLOOR_Y = 90, 100  # half-width of the skull base table; its most anterior row (mm)


@dataclass(frozen=True)
class Skull:
    """Shape of one patient's skull and scalp.

    Attributes:
        thickness: calvarial thickness in mm.
        taper: narrowing of the vault to the front, per mm.
        scalp: thickness of the scalp in mm.
        floor: height of the inner skull base in mm over (x, y) on a 1 mm grid, float32.
        slope: cosine of the slope of ``floor``.
        texture: noise for diploe, table thickness and fat septa.
        frontal_sinus: size factor of the frontal sinus; 0 is absent.
        pneumatisation: size factor of the mastoid air cells.
        bone: HU of compact bone.
    """

    thickness: float
    taper: float
    scalp: float
    floor: Field
    slope: Field
    texture: SmoothNoise
    frontal_sinus: float
    pneumatisation: float
    bone: float

    @staticmethod
    def random(rng: np.random.Generator) -> "Skull":
        """Draw a skull."""
        floor, slope = _skull_base(rng)
        return Skull(
            thickness=float(rng.uniform(4.6, 7.2)),
            taper=float(rng.uniform(0.0010, 0.0018)),
            scalp=float(rng.uniform(4.0, 7.0)),
            floor=floor,
            slope=slope,
            texture=SmoothNoise(rng, wavelength=11.0, bandwidth=0.5, voxel=2.5),
            frontal_sinus=float(rng.choice([0.0, 0.7, 1.0, 1.3])),
            pneumatisation=float(rng.uniform(0.7, 1.2)),
            bone=float(rng.uniform(1150, 1500)),
        )

    def vault(self, x: Field, y: Field, z: Field) -> Field:
        """Signed distance (mm) to the inside of the calvarium, as if it had no base."""
        p = np.float32(2.4)
        narrow = 1.0 + self.taper * np.clip(y - 25.0, -100.0, 30.0)
        u = np.abs(x) / (69.0 * narrow)
        v = np.abs(y - 15.0) * np.float32(1 / 88.0)
        w = np.abs(z - 3.0) / np.where(z > 3.0, np.float32(76.0), np.float32(64.0))
        up, vp, wp = u ** (p - 1), v ** (p - 1), w ** (p - 1)
        k = (up * u + vp * v + wp * w) ** (1 / p)
        gradient = np.sqrt((up / 66.0) ** 2 + (vp / 88.0) ** 2 + (wp / 72.0) ** 2) * np.maximum(k, 1e-3) ** (1 - p)
        return ((k - 1.0) / np.maximum(gradient, np.float32(1e-4))).astype(np.float32)

    def cavity(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        """Signed distances (mm) to the cranial cavity, to its vault and to its floor."""
        vault = self.vault(x, y, z)
        # Internal frontal crest and occipital protuberance stand into the cavity.
        crest = 3.5 * np.exp(-((x / 3.0) ** 2) - ((z + 8.0) / 30.0) ** 2) * coverage(y + 62.0, 12.0)
        vault = vault + crest + 5.0 * np.exp(-((x / 5.0) ** 2) - ((y - 102.0) / 9.0) ** 2 - ((z + 14.0) / 16.0) ** 2)
        if float(z.min()) > 0.0:  # above the skull base
            return vault, vault, np.full_like(vault, -50.0)
        at = np.stack([x[0] + _FLOOR_X, y[0] + _FLOOR_Y])  # x and y hardly change through the thickness of a slice
        height = ndimage.map_coordinates(self.floor, at, order=1, mode="nearest")
        slope = ndimage.map_coordinates(self.slope, at, order=1, mode="nearest")
        base = (height - z) * slope
        inside = smooth_max(vault, base, 2.5)
        magnum = np.sqrt((x / 13.5) ** 2 + ((y - 44.0) / 17.0) ** 2)
        canal = np.maximum((magnum - 1.0) * 14.0, z + 50.0)
        return np.minimum(inside, canal), vault, base

    def paint(self, canvas: Canvas, inside: Field, base: Field) -> None:
        """Paint calvarium and skull base around the cavity (``inside``, ``base``: distances from :meth:`cavity`)."""
        x, y, z = canvas.x, canvas.y, canvas.z
        bumps = self.texture(x, y, z)
        slow = self.texture(x * 0.3, y * 0.3, z * 0.3)
        thickness = self.thickness + 0.5 * slow
        thickness -= 2.5 * np.exp(
            -(((canvas.ax - 66.0) / 14.0) ** 2) - ((y + 5.0) / 26.0) ** 2 - ((z + 12) / 28.0) ** 2
        )
        thickness += 4.5 * np.exp(-((x / 7.0) ** 2) - ((y - 104.0) / 14.0) ** 2 - ((z + 16.0) / 12.0) ** 2)
        thickness += glabella(x, y, z)
        if canvas.reaches(-100.0, 0.0):
            below = coverage(-base - 1.0, 3.0) * coverage(z + 12.0, 6.0)
            orbit_roof = coverage(y + 15.0, 10.0)
            thickness += below * (3.5 - 1.6 * orbit_roof - thickness)
            thickness *= coverage(-60.0 - z + 0.0 * z, 8.0)
        outside = inside - thickness
        shell = np.maximum(-inside, outside)
        middle = coverage(shell + 1.9 + 0.3 * bumps, 1.6) * coverage(2.0 - thickness * 0.5, 1.5)
        hu = self.bone + 90.0 * slow - middle * (self.bone - 620.0 - 130.0 * bumps)
        canvas.paint(shell, hu)

    def head(self, x: Field, y: Field, z: Field, vault: Field) -> Field:
        """Signed distance (mm) to the skin."""
        crown = vault - np.float32(self.thickness + self.scalp)
        if float(z.min()) > 5.0:
            return crown
        ax = np.abs(x)
        face = ellipsoid(ax, y, z, (0.0, -32.0, -58.0), (61.0, 56.0, 62.0))
        jaw = ellipsoid(ax, y, z, (30.0, -12.0, -72.0), (38.0, 55.0, 45.0))
        neck = np.sqrt((x / 1.12) ** 2 + (y - 38.0 - 0.12 * (z + 75.0)) ** 2) - 56.0
        neck = np.maximum(neck, z + 25.0)
        nose = rods(ax, y, z, [(0.0, -77.0, -24.0), (0.0, -95.0, -58.0), (0.0, -91.0, -66.0)], [10.0, 12.0, 13.0])
        ear = np.maximum(
            ellipsoid(ax, y, z, (75.0, 33.0, -40.0), (9.0, 17.0, 27.0)),
            -ellipsoid(ax, y, z, (81.0, 27.0, -40.0), (6.5, 12.0, 20.0)),
        )
        skin = smooth_union(crown, face, 8.0)
        skin = smooth_union(skin, jaw, 10.0)
        skin = smooth_union(skin, neck, 14.0)
        skin = smooth_union(skin, nose, 8.0)
        return np.minimum(skin, ear)


def glabella(x: Field, y: Field, z: Field) -> Field:
    """Thickness (mm) that the frontal bone gains between the brows, where the frontal sinus lies."""
    return 5.5 * np.exp(-((x / 30.0) ** 2) - ((y + 78.0) / 14.0) ** 2 - ((z + 14.0) / 16.0) ** 2)


def _skull_base(rng: np.random.Generator) -> tuple[Field, Field]:
    """Height of the inner skull base (mm) over x and y, and the cosine of its slope."""
    x, y = np.meshgrid(np.arange(-_FLOOR_X, _FLOOR_X + 1.0), np.arange(-_FLOOR_Y, 121.0), indexing="ij")
    x = x + 1.5 * np.sin(y / 30.0 + rng.uniform(0, 6))  # no skull is symmetric
    ax = np.abs(x)
    lift = rng.uniform(-2.0, 2.0)
    wing = -6.0 - 0.62 * (ax - 10.0) + 0.0045 * (ax - 10.0) ** 2  # line of the lesser wings of the sphenoid bone
    petrous = 13.0 + 0.6 * (ax - 10.0)  # line of the petrous ridges
    anterior = -27.0 + (13.0 + lift) * np.exp(-(((ax - 31.0) / 15.0) ** 2) - ((y + 50.0) / 24.0) ** 2)
    anterior += 7.0 * np.exp(-((x / 2.0) ** 2) - ((y + 52.0) / 9.0) ** 2)  # crista galli
    anterior = np.where(y < wing, anterior, -99.0)
    ridge = np.where(
        (ax > 9) & (ax < 64), -17.0 - 0.04 * ax - 1.1 * np.maximum(np.abs(y - wing) - 1.0 - 0.05 * ax, 0.0), -99.0
    )
    middle = -47.0 + 7.0 * ((ax - 42.0) / 24.0) ** 2
    middle = np.where((y >= wing) & (y < petrous + 4) & (ax > 13), middle, -99.0)
    before, behind = np.maximum(petrous - y, 0), np.maximum(y - petrous, 0)
    pyramid = -27.0 + 0.1 * (ax - 30) - 0.75 * np.maximum(before - 2, 0) - 2.4 * behind
    pyramid = np.where((ax > 9), pyramid, -99.0)
    sella = np.where(y < -4, -27.0 - 0.3 * np.abs(y + 8), -35.0)
    sella = np.maximum(sella, -26.5 - 3.5 * np.abs(y - 10.0))
    clivus = -28.0 - 2.2 * np.maximum(y - 11.0, 0.0)
    central = np.where(y < 9.5, sella, clivus) - 0.12 * np.maximum(ax - 9, 0) ** 2
    central = np.where((ax < 19) & (y > -30), central, -99.0)
    height = np.maximum.reduce([anterior, ridge, middle, pyramid, central])
    height = ndimage.gaussian_filter(height + 0.8 * ndimage.gaussian_filter(rng.standard_normal(x.shape), 4) * 4, 1.3)
    dx, dy = np.gradient(height)
    # At a cliff the slope is bounded, or points high above it would seem close to bone.
    return height.astype(np.float32), np.maximum(1.0 / np.sqrt(1.0 + dx**2 + dy**2), 0.45).astype(np.float32)
