"""What the transforms share that change whether a slice bleeds, and its label with it."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import RandomizableTransform
from monai.utils.misc import ensure_tuple
from numpy.typing import NDArray

from ichmonai.classes import KINDS, NOT_APPLICABLE, RSNA_LABELS, UNKNOWN
from ichmonai.transforms.anatomy.binary_image import Mask
from ichmonai.transforms.anatomy.bleeding import pixel_size, smooth_inside
from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.dictionary import P, RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

Array = NDArray[np.float32]

GRAIN = 1.2  # mm, the standard deviation of the blur below which detail counts as noise


class Finding(NamedTuple):
    """What a slice shows after a change."""

    mask: NDArray[np.uint8]  # (H, W), as `KINDS` numbers them from 1, 0 or UNKNOWN
    kinds: tuple[str, ...] = ()  # of `KINDS`; none on a normal slice
    location: int = NOT_APPLICABLE  # index of `LOCATIONS`
    unsure: tuple[str, ...] = ()  # kinds that may be seen, too


Change = tuple[Array, Finding]
"""A changed copy of a slice (H, W), and the finding that it now has."""


def no_blood(image: Array) -> Finding:
    """The finding of a normal slice (H, W)."""
    return Finding(np.zeros(image.shape, np.uint8))


class SeededTransform(RandomizableTransform):
    """Base of the random changes of a slice that depend on nothing but the slice, its label and a seed that is drawn.

    Args:
        prob: probability that a slice is changed, if it can be.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.
    """

    def __init__(self, prob: float, spacing: Sequence[float] | None = None) -> None:
        super().__init__(prob)
        self.spacing = spacing
        self.seed = 0

    def randomize(self, data: object = None) -> None:
        """Draw whether to change a slice, and the seed of how."""
        super().randomize(data)
        self.seed = int(self.R.randint(2**31))


class CounterfactualTransform(SeededTransform):
    """Base of the random changes of a slice together with its label.

    Args:
        prob: probability that a slice is changed, if it can be.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.
    """

    changes_bleeding: ClassVar[bool] = False
    """Whether slices with a bleeding are changed, or normal ones."""
    smallest: ClassVar[float] = 0.0
    """mm2 inside the skull; slices that show less, or none, stay as they are."""

    def __call__(  # type: ignore[override]  # a label comes with the image
        self, img: NdarrayOrTensor, label: NdarrayOrTensor, randomize: bool = True
    ) -> tuple[torch.Tensor, NdarrayOrTensor]:
        """Change a slice and its label.

        Args:
            img: HU before windowing, (1, H, W).
            label: int64 (2,), ICH 0/1 and location or -1; or float (6,), the `RSNA_LABELS`.
            randomize: draw first; otherwise use the last draw.

        Returns:
            The slice, float32 (1, H, W), and its label, of the kind, type and dtype that it had; both as they were
            where nothing is changed.

        Raises:
            ValueError: if the image is not one slice of one channel.
        """
        changed, finding = self.change(img, label, randomize)
        return changed, label if finding is None else with_finding(label, finding)

    def change(
        self,
        img: NdarrayOrTensor,
        label: NdarrayOrTensor,
        randomize: bool = True,
        mask: NdarrayOrTensor | None = None,
    ) -> tuple[torch.Tensor, Finding | None]:
        """The slice, and the finding that it now has, or None where it is as it was; a mask (1, H, W) says more."""
        if img.ndim != 3 or img.shape[0] != 1:
            raise ValueError(
                f"{type(self).__name__} takes one slice (1, H, W) of HU, not an image of shape {tuple(img.shape)}."
            )
        if randomize:
            self.randomize()
        slices = to_slices(img).float()
        result = None
        if self._do_transform and bool(label[0] > 0) is self.changes_bleeding:
            image = slices[0, 0].detach().cpu().numpy()
            blood = None if mask is None else np.asarray(torch.as_tensor(mask)[0].cpu())
            if blood is not None:
                blood = (blood > 0) & (blood != UNKNOWN)
            inside, pixel = intracranial_mask(image, self.spacing), pixel_size(image, self.spacing)
            if inside.any() and inside.sum() * pixel**2 >= self.smallest:
                result = self._change(image, inside, blood, pixel, np.random.default_rng(self.seed))
        if result is None:
            return from_slices(slices, img), None
        changed, finding = result
        limited = np.clip(changed, image.min(), image.max())  # an image of a window stays one
        return from_slices(torch.from_numpy(limited).to(slices)[None, None], img), finding

    @abstractmethod
    def _change(
        self, image: Array, inside: Mask, blood: Mask | None, pixel: float, rng: np.random.Generator
    ) -> Change | None:
        """What becomes of a slice, or None where it cannot be changed.

        Args:
            image: HU (H, W).
            inside: the inside of the skull (H, W).
            blood: what its mask marks (H, W), if it has one.
            pixel: its side in mm.
            rng: decides.
        """


class CounterfactualTransformd(RandDictionaryTransform[P]):
    """Base of the dictionary versions.

    Args:
        keys: key of the slice.
        *args: arguments of the array version, also by name.
        label_keys: keys of the labels, of either kind, that change with the slice; the first says whether it bleeds.
        kinds_key: key of the kinds, float (5,) in the order of `KINDS`, NaN where not known; changed where it is there.
        mask_key: key of the mask, (1, H, W) of the numbers of `Finding`; changed where it is there.
        allow_missing_keys: do not raise if a key is missing.
        **kwargs: see `args`.

    Raises:
        ValueError: if there is more than one slice.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *args: Any,
        label_keys: KeysCollection = "label",
        kinds_key: str = "kinds",
        mask_key: str = "mask",
        allow_missing_keys: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(keys, *args, allow_missing_keys=allow_missing_keys, **kwargs)
        if len(self.keys) != 1:
            raise ValueError(
                f"{type(self).__name__} takes the key of one slice, not {self.keys}: its label follows it."
            )
        self.label_keys = ensure_tuple(label_keys)
        self.kinds_key = kinds_key
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the slice, its labels, its kinds and its mask changed."""
        d = dict(data)
        self.randomize()
        for key in self.key_iterator(d):
            mask = d.get(self.mask_key)
            d[key], finding = self.transform.change(d[key], d[self.label_keys[0]], randomize=False, mask=mask)
            if finding is None:
                continue
            d |= {name: with_finding(d[name], finding) for name in self.label_keys}
            if self.kinds_key in d:
                shown = [np.nan if name in finding.unsure else name in finding.kinds for name in KINDS]
                d[self.kinds_key] = _like(d[self.kinds_key], shown)
            if mask is not None:
                d[self.mask_key] = _like(mask, finding.mask[None])
        return d


def with_finding(label: NdarrayOrTensor, finding: Finding) -> NdarrayOrTensor:
    """A label of the same kind, type and dtype, (2,) of the two heads or (6,) of RSNA, that says what a slice shows."""
    values: list[int]
    if len(label) == len(RSNA_LABELS):
        values = [bool(finding.kinds), *(name in finding.kinds for name in KINDS)]
    else:
        values = [bool(finding.kinds), finding.location if finding.kinds else NOT_APPLICABLE]
    return _like(label, values)


def _like(old: NdarrayOrTensor, values: Any) -> NdarrayOrTensor:
    """Values of the type, dtype and device of what they take the place of."""
    if isinstance(old, torch.Tensor):
        plain = torch.as_tensor(values, dtype=old.dtype, device=old.device)
        return MetaTensor(plain, meta=old.meta) if isinstance(old, MetaTensor) else plain
    return np.asarray(values, dtype=np.asarray(old).dtype)


def paint_blood(image: Array, inside: Mask, part: Array, blood: Array | float, pixel: float) -> Array:
    """Replace brain by blood, and keep the noise of the image.

    Args:
        image: HU (H, W).
        inside: the inside of the skull (H, W); nothing else changes.
        part: of blood in each pixel, (H, W), 0 to 1.
        blood: HU (H, W), or one value.
        pixel: its side in mm.

    Returns:
        Copy of the image (H, W).
    """
    smoothed = smooth_inside(image, inside, GRAIN / pixel)
    return (image + np.where(inside, part, 0) * (blood - smoothed)).astype(np.float32)
