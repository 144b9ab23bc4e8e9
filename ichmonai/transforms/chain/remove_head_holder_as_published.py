"""DTViT's head-holder removal exactly as its code does it, faults included."""

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import Transform

from ichmonai.transforms.anatomy.binary_image import Mask, dilate_by_boxes
from ichmonai.transforms.anatomy.pieces import Pieces, fill_holes
from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

DISK_3 = [(3, 0), (2, 2), (0, 3)]
"""Half heights and half widths of the boxes that make up `skimage.morphology.disk(3)`."""


class RemoveHeadHolderAsPublished(Transform):
    """Remove the head holder as the published code of DTViT does, slice by slice.

    Clip to [0, 80] HU; min-max to 8 bit; threshold above 3; erosion with a disk of radius 3; the component of largest
    area (outer contour included); dilation with the same disk; first and last column to zero; flood from pixel (1, 1)
    with tolerance 0; the complement of the flood is the head. The result is the 8-bit image times that mask.

    It is here to reproduce the paper. Use `RemoveHeadHolder` for anything else, because of its faults:

    - skin, ears and nose are thinner than the erosion and are lost;
    - a holder whose contour encloses the head is the largest contour and stays;
    - foreground in the corner (1, 1) makes the flood, and so the mask, wrong;
    - edge columns are zeroed, edge rows are not;
    - min-max is no fixed window: brightness depends on whether a slice holds 0 and 80 HU;
    - a slice without foreground raises there and is dropped; here it comes out black.

    Example:
        >>> import torch
        >>> hu = torch.full((1, 64, 64), -1000.0)
        >>> hu[0, 10:50, 10:50] = 40.0
        >>> RemoveHeadHolderAsPublished()(hu).unique()
        tensor([ 0., 80.])
    """

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Remove the head holder.

        Args:
            img: HU, (1, H, W) or (1, H, W, S).

        Returns:
            float32, shape of the input: the published 8-bit value v as 80 * v / 255, which is HU only for slices that
            reach both 0 and 80 HU.

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        if img.shape[0] != 1:
            raise ValueError(f"RemoveHeadHolderAsPublished takes one channel of HU; this image has {img.shape[0]}.")
        slices = [grey * mask for grey, mask in map(published_chain, to_slices(img)[:, 0].float().cpu().numpy())]
        stack = torch.from_numpy(np.stack(slices)[:, None].astype(np.float32) * (80 / 255))
        return from_slices(stack.to(to_slices(img).device), img)


RemoveHeadHolderAsPublishedd = DictionaryTransform.of(RemoveHeadHolderAsPublished)


def published_chain(hu: np.ndarray) -> tuple[np.ndarray, Mask]:
    """Window a slice and find its head as the published code does.

    Args:
        hu: one slice (H, W) in HU.

    Returns:
        The min-max scaled 8-bit image and the boolean head mask, both (H, W).
    """
    clipped = np.clip(hu, 0, 80)
    low, high = clipped.min(), clipped.max()
    if high == low:
        return np.zeros(hu.shape, np.uint8), np.zeros(hu.shape, bool)
    grey = ((clipped - low) / (high - low) * 255).astype(np.uint8)
    eroded = ~dilate_by_boxes(grey <= 3, DISK_3)
    head = dilate_by_boxes(_largest_contour(eroded), DISK_3)
    head[:, [0, -1]] = False
    # The flood from (1, 1) covers the piece, of head or of not head, that this pixel belongs to.
    pieces = Pieces(head == head[1, 1])
    seed = np.zeros(head.shape, bool)
    seed[1, 1] = True
    return grey, ~pieces.paint(pieces.inside(seed) > 0)


def _largest_contour(mask: Mask) -> Mask:
    """The piece whose outer contour encloses the largest area, which counts its holes."""
    pieces = Pieces(mask)
    areas = pieces.sizes.copy()
    # Holes matter only where the box around a piece leaves room for more than the largest piece has.
    rivals = np.flatnonzero(pieces.box_areas() >= areas.max(initial=0))
    numbers = np.arange(pieces.count)
    if len(rivals) > 1:
        areas[rivals] = [fill_holes(pieces.paint(numbers == rival)).sum() for rival in rivals]
    return pieces.paint(numbers == areas.argmax()) if pieces.count else mask
