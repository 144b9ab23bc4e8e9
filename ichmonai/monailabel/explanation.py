"""Where in the slices a network sees the haemorrhage."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from ichmonai.errors import InputError
from ichmonai.io.orientation import to_display_orientation, to_original_orientation
from ichmonai.networks.branches import CNNBranches
from ichmonai.networks.classifier import SliceClassifier

HALF = 0.5
"""Share of a slice's greatest saliency from which a place is marked."""


def ich_evidence(logits: Tensor) -> Tensor:
    """Log odds of a haemorrhage (B,), of DTViT's logits (B, K)."""
    return logits[:, 1] - logits[:, 0]


def saliency(
    network: SliceClassifier, image: Tensor, target: Callable[[Tensor], Tensor] = ich_evidence, batch_size: int = 8
) -> Tensor:
    """How much each place of a slice speaks for a haemorrhage: HiResCAM (Draelos and Carin, arXiv:2011.08891).

    The activations at the last layer that still has places (a Scopeformer's feature maps; the tokens that enter a
    vision transformer's last block; the last feature map of another CNN) times the gradient of the target there,
    summed over the channels, without what speaks against it. It needs a forward and a short backward pass.

    MONAI's `GradCAM` is not used: it leaves its hooks in the network, which a server goes on using, averages gradients
    over places, which a class token does not, and takes no tokens.

    Args:
        network: any of `create_network`, in evaluation mode.
        image: the network's input, a slice (C, H, W) or a volume (C, H, W, S), float.
        target: the network's logits (B, K) -> what is explained (B,).
        batch_size: slices that go through the network at once.

    Returns:
        float32 (H, W) or (H, W, S) on the CPU; each slice from 0 to its maximum 1, or 0 where nothing speaks for it.

    Raises:
        InputError: the network has no layer whose places can be told.

    Example:
        >>> from ichmonai.networks import create_network
        >>> saliency(create_network("resnet18").eval(), torch.rand(3, 64, 64, 2)).shape
        torch.Size([64, 64, 2])
    """
    plain = image.as_tensor() if isinstance(image, MetaTensor) else image
    slices = plain.movedim(-1, 0) if plain.ndim == 4 else plain[None]
    device = next(network.parameters()).device
    maps = [_cam(network, part.to(device), target) for part in slices.split(batch_size)]
    places = F.interpolate(torch.cat(maps)[:, None], slices.shape[-2:], mode="bilinear")[:, 0]
    places = places / places.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(places.dtype).tiny)
    return places.movedim(0, -1) if plain.ndim == 4 else places[0]


def outline(network: SliceClassifier, image: MetaTensor, p_ich: Tensor, threshold: float) -> NDArray[np.uint8]:
    """Mark what speaks for a haemorrhage in the slices that are called one, on the grid of the file that was read.

    Args:
        network: see `saliency`.
        image: the network's input, (C, H, W) or (C, H, W, S), out of the bundle's preprocessing.
        p_ich: ICH probability of each slice, (S,).
        threshold: nothing is marked in slices whose probability is not higher.

    Returns:
        0 or 1, (I, J, K), the shape and axes of the input file (of a DICOM series columns, rows, slices), whose affine
        is `image.meta["original_affine"]`: 1 where the saliency is at least half of the slice's maximum.

    Raises:
        InputError: the image has no geometry, or see `saliency`.
    """
    volume = image.as_tensor().reshape(*image.shape[:3], -1)
    places = torch.zeros(volume.shape[1:])
    if (called := p_ich.cpu() > threshold).any():
        places[..., called] = saliency(network, volume[..., called])
    return (to_input_grid(places.numpy(), image) >= HALF).astype(np.uint8)


def to_input_grid(places: NDArray[np.float32], image: MetaTensor) -> NDArray[np.float32]:
    """Put a map of the network's input onto the grid of the file that was read.

    Args:
        places: (H, W, S).
        image: what the map is of, (C, H, W) or (C, H, W, S), with the meta data of `load_head_ct` and
            `KeepBrainSlices` and `CropToHead`, and the affine that the transforms gave it.

    Returns:
        float32 (I, J, K), see `outline`; bilinear in the plane, and slice by slice.

    Raises:
        InputError: the image has no geometry.
    """
    meta: dict[str, Any] = image.meta
    if "original_affine" not in meta:
        raise InputError(
            f"{meta.get('filename_or_obj', 'The image')} has no geometry, so nothing can be laid over it; "
            "give a volume or a DICOM series."
        )
    original = np.asarray(meta["original_affine"], dtype=np.float64)
    blank, display = to_display_orientation(np.zeros([int(n) for n in meta["spatial_shape"]], np.float32), original)
    result: NDArray[np.float32] = np.zeros(blank.shape, np.float32)
    kept = [int(i) for i in meta.get("brain_slices") or range(result.shape[-1])]
    affines = meta.get("slice_affines", [image.affine] * len(kept))
    for index, place, affine in zip(kept, np.moveaxis(places, -1, 0), affines, strict=True):
        # Rows and columns of the input -> those of the map; which slice is which, affines of uneven slices cannot say.
        step = np.linalg.inv(affine.cpu().numpy().astype(np.float64)) @ display
        result[..., index] = affine_transform(place, step[:2, :2], step[:2, 3], result.shape[:2], order=1)
    return to_original_orientation(result, display, original)


def _cam(network: SliceClassifier, batch: Tensor, target: Callable[[Tensor], Tensor]) -> Tensor:
    """Maps (B, h, w) of slices (B, C, H, W), not negative, on the grid of the layer."""
    layer, grid = _layer_with_places(network, batch)
    taken: list[Tensor] = []

    def start_here(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        torch.set_grad_enabled(True)  # nothing is remembered of the layers before
        taken.append(output.detach().requires_grad_())
        return taken[-1].clone()  # an activation that follows may change it in place

    hook = layer.register_forward_hook(start_here)
    try:
        with torch.inference_mode(False), torch.no_grad():
            evidence = target(network(batch.clone()).float()).sum()
            (gradient,) = torch.autograd.grad(evidence, taken[-1:])
    finally:
        hook.remove()
    product = (taken[-1].detach() * gradient).float()
    if grid is None:
        return product.sum(1).clamp_min(0).cpu()
    tokens = product.sum(2)[:, -grid[0] * grid[1] :]  # after the class token, if there is one
    return tokens.unflatten(1, grid).clamp_min(0).cpu()


def _layer_with_places(network: SliceClassifier, batch: Tensor) -> tuple[nn.Module, tuple[int, int] | None]:
    """The last layer whose output has places, and the grid of its tokens; None where it gives feature maps."""
    encoder = cast(Any, network.encoder)
    if isinstance(features := getattr(encoder, "features", None), CNNBranches):
        return features, None
    transformer = getattr(encoder, "transformer", encoder)
    if isinstance(transformer, VisionTransformer):
        last_block = cast(Any, transformer.blocks[-1])
        return last_block.norm1, cast(Any, transformer.patch_embed).grid_size
    last: list[nn.Module] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            last.append(module)

    hooks = [module.register_forward_hook(note) for module in encoder.modules()]
    try:
        with torch.no_grad():
            network(batch[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if not last or getattr(encoder, "output_fmt", "NCHW") != "NCHW":
        raise InputError(
            f"{type(encoder).__name__} has no feature map that shows where it looks; "
            "use a Scopeformer, a DTViT or a CNN."
        )
    return last[-1], None
