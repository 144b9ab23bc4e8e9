"""What the transforms share that change whether a slice bleeds, and its label with it."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
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
Finding = tuple[int, tuple[str, ...]]
"""What a slice shows, see `with_finding`."""
Change = tuple[Array, Finding]
"""A changed copy of a slice (H, W), and the finding that it now has."""

GRAIN = 1.2  # mm, the standard deviation of the blur below which detail counts as noise


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
        return changed, label if finding is None else with_finding(label, *finding)

    def change(
        self, img: NdarrayOrTensor, label: NdarrayOrTensor, randomize: bool = True
    ) -> tuple[torch.Tensor, Finding | None]:
        """The slice, and the finding that it now has, or None where it is as it was."""
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
            inside, pixel = intracranial_mask(image, self.spacing), pixel_size(image, self.spacing)
            if inside.any() and inside.sum() * pixel**2 >= self.smallest:
                result = self._change(image, inside, pixel, np.random.default_rng(self.seed))
        if result is None:
            return from_slices(slices, img), None
        changed, finding = result
        limited = np.clip(changed, image.min(), image.max())  # an image of a window stays one
        return from_slices(torch.from_numpy(limited).to(slices)[None, None], img), finding

    @abstractmethod
    def _change(self, image: Array, inside: Mask, pixel: float, rng: np.random.Generator) -> Change | None:
        """What becomes of a slice (H, W) of pixels of so many mm, inside its skull; None where it cannot be changed."""


class CounterfactualTransformd(RandDictionaryTransform[P]):
    """Base of the dictionary versions.

    Args:
        keys: key of the slice.
        *args: arguments of the array version, also by name.
        label_keys: keys of the labels, of either kind, that change with the slice; the first says whether it bleeds.
        kinds_key: key of the kinds, float (5,), that change with the slice where they are there.
        mask_key: key of the mask, (1, H, W): 0 throughout once nothing bleeds, and `UNKNOWN` where something else does.
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
        self.kinds_key, self.mask_key = kinds_key, mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the slice and its labels changed."""
        d = dict(data)
        self.randomize()
        for key in self.key_iterator(d):
            d[key], finding = self.transform.change(d[key], d[self.label_keys[0]], randomize=False)
            if finding is not None:
                d |= {name: with_finding(d[name], *finding) for name in self.label_keys}
                if self.kinds_key in d:
                    d[self.kinds_key] = kinds_with(d[self.kinds_key], finding[1])
                if self.mask_key in d:  # where the blood is now is not known
                    d[self.mask_key] = d[self.mask_key] * 0 + (UNKNOWN if finding[1] else 0)
        return d


def with_finding(label: NdarrayOrTensor, location: int, subtypes: Sequence[str]) -> NdarrayOrTensor:
    """A label of the same kind, type and dtype that says what a slice shows.

    Args:
        label: (2,) of the two heads or (6,) of RSNA.
        location: index of `LOCATIONS`, or `NOT_APPLICABLE`.
        subtypes: those of `RSNA_LABELS` that are seen; none on a normal slice.
    """
    values: list[int]
    if len(label) == len(RSNA_LABELS):
        values = [bool(subtypes), *(name in subtypes for name in RSNA_LABELS[1:])]
    else:
        values = [bool(subtypes), location if subtypes else NOT_APPLICABLE]
    if isinstance(label, torch.Tensor):
        return torch.as_tensor(values, dtype=label.dtype, device=label.device)
    return np.asarray(values, dtype=np.asarray(label).dtype)


def kinds_with(kinds: NdarrayOrTensor, subtypes: Sequence[str]) -> NdarrayOrTensor:
    """Kinds of the same type that say what a slice shows now: what was added, beside what was there; or nothing.

    Args:
        kinds: float (5,) in the order of `KINDS`, nan where that is not known.
        subtypes: those of `KINDS` that came; none where all went.
    """
    changed = kinds * 0 if not subtypes else kinds + 0
    for index, kind in enumerate(KINDS):
        if kind in subtypes or not subtypes:
            changed[index] = float(kind in subtypes)
    return changed


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
