"""Put the bleeding of another patient into a normal slice."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask
from ichmonai.transforms.anatomy.bleeding import brain_level, smooth_inside
from ichmonai.transforms.counterfactual.base import (
    GRAIN,
    Array,
    Change,
    CounterfactualTransform,
    CounterfactualTransformd,
    paint_blood,
)
from ichmonai.transforms.counterfactual.bleeding_bank import Bleeding, skull_box, skull_shape

CANDIDATES = 16  # bleedings that are compared with a slice
ALIKE = 0.75  # least intersection over union of the insides of both skulls
ATTEMPTS = 6  # at placing a bleeding
JITTER = 4.0  # mm, standard deviation of its place
SCALE = (0.75, 1.3)
TURN = 20.0  # degrees to either side
FITS = 0.9  # least share of a bleeding that lies inside the skull
SMALLEST = 15.0  # mm2 of blood that is seen
SEEN = 8.0  # HU above the brain


class RandTransplantBleeding(CounterfactualTransform):
    """Put another patient's bleeding into a normal slice with a probability; the slice is then labelled as that was.

    It comes to the same place in the skull, in a slice of about the same level, moved, turned, scaled and on either
    side at random, with a soft edge and the noise of the slice. Locations are equally frequent as far as the level
    allows. A slice with a bleeding stays as it is, and so does one in which nothing fits.

    Args:
        donors: what `bleeding_bank` cut out of the training slices.
        prob: probability that a normal slice is changed, if it can be.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: without donors.

    Example:
        >>> import numpy as np
        >>> from ichmonai.transforms.counterfactual.bleeding_bank import cut_bleeding
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> bleeds = hu.copy()
        >>> bleeds[0, 40:60, 40:60] = 65
        >>> donor = cut_bleeding(bleeds[0], np.array([1, 0]))
        >>> transplanted, label = RandTransplantBleeding([donor], prob=1)(hu, np.array([0, -1]))
        >>> float(transplanted[0, 16:112, 26:102].max()) > 60, label.tolist()
        (True, [1, 0])
    """

    def __init__(self, donors: Sequence[Bleeding], prob: float = 0.5, spacing: Sequence[float] | None = None) -> None:
        super().__init__(prob, spacing)
        if not donors:
            raise ValueError("RandTransplantBleeding needs donors: give it a bleeding_bank of slices with bleedings.")
        self.donors = donors
        self.by_location = [
            [donor for donor in donors if donor.location == location]
            for location in sorted({donor.location for donor in donors})
        ]

    def _change(self, image: Array, inside: Mask, pixel: float, rng: np.random.Generator) -> Change | None:
        box = skull_box(image, inside)
        shape = skull_shape(inside, box)
        for _ in range(ATTEMPTS):
            donors = self.by_location[rng.integers(len(self.by_location))]
            picked = [donors[i] for i in rng.integers(len(donors), size=CANDIDATES)]
            alike = [(donor.shape & shape).sum() / (donor.shape | shape).sum() for donor in picked]
            donor = picked[int(np.argmax(alike))]
            if max(alike) < ALIKE:
                continue
            placed = _place(donor, image.shape, box, pixel, rng)
            if placed is None:
                continue
            rise, part = placed
            seen = (part > 0.5) & (rise > SEEN)
            if (seen & inside).sum() < max(FITS * seen.sum(), SMALLEST / pixel**2):
                continue
            level = brain_level(smooth_inside(image, inside, GRAIN / pixel), inside)
            changed = paint_blood(image, inside, part, level + rise, pixel)
            return changed, (donor.location, donor.subtypes)
        return None


RandTransplantBleedingd = CounterfactualTransformd.of(RandTransplantBleeding)


def _place(
    donor: Bleeding, shape: tuple[int, ...], box: tuple[slice, slice], pixel: float, rng: np.random.Generator
) -> tuple[Array, Array] | None:
    """Rise in HU and part of blood for each pixel of a slice, both (H, W); None where it lies outside."""
    row, column = donor.centre
    mirrored = rng.random() < 0.5
    size = box[0].stop - box[0].start, box[1].stop - box[1].start
    shift = rng.normal(0, JITTER / pixel, 2)
    middle = np.array(
        [box[0].start + row * size[0] + shift[0], box[1].start + abs(mirrored - column) * size[1] + shift[1]]
    )
    angle = np.deg2rad(rng.uniform(-TURN, TURN))
    # A bleeding is as large in relation to its skull, where both sizes are known by the same measure.
    scale = rng.uniform(*SCALE) * donor.pixel / pixel * np.sqrt(size[0] * size[1] * pixel**2 / np.prod(donor.box))
    reach = scale * np.hypot(*donor.part.shape) / 2
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach) + 1, shape[:2]).astype(int)
    if (high <= low).any():
        return None
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    if mirrored:
        turn = np.diag([1.0, -1.0]) @ turn
    grid = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"))
    centre = (np.array(donor.part.shape) - 1) / 2
    source = np.tensordot(turn, grid - middle[:, None, None], axes=1) + centre[:, None, None]
    rise, part = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    window = slice(low[0], high[0]), slice(low[1], high[1])
    rise[window] = ndimage.map_coordinates(donor.rise.astype(np.float32), source, order=1, mode="nearest")
    part[window] = ndimage.map_coordinates(donor.part.astype(np.float32) / 255, source, order=1)
    return rise, part
