"""Each slice's head in a square of one size."""

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tvf

from ichmonai.transforms.anatomy.head_mask import head_mask
from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import moved_affine, to_slices


class CropToHead(Transform):
    """Crop each slice to the square that holds its head, and resize that, so that size and place no longer matter.

    The square is centred on the bounding box of the head in that slice. Its side is the longer side of that box plus
    the margin; where it leaves the image it is padded. Without a head the whole image is kept, padded to a square.
    Values are limited before the resizing, which is bilinear with antialiasing, so that an 8-bit export and the DICOM
    file that it was made of give the same image.

    Each slice of a volume has a square of its own, as a slice alone has: networks that learn from single slices see the
    small heads near the vertex as large as they know them. `meta["slice_affines"]`, (S, 4, 4), then says where each
    slice lies; the affine of the whole is that of the middle one.

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
        if img.shape[0] != 1:
            raise ValueError(f"CropToHead takes one channel of HU; this image has {img.shape[0]}.")
        slices = to_slices(img).float()
        if self.outside is None:
            height, width = slices.shape[-2:]
            heads = torch.as_tensor(head_mask(img[0])).reshape(height, width, -1).movedim(-1, 0)
        else:
            heads = slices[:, 0] != self.outside
        squares = [self._square(head) for head in heads]
        cropped = torch.stack([self._crop(one, *square) for one, square in zip(slices, squares, strict=True)])
        result = cropped.movedim(0, -1) if img.ndim == 4 else cropped[0]
        return _placed(result, img, [self._to_input(*square) for square in squares])

    def _square(self, head: torch.Tensor) -> tuple[int, int, int]:
        """Top, left and side of the square of a slice, in pixels of the image."""
        rows, columns = head.any(1).nonzero().flatten(), head.any(0).nonzero().flatten()
        if len(rows):
            box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
            extent = max(box[1] - box[0], box[3] - box[2])
            side = extent + 2 * round(self.margin * extent)
        else:
            box, side = (0, head.shape[0], 0, head.shape[1]), max(head.shape)
        return (box[0] + box[1] - side) // 2, (box[2] + box[3] - side) // 2, side

    def _crop(self, one: torch.Tensor, top: int, left: int, side: int) -> torch.Tensor:
        height, width = one.shape[-2:]
        inside = one[:, max(top, 0) : top + side, max(left, 0) : left + side].clamp(*self.limits)
        padding = (max(-left, 0), max(left + side - width, 0), max(-top, 0), max(top + side - height, 0))
        return tvf.resize(F.pad(inside, padding, value=self.limits[0]), [self.size, self.size], antialias=True)

    def _to_input(self, top: int, left: int, side: int) -> np.ndarray:
        """3x3 homogeneous matrix from (row, column) of the result to that of the image, at the centres of pixels."""
        scale = side / self.size
        return np.array([[scale, 0, top + (scale - 1) / 2], [0, scale, left + (scale - 1) / 2], [0, 0, 1]])


def _placed(result: torch.Tensor, img: NdarrayOrTensor, to_input: list[np.ndarray]) -> torch.Tensor:
    """The result with the metadata of the image and the affines of its slices."""
    if not isinstance(img, MetaTensor):
        return result
    placed = MetaTensor(result, meta=img.meta, applied_operations=img.applied_operations)
    affines = [moved_affine(img.affine, matrix) for matrix in to_input]
    placed.affine = affines[len(affines) // 2]
    placed.meta["slice_affines"] = torch.stack(affines)
    return placed


CropToHeadd = DictionaryTransform.of(CropToHead)
