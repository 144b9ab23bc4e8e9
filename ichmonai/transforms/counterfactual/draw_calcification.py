"""Draw the calcifications of a healthy brain, which are as bright as blood and are none."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask
from ichmonai.transforms.anatomy.bleeding import pixel_size
from ichmonai.transforms.anatomy.inner_table import symmetry_of_skull
from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.counterfactual.base import Array, SeededTransform
from ichmonai.transforms.dictionary import P, RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

# Lengths are in mm, x to the side of the midline and y towards the back from the middle of the brain.
SMALLEST = 6000.0  # mm2 inside the skull; lower and higher slices do not show these places
CALCIUM_HU = (90.0, 400.0)
FADE = 0.7  # standard deviation of an edge
COVERED_HU = 12.0  # by which a pixel became brighter that shows chalk now and no blood
BESIDE_BONE = 3.0  # nothing is drawn nearer
Spot = tuple[float, float, float, float]  # x, y, and the radii along x and y


def pineal(rng: np.random.Generator) -> list[Spot]:
    """One spot on the midline, a little behind the middle."""
    radius = rng.uniform(1.5, 3.5)
    return [(rng.normal(0, 1.5), rng.normal(12, 5), radius, radius * rng.uniform(0.8, 1.6))]


def choroid_plexus(rng: np.random.Generator) -> list[Spot]:
    """A spot in each trigone, mostly, unlike in size."""
    x, y = rng.normal(22, 4), rng.normal(25, 6)
    sides = [-1, 1] if rng.random() < 0.8 else [rng.choice([-1, 1])]
    return [
        (side * x + rng.normal(0, 2), y + rng.normal(0, 3), rng.uniform(1.5, 4), rng.uniform(1.5, 5)) for side in sides
    ]


def globus_pallidus(rng: np.random.Generator) -> list[Spot]:
    """Two faint spots in front of the middle."""
    x, y = rng.normal(18, 3), rng.normal(-12, 4)
    return [(side * x, y + rng.normal(0, 1.5), rng.uniform(1.5, 4), rng.uniform(2, 5)) for side in (-1, 1)]


def falx(rng: np.random.Generator) -> list[Spot]:
    """A thin line along the midline, in front or at the back."""
    return [(rng.normal(0, 1.5), rng.choice([-1, 1]) * rng.uniform(30, 60), rng.uniform(0.7, 1.8), rng.uniform(3, 15))]


PLACES: tuple[Callable[[np.random.Generator], list[Spot]], ...] = (pineal, choroid_plexus, globus_pallidus, falx)


class RandDrawCalcification(SeededTransform):
    """Draw calcifications of the pineal gland, choroid plexus, globus pallidus or falx with a probability.

    They come with age and are no haemorrhage, so a label stays. A data set whose normal patients are young has few, and
    a network that has not seen them calls them bleeding.

    Args:
        prob: probability that they are drawn.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Example:
        >>> hu = torch.full((1, 128, 128), -1000.0)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> drawn = RandDrawCalcification(prob=1).set_random_state(seed=0)(hu)
        >>> bool(drawn[0, 20:108, 30:98].max() > 60)
        True
    """

    def __init__(self, prob: float = 0.3, spacing: Sequence[float] | None = None) -> None:
        super().__init__(prob, spacing)

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> torch.Tensor:
        """Draw into an image.

        Args:
            img: HU before windowing, (1, H, W) or (1, H, W, S).
            randomize: draw at random first; otherwise use the last draw.

        Returns:
            float32 of the same shape; what was drawn is no brighter than the brightest of the slice, so that an image
            of a window stays one.
        """
        if randomize:
            self.randomize()
        slices = to_slices(img).float()
        if not self._do_transform:
            return from_slices(slices, img)
        changed = [self._draw(one[0].cpu().numpy(), np.random.default_rng(self.seed)) for one in slices]
        return from_slices(torch.from_numpy(np.stack(changed))[:, None].to(slices), img)

    def _draw(self, image: Array, rng: np.random.Generator) -> Array:
        pixel = pixel_size(image, self.spacing)
        inside = intracranial_mask(image, self.spacing)
        if inside.sum() * pixel**2 < SMALLEST:
            return image
        chosen = [place for place in PLACES if rng.random() < 0.5] or [PLACES[rng.integers(len(PLACES))]]
        spots = [spot for place in chosen for spot in place(rng)]
        hu = rng.uniform(*CALCIUM_HU)
        part = _part(inside, spots, pixel, rng)
        return (image + part * np.maximum(min(hu, float(image.max())) - image, 0)).astype(np.float32)


class CalcificationTransformd(RandDictionaryTransform[P]):
    """Base of the dictionary version.

    Args:
        keys: keys of the images.
        *args: arguments of the array version, also by name.
        mask_key: key of a mask of blood, (1, H, W) or (1, H, W, S), which is 0 where calcium covers it; perhaps absent.
        allow_missing_keys: do not raise if a key is missing.
        **kwargs: see `args`.
    """

    def __init__(
        self, keys: KeysCollection, *args: Any, mask_key: str = "mask", allow_missing_keys: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(keys, *args, allow_missing_keys=allow_missing_keys, **kwargs)
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the images drawn into alike."""
        d = super().__call__(data)
        for key in self.key_iterator(d) if self.mask_key in d else ():
            mask = d[self.mask_key]
            seen = torch.as_tensor(d[key]) <= torch.as_tensor(data[key]) + COVERED_HU
            d[self.mask_key] = mask * (seen.to(mask.dtype) if isinstance(mask, torch.Tensor) else seen.numpy())
        return d


RandDrawCalcificationd = CalcificationTransformd.of(RandDrawCalcification)


def _part(inside: Mask, spots: list[Spot], pixel: float, rng: np.random.Generator) -> Array:
    """How much of each pixel is calcium, 0 to 1, (H, W)."""
    middle, back = symmetry_of_skull(inside, pixel)
    rows, columns = np.indices(inside.shape, dtype=np.float32)
    y = ((rows - middle[0]) * back[0] + (columns - middle[1]) * back[1]) * pixel
    x = ((columns - middle[1]) * back[0] - (rows - middle[0]) * back[1]) * pixel
    part = np.zeros(inside.shape, np.float32)
    for at_x, at_y, wide, long in spots:
        angle = np.arctan2(y - at_y, x - at_x)
        uneven = 1 + 0.12 * np.cos(angle * rng.integers(2, 4) + rng.uniform(0, 2 * np.pi))
        distance = np.hypot((x - at_x) / wide, (y - at_y) / long) / uneven
        edge = (1 - distance) * min(wide, long)  # mm to the edge, about
        part = np.maximum(part, 1 / (1 + np.exp(-np.clip(2 * edge / FADE, -30, 30))))
    deep = ndimage.distance_transform_edt(inside) * pixel > BESIDE_BONE
    return part * deep
