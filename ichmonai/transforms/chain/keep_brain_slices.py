"""Keep the slices that show brain."""

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform

from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.transforms.anatomy.intracranial import brain_content
from ichmonai.transforms.dictionary import DictionaryTransform

MINIMUM = 0.05


class KeepBrainSlices(Transform):
    """Drop the slices of a volume that show no brain, or hardly any: chest, neck, face, bone of the vertex, air.

    Physicians removed them by hand from what the networks were trained on (DTViT, Data preprocessing); a network that
    never saw them has no right answer to them. All slices that show enough are kept, even where one between them does
    not. Spacing is read from the affine; the unit matrix, which stands for no geometry, leaves it unknown.

    Args:
        minimum: smallest share of the head's cross section that must lie inside the skull, see
            `brain_content` in `ichmonai.transforms.anatomy`. The default is above the spinal canal and below the
            lowest slice with cerebellum.

    Example:
        >>> hu = torch.full((1, 64, 64, 3), -1000.0)
        >>> hu[0, 10:50, 10:50] = 900  # skull
        >>> hu[0, 13:47, 13:47, :2] = 35  # brain, but in the topmost slice
        >>> kept = KeepBrainSlices()(MetaTensor(hu))
        >>> kept.shape, kept.meta["brain_slices"], kept.meta["slice_count"]
        (torch.Size([1, 64, 64, 2]), [0, 1], 3)
    """

    def __init__(self, minimum: float = MINIMUM) -> None:
        if not 0 <= minimum < 1:
            raise ValueError(f"KeepBrainSlices needs a minimum from 0 to below 1, not {minimum}.")
        self.minimum = minimum

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Select slices.

        Args:
            img: HU, (1, H, W) or (1, H, W, S).

        Returns:
            The slices that show brain, (1, H, W, S') in their order, in the dtype of the input; a single slice as it
            is. The metadata of a MetaTensor gains `brain_slices` (list of the indices kept), `slice_count` (S) and
            `brain_content` (list of S shares, nan where the share cannot be told; such slices are kept). Its affine is
            that of the slices kept where they follow each other, and else has their mean distance.

        Raises:
            HeadCTReadError: with the code `no_brain` if no slice shows enough brain.
            ValueError: if the image does not have exactly one channel.
        """
        if img.shape[0] != 1:
            raise ValueError(f"KeepBrainSlices takes one channel of HU; this image has {img.shape[0]}.")
        image = img if isinstance(img, torch.Tensor) else torch.as_tensor(img)
        plain = image.as_tensor() if isinstance(image, MetaTensor) else image
        content = brain_content(plain[0], _spacing(image))
        kept = (~(content < self.minimum)).nonzero()[0].tolist()
        if not kept:
            raise HeadCTReadError(_no_brain(image, float(content.max(initial=0)), self.minimum), Code.NO_BRAIN)
        follow = kept[-1] - kept[0] + 1 == len(kept)  # nearly always, and then nothing has to be copied
        selected = plain if plain.ndim == 3 else plain[..., kept[0] : kept[-1] + 1]
        if not follow:
            selected = plain.movedim(-1, 0)[kept].movedim(0, -1)  # slice after slice in memory, as it was
        if not isinstance(image, MetaTensor):
            return selected
        result = MetaTensor(selected, meta=image.meta, applied_operations=image.applied_operations)
        result.meta |= {"brain_slices": kept, "slice_count": len(content), "brain_content": content.tolist()}
        if plain.ndim == 4:
            step = torch.eye(4, dtype=image.affine.dtype, device=image.affine.device)
            step[2, 2] = (kept[-1] - kept[0]) / (len(kept) - 1) if len(kept) > 1 else 1
            step[2, 3] = kept[0]
            result.affine = image.affine @ step
        return result


KeepBrainSlicesd = DictionaryTransform.of(KeepBrainSlices)


def _spacing(image: torch.Tensor) -> list[float] | None:
    """Distances of rows and columns in mm, where the affine is not the unit matrix."""
    if not isinstance(image, MetaTensor) or torch.equal(image.affine, torch.eye(4).to(image.affine)):
        return None
    return image.affine[:3, :2].norm(dim=0).tolist()


def _no_brain(image: torch.Tensor, most: float, minimum: float) -> str:
    where = (
        f" in {image.meta['filename_or_obj']}"
        if isinstance(image, MetaTensor) and "filename_or_obj" in image.meta
        else ""
    )
    slices = f"None of {image.shape[-1]} slices shows" if image.ndim == 4 else "The slice does not show"
    return (
        f"{slices} enough brain{where}: at most {most:.1%} of the head lies inside the skull, {minimum:.1%} is needed; "
        "give a head CT in HU, or a lower minimum."
    )
