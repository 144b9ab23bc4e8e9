"""What the transforms share that draw what is no haemorrhage, into slices with and without one, whose label stays."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from scipy import ndimage

from ichmonai.classes import UNKNOWN
from ichmonai.transforms.anatomy.binary_image import Mask, dilate
from ichmonai.transforms.anatomy.bleeding import bounding_box, pixel_size, propose_bleeding
from ichmonai.transforms.anatomy.inner_table import skull_frame
from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.counterfactual.base import Array, SeededTransform
from ichmonai.transforms.counterfactual.haemorrhage_kinds import Scene, make_scene
from ichmonai.transforms.dictionary import P, RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

MARGIN = 3  # pixels around the inside of the skull that are looked at
SPARED = 2.0  # mm around blood that stay, too
AIR_HU = 5.0  # above the lowest, up to which it is air
IN_FRONT = 0.16  # share of the head's length in front of the brain from which a slice is low


class MimicTransform(SeededTransform):
    """Base of the random drawings of what is no haemorrhage.

    Args:
        prob: probability that it is drawn.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.
    """

    smallest: ClassVar[float] = 2000.0
    """mm2 inside the skull; slices that show less, or none, stay as they are."""
    spares_blood: ClassVar[bool] = True
    """Whether blood stays as it is; else it is changed as what is around it, and still seen."""

    def __call__(
        self, img: NdarrayOrTensor, randomize: bool = True, mask: NdarrayOrTensor | None = None
    ) -> torch.Tensor:
        """Draw into an image.

        Args:
            img: HU before windowing, (1, H, W) or (1, H, W, S).
            randomize: draw at random first; otherwise use the last draw.
            mask: of blood, of the same shape; without one, or where it is `UNKNOWN` throughout, blood is looked for.

        Returns:
            float32 of the same shape; nothing is darker or brighter than the slice was anywhere, so that an image of a
            window stays one.

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        slices = to_slices(img).float()
        if slices.shape[1] != 1:
            raise ValueError(f"{type(self).__name__} takes one channel of HU; this image has {slices.shape[1]}.")
        if randomize:
            self.randomize()
        if not self._do_transform:
            return from_slices(slices, img)
        masks = [None] * len(slices) if mask is None else [np.asarray(one[0].cpu()) for one in to_slices(mask)]
        changed = [self._changed(one[0].cpu().numpy(), known) for one, known in zip(slices, masks, strict=True)]
        return from_slices(torch.from_numpy(np.stack(changed))[:, None].to(slices), img)

    def _changed(self, image: Array, mask: np.ndarray | None) -> Array:
        inside, pixel = intracranial_mask(image, self.spacing), pixel_size(image, self.spacing)
        if not inside.any() or inside.sum() * pixel**2 < self.smallest:
            return image
        box = bounding_box(inside, MARGIN)
        scene = make_scene(image[box], inside[box], pixel)
        drawn = self._draw(scene, _is_low(image, inside), np.random.default_rng(self.seed))
        if drawn is None:
            return image
        if self.spares_blood:
            known = mask is not None and not (mask == UNKNOWN).all()
            blood = mask > 0 if mask is not None and known else propose_bleeding(image, self.spacing, inside)
            if blood.any():
                around = dilate(blood[box], max(1, round(SPARED / pixel))).astype(np.float32)
                drawn = drawn + ndimage.uniform_filter(around, 3) * (image[box] - drawn)
        changed = image.copy()
        changed[box] = np.clip(drawn, image.min(), image.max())
        return changed

    @abstractmethod
    def _draw(self, scene: Scene, low: bool, rng: np.random.Generator) -> Array | None:
        """The slice with something drawn, or None where there is no place for it.

        Args:
            scene: the inside of the skull.
            low: whether the slice lies near the skull base.
            rng: decides.
        """


class MimicTransformd(RandDictionaryTransform[P]):
    """Base of the dictionary versions.

    Args:
        keys: keys of the images.
        *args: arguments of the array version, also by name.
        mask_key: key of a mask of blood, of the images' shape, which says what is spared; perhaps absent.
        allow_missing_keys: do not raise if a key is missing.
        **kwargs: see `args`.
    """

    def __init__(
        self, keys: KeysCollection, *args: Any, mask_key: str = "mask", allow_missing_keys: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(keys, *args, allow_missing_keys=allow_missing_keys, **kwargs)
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the images drawn into alike; labels, kinds and mask stay."""
        d = dict(data)
        self.randomize()
        for key in self.key_iterator(d):
            d[key] = self.transform(d[key], randomize=False, mask=d.get(self.mask_key))
        return d


def _is_low(image: Array, inside: Mask) -> bool:
    """Whether much of the head lies in front of the brain: orbits and sinuses."""
    head, brain = np.flatnonzero((image > image.min() + AIR_HU).any(axis=1)), np.flatnonzero(inside.any(axis=1))
    return bool(brain[0] - head[0] > IN_FRONT * (head[-1] - head[0]))


def places(scene: Scene) -> tuple[Array, Array, float]:
    """Where each pixel lies in the skull, whose inner table is at 1 about: towards the back, to the left, mm of 1."""
    frame = skull_frame(scene.inside, scene.pixel)
    offset = np.indices(scene.image.shape, np.float32) - frame.centre.astype(np.float32)[:, None, None]
    back, left = np.tensordot(np.linalg.inv(2 * frame.axes).astype(np.float32), offset, axes=1)  # as of an ellipse
    return back, left, float(np.sqrt(abs(np.linalg.det(2 * frame.axes)))) * scene.pixel


def soft(edge: Array, fade: float) -> Array:
    """1 well inside, 0 well outside, from the distance in mm to an edge, positive inside, and its softness in mm."""
    return (1 / (1 + np.exp(-np.clip(edge * (2 / fade), -30, 30)))).astype(np.float32)


def stroke(scene: Scene, back: Array, left: Array, scale: float, points: np.ndarray, half_widths: np.ndarray) -> Array:
    """Distance in mm to the edge of a stroke of a brush, positive inside.

    Args:
        scene: the slice.
        back: see `places`, and `left` and `scale`.
        left: ...
        scale: ...
        points: (N, 2) towards the back and to the left.
        half_widths: (N,) in mm at each point.
    """
    edge = np.full(scene.image.shape, -1e3, np.float32)
    for here, there, wide, then in zip(points[:-1], points[1:], half_widths[:-1], half_widths[1:], strict=True):
        along = there - here
        part = ((back - here[0]) * along[0] + (left - here[1]) * along[1]) / max(float(along @ along), 1e-6)
        part = np.clip(part, 0, 1)
        distance = np.hypot(back - here[0] - part * along[0], left - here[1] - part * along[1]) * scale
        edge = np.maximum(edge, wide + part * (then - wide) - distance)
    return edge


def beside(scene: Scene) -> Mask:
    """The inside of the skull and the pixels that bone and brain share."""
    return dilate(scene.inside, 1)
