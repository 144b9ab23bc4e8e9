"""Scopeformer, the n-CNN-ViT: feature maps of n CNNs, read by a vision transformer."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ichmonai.errors import InputError
from ichmonai.networks.branches import CNNBranch, CNNBranches
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.networks.decoder import MaskDecoder
from ichmonai.networks.heads import RSNA_HEADS
from ichmonai.networks.weights import load_weights

XCEPTION = "legacy_xception"
"""timm's name of the Xception that Scopeformer cuts after block 12."""


class Scopeformer(SliceClassifier):
    """The n-CNN-ViT of Barhoumi and Rasool, 2021 (section 2 and Table 1).

    n CNNs, each cut after its last residual addition, see the same image; their feature maps are concatenated, every
    position of the 7x7 grid is a token, and a ViT's class token carries what the heads read. With Xceptions at 224
    pixels a branch gives 1024x7x7 and has 16,058,152 parameters (the whole Xception: 22,855,952). Without branches it
    is the paper's pure ViT on the raw image.

    The paper states 12 layers, width 1456 and an MLP head. It does not state attention heads, MLP ratio, pooling or the
    pure ViT's patch size; these are the base ViT's, whose variant it adopts: MLP ratio 4, class token, patch 16. Only
    the base ViT's 12 attention heads do not divide 1456; 13 is the nearest number that does (each is 112 wide).

    Args:
        branches: timm names of the CNNs; none for the pure ViT.
        pretrained: weights of the branches, one for each or one for all: False (random), True (the CNN's default from
            timm's hub), or a timm tag, local file or package as for `load_weights`. The same file for all is the
            paper's same-weights variant, different files its diverse one.
        frozen: one for each branch or one for all: keep the branch's weights and batch statistics as they are.
        reduced_channels: a 1x1 convolution brings each branch to so many maps (the paper's smaller version: 128).
        image_size: height and width of the input in pixels.
        in_channels: channels of the image: three windows, or neighbouring slices.
        patch_size: of the pure ViT.
        width: of the ViT.
        depth: layers of the ViT.
        num_heads: attention heads of the ViT.
        mlp_ratio: hidden width of its MLPs over `width`.
        heads: head name -> number of outputs.
        head: `"mlp"`, as the paper has it, or `"linear"`.
        head_dropout: dropout probability in the MLP heads.
        drop_path_rate: stochastic depth of the ViT, rising linearly to this rate at the last layer.
        gradient_checkpointing: recompute the ViT's activations in the backward pass.
        mask_classes: a `MaskDecoder` of so many classes reads the tokens of the ViT and the maps of the first branch,
            see `with_mask`; 0: none.

    Raises:
        InputError: a branch is not known, cannot be cut or gets another network's weights, branches have different
            grids, settings and branches differ in number, width and patch size do not divide, or there is to be a mask
            without branches.

    Example:
        >>> import torch
        >>> network = Scopeformer(["resnet18", "resnet18"], width=64, depth=2, num_heads=4, image_size=64)
        >>> network(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 6])
    """

    def __init__(
        self,
        branches: Sequence[str] = (XCEPTION, XCEPTION),
        pretrained: bool | str | Sequence[bool | str] = False,
        frozen: bool | Sequence[bool] = False,
        reduced_channels: int | None = None,
        image_size: int = 224,
        in_channels: int = 3,
        patch_size: int = 16,
        width: int = 1456,
        depth: int = 12,
        num_heads: int = 13,
        mlp_ratio: float = 4.0,
        heads: Mapping[str, int] = RSNA_HEADS,
        head: Literal["linear", "mlp"] = "mlp",
        head_dropout: float = 0.1,
        drop_path_rate: float = 0.0,
        gradient_checkpointing: bool = False,
        mask_classes: int = 0,
    ) -> None:
        if width % num_heads:
            raise InputError(f"{num_heads} attention heads do not divide a width of {width}: change num_heads.")
        parts: dict[str, nn.Module] = {}
        grid, channels = (image_size, image_size), in_channels
        decoder: MaskDecoder | None = None
        if branches:
            features = CNNBranches(
                [
                    CNNBranch(name, freeze, in_channels, pyramid=number == 0 and mask_classes > 0)
                    for number, (name, freeze) in enumerate(zip(branches, _each(frozen, branches), strict=True))
                ],
                image_size,
                in_channels,
                reduced_channels,
            )
            parts["features"] = features
            # The maps are the transformer's image and every position is a patch of it.
            grid, channels, patch_size = features.grid, features.num_features, 1
            if mask_classes:
                decoder = MaskDecoder([*features.finer_channels, channels + width], mask_classes)
        elif mask_classes:
            raise InputError("A Scopeformer without branches has no maps to make a mask of: set mask_classes to 0.")
        elif frozen or reduced_channels:
            raise InputError(
                "A Scopeformer without branches has nothing to freeze or reduce: set frozen to false, or name branches."
            )
        elif image_size % patch_size:
            raise InputError(f"image_size {image_size} is no multiple of patch_size {patch_size}.")
        transformer = VisionTransformer(
            grid,
            patch_size,
            channels,
            num_classes=0,
            embed_dim=width,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            drop_path_rate=drop_path_rate,
        )
        transformer.set_grad_checkpointing(gradient_checkpointing)
        parts["transformer"] = transformer
        super().__init__(nn.Sequential(OrderedDict(parts)), width, in_channels, heads, head, head_dropout)
        if decoder is not None:
            self.decoder, self.mask_classes = decoder, mask_classes
        self.load_branches(pretrained)

    def with_mask(self) -> nn.Module:
        """What gives the mask beside the logits, see `SliceClassifier`."""
        return _WithMask(self) if self.mask_classes else self

    def load_branches(self, pretrained: bool | str | Sequence[bool | str]) -> None:
        """Load the weights of the branches.

        Args:
            pretrained: as of the constructor.

        Raises:
            InputError: there are no branches, or another number of them, or the weights are another network's.
        """
        branches = [part for part in self.encoder.modules() if isinstance(part, CNNBranch)]
        if pretrained and not branches:
            raise InputError(
                "A Scopeformer without branches has nothing to load: set pretrained to false, or name branches."
            )
        sources = _each(pretrained, [branch.name for branch in branches])
        for branch, source in zip(branches, sources, strict=True):
            if source:
                load_weights(branch, branch.name if source is True else source)


class _WithMask(nn.Module):
    """A Scopeformer that gives logits (B, K) and logits of its mask (B, classes, H, W)."""

    def __init__(self, network: Scopeformer) -> None:
        super().__init__()
        encoder: Any = network.encoder
        # Under the names of the network, so that a checkpoint of one is one of the other.
        self.encoder, self.heads, self.decoder = encoder, network.heads, network.decoder
        self.clinical = network.clinical
        self.training = network.training  # or what sets the mode back after an export would wake batch normalisation

    def forward(self, image: Tensor, clinical: Tensor | None = None) -> tuple[Tensor, Tensor]:
        maps = self.encoder.features.branches[0].pyramid(image)
        features = [self.encoder.features.reductions[0](maps[-1])]
        for branch, reduction in zip(self.encoder.features.branches[1:], self.encoder.features.reductions[1:]):  # noqa: B905
            features.append(reduction(branch(image)))
        maps[-1] = torch.cat(features, dim=1)
        tokens = self.encoder.transformer.forward_features(maps[-1])
        pooled = self.encoder.transformer.forward_head(tokens)
        if self.clinical is not None and clinical is not None:
            pooled = self.clinical(pooled, clinical)
        logits = self.heads(pooled)
        places = tokens[:, 1:].transpose(1, 2).reshape_as(maps[-1][:, : tokens.shape[2]])
        maps[-1] = torch.cat([maps[-1], places], dim=1)
        return logits, self.decoder(maps, image.shape[2], image.shape[3])


def _each(setting: Any, branches: Sequence[str]) -> Sequence[Any]:
    """One setting for each branch, out of one for each or one for all."""
    if isinstance(setting, (bool, str)):
        return [setting] * len(branches)
    if len(setting) != len(branches):
        raise InputError(
            f"{len(branches)} branches ({', '.join(branches)}) were given {len(setting)} settings ({list(setting)}): "
            "give one for each, or one for all."
        )
    return setting
