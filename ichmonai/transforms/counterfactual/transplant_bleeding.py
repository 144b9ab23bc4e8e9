"""Put the bleeding of another patient into a normal slice."""

from collections.abc import Sequence

import numpy as np

from ichmonai.classes import KINDS, NOT_APPLICABLE
from ichmonai.transforms.anatomy.binary_image import Mask, dilate
from ichmonai.transforms.anatomy.bleeding import brain_level, smooth_inside
from ichmonai.transforms.anatomy.inner_table import skull_frame
from ichmonai.transforms.counterfactual.ages import aged
from ichmonai.transforms.counterfactual.base import (
    GRAIN,
    Array,
    Change,
    CounterfactualTransform,
    CounterfactualTransformd,
    Finding,
)
from ichmonai.transforms.counterfactual.bleeding import Bleeding, Layer, skull_box, skull_shape
from ichmonai.transforms.counterfactual.placing import Placed, Target, place

CANDIDATES = 16  # bleedings that are compared with a slice
ALIKE = 0.75  # least intersection over union of the insides of both skulls
ATTEMPTS = 8  # at placing a bleeding
MORE = 0.3  # how often one of another kind follows, as after an injury
FITS = 0.9  # least share of a bleeding that lies inside the skull
SMALLEST = 15.0  # mm2 of blood that is seen
SEEN = 0.4  # ... and share of all
SEEN_HU = 5.0  # ... that differs by this from what was there and from brain
BONE_HU = 60.0  # pixels beside the inside of the skull that are as bright are bone


class RandTransplantBleeding(CounterfactualTransform):
    """Put another patient's bleeding into a normal slice with a probability; the slice is then labelled as that was.

    It comes to the same place in the skull, in a slice of about the same level, moved, turned, scaled and on either
    side at random, with a soft edge and the noise of the slice; subdural and epidural layers that were cut by a mask
    are bent to the skull, often as thin ones, and blood in fluid fills the fluid of the slice. Density and age change
    at random, and sometimes several bleedings are put in. Kinds are equally frequent, and locations of one kind, as far
    as the level allows. A slice with a bleeding stays as it is, and so does one in which nothing fits.

    Args:
        donors: what `bleeding_bank` cut out of the training slices.
        prob: probability that a normal slice is changed, if it can be.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: without donors.

    Example:
        >>> import numpy as np
        >>> from ichmonai.transforms.counterfactual.bleeding import cut_bleeding
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> bleeds = hu.copy()
        >>> bleeds[0, 40:60, 40:60] = 65
        >>> donor = cut_bleeding(bleeds[0], np.array([1, 0]))
        >>> transplanted, label = RandTransplantBleeding([donor], prob=1)(hu, np.array([0, -1]))
        >>> float(transplanted[0, 16:112, 26:102].max()) > 40, label.tolist()
        (True, [1, 0])
    """

    smallest = 2000.0  # slices that show less say little about where something is

    def __init__(
        self, donors: Sequence[Bleeding | Layer], prob: float = 0.5, spacing: Sequence[float] | None = None
    ) -> None:
        super().__init__(prob, spacing)
        if not donors:
            raise ValueError("RandTransplantBleeding needs donors: give it a bleeding_bank of slices with bleedings.")
        self.donors = donors
        groups: dict[tuple[str, ...], dict[int, list[Bleeding | Layer]]] = {}
        for donor in donors:
            groups.setdefault(donor.kinds, {}).setdefault(donor.location, []).append(donor)
        self.groups = [[by_location[key] for key in sorted(by_location)] for _, by_location in sorted(groups.items())]

    def _change(
        self, image: Array, inside: Mask, blood: Mask | None, pixel: float, rng: np.random.Generator
    ) -> Change | None:
        frame, shape = skull_frame(inside, pixel), skull_shape(inside, skull_box(image, inside))
        changed, mask = image, np.zeros(image.shape, np.uint8)
        put: list[Bleeding | Layer] = []
        for _ in range(ATTEMPTS):
            donor = self._pick(shape, rng)
            if donor is None or any(donor.kinds == one.kinds for one in put):
                continue
            smoothed = smooth_inside(changed, inside, GRAIN / pixel)
            level = brain_level(smoothed, inside)
            target = Target(changed, smoothed, inside, level, frame, pixel)
            placed = place(donor, target, rng)
            if placed is None or not placed.mask.any():
                continue
            placed = placed._replace(rise=aged(placed.rise, placed.part, donor.kinds[0], placed.thickness, pixel, rng))
            if not _fits(placed, target):
                continue
            changed = _paint(placed, target, mask)
            put.append(donor)
            if rng.random() > MORE:
                break
        if not put:
            return None
        kinds = tuple(name for name in KINDS if any(name in donor.kinds for donor in put))
        unsure = tuple(name for donor in put for name in donor.unsure if name not in kinds)
        places = {donor.location for donor in put if "intraparenchymal" in donor.kinds}
        return changed, Finding(mask, kinds, places.pop() if len(places) == 1 else NOT_APPLICABLE, unsure)

    def _pick(self, shape: Mask, rng: np.random.Generator) -> Bleeding | Layer | None:
        """Kinds are equally frequent, and so are the locations of one; of some, the one whose level is most alike."""
        group = self.groups[rng.integers(len(self.groups))]
        donors = group[rng.integers(len(group))]
        picked = [donors[i] for i in rng.integers(len(donors), size=CANDIDATES)]
        alike = [
            1.0 if isinstance(one, Layer) else (one.shape & shape).sum() / (one.shape | shape).sum() for one in picked
        ]
        return picked[int(np.argmax(alike))] if max(alike) >= ALIKE else None


RandTransplantBleedingd = CounterfactualTransformd.of(RandTransplantBleeding)


def _fits(placed: Placed, target: Target) -> bool:
    """Does the blood lie inside the skull, and is enough of it seen?"""
    blood, inside = placed.mask > 0, target.inside[placed.window]
    smoothed = target.smoothed[placed.window]
    change = placed.part * (target.level + placed.rise - smoothed)
    differs = blood & inside & (abs(change) > SEEN_HU) & (abs(smoothed + change - target.level) > SEEN_HU)
    within = inside | (dilate(inside, 1) & placed.to_bone)
    enough = max(SMALLEST / target.pixel**2, SEEN * blood.sum())
    return bool((blood & within).sum() >= FITS * blood.sum() and differs.sum() >= enough)


def _paint(placed: Placed, target: Target, mask: np.ndarray) -> Array:
    """The slice with the blood in it; the mask of the slice is changed in place."""
    inside, image = target.inside[placed.window], target.image[placed.window]
    blood = target.level + placed.rise
    new = image + np.where(inside, placed.part * (blood - target.smoothed[placed.window]), 0)
    shown = (placed.mask > 0) & inside
    if placed.to_bone:  # pixels that bone and brain share: no gap may be seen there
        beside = dilate(inside, 1) & ~inside
        new = np.where(beside, np.maximum(image, image + placed.part * (blood - image)), new)
        shown |= (placed.mask > 0) & beside & (image < BONE_HU)
    changed = target.image.copy()
    changed[placed.window] = new
    mask[placed.window][shown] = placed.mask[shown]
    return changed
