"""Each slice's head in a square of one size."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform
from monai.utils.misc import ensure_tuple
from torch.nn import functional as F

from ichmonai.transforms.anatomy.head_mask import head_mask
from ichmonai.transforms.dictionary import DictionaryTransform, P
from ichmonai.transforms.inplane import moved_affine, to_slices

Square = tuple[int, int, int]
"""Top, left and side, in pixels."""


class CropToHead(Transform):
    """Crop each slice to the square that holds its head, and resize that, so that size and place no longer matter.

    The square is centred on the bounding box of the head in that slice. Its side is the longer side of that box plus
    the margin; where it leaves the image it is padded. Without a head the whole image is kept, padded to a square.
    Values are limited before the resizing, which is bilinear with antialiasing, so that an 8-bit export and the DICOM
    file that it was made of give the same image.

    Each slice of a volume has a square of its own, as a slice alone has: networks that learn from single slices see the
    small heads near the vertex as large as they know them. `meta["slice_affines"]`, (S, 4, 4), then says where each
    slice lies; the affine of the whole is that of the middle one. `meta["crop_squares"]` is the top, left and side of
    the square of each slice in pixels of the image, and `meta["crop_from"]` its height and width: with these
    `before_crop` brings a mask back.

    Args:
        size: side of the result in pixels.
        margin: added on each side, as a fraction of the longer side of the head's box.
        limits: lowest and highest HU; what is padded has the lowest.
        outside: HU of everything outside the head where that was removed before, by `RemoveHeadHolder(fill=outside)`:
            the head need not be looked for again then. A value that no scanner gives, such as -2000.

    Raises:
        ValueError: if `size` or `margin` is out of range, or the limits are not in order.

    Example:
        >>> hu = torch.full((1, 128, 160), -1000.0)
        >>> hu[0, 20:80, 90:130] = 40.0
        >>> CropToHead(64, margin=0.1)(hu).shape
        torch.Size([1, 64, 64])
    """

    def __init__(
        self,
        size: int,
        margin: float = 0.05,
        limits: tuple[float, float] = (0.0, 80.0),
        outside: float | None = None,
    ) -> None:
        if size < 1 or margin < 0 or limits[0] >= limits[1]:
            raise ValueError(
                "CropToHead needs a size of 1 or more, a margin of 0 or more and limits in order, not "
                f"{size}, {margin} and {limits}."
            )
        self.size = size
        self.margin = margin
        self.limits = limits
        self.outside = outside

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Crop and resize an image.

        Args:
            img: HU, (1, H, W) or (1, H, W, S).

        Returns:
            float32 within the limits, (1, size, size) or (1, size, size, S).

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        return self.crop(img, self.squares(img))

    def squares(self, img: NdarrayOrTensor) -> list[Square]:
        """The square of each slice of an image, see `__call__`."""
        if img.shape[0] != 1:
            raise ValueError(f"CropToHead takes one channel of HU; this image has {img.shape[0]}.")
        slices = to_slices(img)
        if self.outside is None:
            height, width = slices.shape[-2:]
            heads = torch.as_tensor(head_mask(img[0])).reshape(height, width, -1).movedim(-1, 0)
        else:
            heads = slices[:, 0] != self.outside
        return [self._square(head) for head in heads]

    def crop(self, img: NdarrayOrTensor, squares: Sequence[Square]) -> torch.Tensor:
        """Crop an image to the squares of its slices."""
        cropped = torch.stack([self._crop(one, *at) for one, at in zip(to_slices(img).float(), squares, strict=True)])
        return _placed(cropped, img, squares, [self._to_input(*square) for square in squares])

    def crop_mask(self, mask: NdarrayOrTensor, squares: Sequence[Square]) -> torch.Tensor:
        """Crop a mask as its image: the nearest value, and 0 outside.

        Args:
            mask: (1, H, W) or (1, H, W, S) of the image's size, whole numbers.
            squares: of the image's slices, in its pixels.

        Returns:
            (1, size, size) or (1, size, size, S) of the same dtype.
        """
        cropped = torch.stack(
            [
                F.interpolate(_cut(one, 0, *at)[None], (self.size, self.size), mode="nearest-exact")[0]
                for one, at in zip(to_slices(mask).float(), squares, strict=True)
            ]
        ).to(to_slices(mask).dtype)
        return cropped.movedim(0, -1) if mask.ndim == 4 else cropped[0]

    def _square(self, head: torch.Tensor) -> Square:
        """Top, left and side of the square of a slice, in pixels of the image."""
        mask = head.numpy(force=True)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
            extent = max(box[1] - box[0], box[3] - box[2])
            side = extent + 2 * round(self.margin * extent)
        else:
            box, side = (0, head.shape[0], 0, head.shape[1]), max(head.shape)
        return (box[0] + box[1] - side) // 2, (box[2] + box[3] - side) // 2, side

    def _crop(self, one: torch.Tensor, top: int, left: int, side: int) -> torch.Tensor:
        square = _cut(one.clamp(*self.limits), self.limits[0], top, left, side)
        return F.interpolate(square[None], (self.size, self.size), mode="bilinear", antialias=True)[0]

    def _to_input(self, top: int, left: int, side: int) -> np.ndarray:
        """3x3 homogeneous matrix from (row, column) of the result to that of the image, at the centres of pixels."""
        scale = side / self.size
        return np.array([[scale, 0, top + (scale - 1) / 2], [0, scale, left + (scale - 1) / 2], [0, 0, 1]])


def _cut(one: torch.Tensor, fill: float, top: int, left: int, side: int) -> torch.Tensor:
    """A square of a slice (C, H, W), filled where it leaves it."""
    height, width = one.shape[-2:]
    inside = one[:, max(top, 0) : top + side, max(left, 0) : left + side]
    padding = (max(-left, 0), max(left + side - width, 0), max(-top, 0), max(top + side - height, 0))
    return F.pad(inside, padding, value=fill)


def _placed(
    slices: torch.Tensor, img: NdarrayOrTensor, squares: Sequence[Square], to_input: list[np.ndarray]
) -> torch.Tensor:
    """The result with the metadata of the image and the affines of its slices."""
    result = slices.movedim(0, -1) if img.ndim == 4 else slices[0]
    if not isinstance(img, MetaTensor):
        return result
    placed = MetaTensor(result, meta=img.meta, applied_operations=img.applied_operations)
    affines = [moved_affine(img.affine, matrix) for matrix in to_input]
    placed.affine = affines[len(affines) // 2]
    placed.meta["slice_affines"] = torch.stack(affines)
    placed.meta["crop_squares"] = [list(square) for square in squares]
    placed.meta["crop_from"] = [int(img.shape[1]), int(img.shape[2])]
    return placed


def before_crop(
    maps: torch.Tensor, squares: Sequence[Sequence[int]], size: Sequence[int]
) -> Iterator[tuple[torch.Tensor, slice, slice]]:
    """Bring maps, such as the logits of a mask, back to the pixels of the image that was cropped, slice by slice.

    Args:
        maps: (C, h, w, S) float, in the squares.
        squares: `meta["crop_squares"]` of the crop.
        size: `meta["crop_from"]` of the crop, height and width of the image.

    Yields:
        The part of each square that lies in the image, float32 (C, H', W'), and its rows and columns there.
    """
    height, width = size
    for one, (top, left, side) in zip(maps.movedim(-1, 0), squares, strict=True):
        large = F.interpolate(one[None].float(), size=(side, side), mode="bilinear", align_corners=False)[0]
        rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
        yield large[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left], rows, columns


class _CropToHeadd(DictionaryTransform[P]):
    """Base of the dictionary version.

    Args:
        keys: key of the image.
        *args: arguments of the array version, also by name.
        mask_keys: keys of masks (1, H, W) that are cropped as the image is, to the nearest value.
        allow_missing_keys: do not raise if a key is missing.
        **kwargs: see `args`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *args: Any,
        mask_keys: KeysCollection = (),
        allow_missing_keys: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(keys, *args, allow_missing_keys=allow_missing_keys, **kwargs)
        self.mask_keys = ensure_tuple(mask_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the image cropped, and its masks with it."""
        d = dict(data)
        crop: Any = self.transform
        for key in self.key_iterator(d):
            squares = crop.squares(d[key])
            d[key] = crop.crop(d[key], squares)
            d |= {name: crop.crop_mask(d[name], squares) for name in self.mask_keys if name in d}
        return d


CropToHeadd = _CropToHeadd.of(CropToHead)
