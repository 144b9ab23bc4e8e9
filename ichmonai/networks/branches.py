"""CNNs cut after their last residual addition, side by side: the feature generator of Scopeformer."""

import re
from collections.abc import Sequence
from typing import Any, cast

import timm
import torch
from timm.layers import create_feature_extractor, get_graph_node_names
from torch import Tensor, nn

from ichmonai.errors import InputError, first_line
from ichmonai.networks.encoders import check_name

_ADDITION = re.compile(r"(^|\.)i?add(_\d+)?$")
"""Name that torchvision's tracer gives to the addition of two tensors, in the module that adds them."""


class CNNBranch(nn.Module):
    """A timm CNN up to and including its last residual addition; what follows is left out.

    For `legacy_xception`, the Xception of the Scopeformer paper, that is block 12: 1024 maps of 7x7 at 224 pixels,
    before the two last separable convolutions. The cut is found in the network's graph, so it is where the code adds,
    before any activation that follows.

    Args:
        name: timm name of a CNN with residual connections.
        frozen: neither train the weights nor let batch normalisation change its running statistics.
        in_channels: channels of the image.
        pyramid: finer maps on the way are wanted, too, see `pyramid`.

    Raises:
        InputError: the name is not known, or the network has no residual additions or cannot be traced.

    Example:
        >>> CNNBranch("legacy_xception")(torch.zeros(1, 3, 224, 224)).shape
        torch.Size([1, 1024, 7, 7])
    """

    def __init__(self, name: str, frozen: bool = False, in_channels: int = 3, pyramid: bool = False) -> None:
        super().__init__()
        check_name(name)
        self.name = name
        self.frozen = frozen
        self.encoder, self.whole_stride, self.levels = _cut_after_last_addition(name, in_channels, pyramid)
        if frozen:
            self.requires_grad_(False)
            self.eval()

    def train(self, mode: bool = True) -> "CNNBranch":
        """Set training mode; a frozen branch stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, image: Tensor) -> Tensor:
        """Give the feature maps.

        Args:
            image: (B, in_channels, H, W) float.

        Returns:
            (B, C, H', W') float.
        """
        return self.encoder(image)["features"]

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Give the last maps of each finer stride, from the finest on, and the feature maps.

        Args:
            image: (B, in_channels, H, W) float.

        Returns:
            (B, C, H / 2, W / 2), (B, C', H / 4, W / 4) and so on, of those strides that the network has; the last are
            what `forward` gives.
        """
        maps = self.encoder(image)
        return [maps[level] for level in self.levels] + [maps["features"]]


class CNNBranches(nn.Module):
    """Branches that see the same image, their feature maps concatenated.

    Args:
        branches: at least one.
        image_size: height and width of the input in pixels.
        in_channels: channels of the image.
        reduced_channels: a trained 1x1 convolution brings each branch to so many maps; None: none.

    Attributes:
        grid: height and width of the feature maps.
        num_features: number of the concatenated maps.
        finer_channels: of the finer maps of the first branch, from the finest on; empty where it gives none.

    Raises:
        InputError: the branches' feature maps differ in size, or a branch gives none or has its last visible residual
            addition far from its end.
    """

    def __init__(
        self,
        branches: Sequence[CNNBranch],
        image_size: int = 224,
        in_channels: int = 3,
        reduced_channels: int | None = None,
    ) -> None:
        super().__init__()
        shapes = [_feature_shape(branch, image_size, in_channels) for branch in branches]
        if len({shape[1:] for shape in shapes}) > 1:
            found = ", ".join(f"{branch.name} {h}x{w}" for branch, (_, h, w) in zip(branches, shapes, strict=True))
            raise InputError(
                f"The branches' feature maps at {image_size} pixels have different grids ({found}); choose CNNs of the "
                "same stride, or another image_size."
            )
        self.grid = shapes[0][1:]
        self.branches = nn.ModuleList(branches)
        self.reductions = nn.ModuleList(
            nn.Identity() if reduced_channels is None else nn.Conv2d(channels, reduced_channels, 1)
            for channels, *_ in shapes
        )
        self.num_features = sum(reduced_channels or channels for channels, *_ in shapes)
        self.finer_channels = _finer_channels(branches[0], image_size, in_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Concatenate the branches' feature maps.

        Args:
            image: (B, in_channels, image_size, image_size) float.

        Returns:
            (B, num_features, *grid) float.
        """
        maps: list[Tensor] = []
        for branch, reduction in zip(self.branches, self.reductions):  # noqa: B905  # TorchScript knows no strict
            maps.append(reduction(branch(image)))
        return torch.cat(maps, dim=1)


def _cut_after_last_addition(name: str, in_channels: int, pyramid: bool) -> tuple[nn.Module, int, list[str]]:
    """The cut network, giving {"features": map}, with timm's `pretrained_cfg`, and the stride of the whole network.

    With a pyramid it gives the maps of finer strides, too, under the names that come last.
    """
    whole: Any = timm.create_model(name, in_chans=in_channels)
    try:
        _, nodes = get_graph_node_names(whole)
        additions = [node for node in nodes if _ADDITION.search(node)]
        if not additions:
            raise InputError(f"{name} has no residual addition to cut after: choose a CNN with residual connections.")
        finer = [stage["module"] for stage in whole.feature_info[:-1]] if pyramid else []
        levels = {module: f"level{number}" for number, module in enumerate(finer)}
        cut: Any = create_feature_extractor(whole, {**levels, additions[-1]: "features"})
    except InputError:
        raise
    except Exception as error:  # whatever the tracer meets in a network's code
        raise InputError(f"{name} cannot be cut: its code cannot be traced ({first_line(error)}).") from error
    kept = set(cut.state_dict())
    beyond = tuple(tensor for tensor in whole.state_dict() if tensor not in kept)
    cut.pretrained_cfg = {**whole.pretrained_cfg, "classifier": beyond}
    return cut, whole.feature_info[-1]["reduction"], list(levels.values())


def _feature_shape(branch: CNNBranch, image_size: int, in_channels: int) -> tuple[int, int, int]:
    """Channels, height and width of a branch's feature maps."""
    training = branch.training
    try:
        with torch.no_grad():
            shape = branch.eval()(torch.zeros(1, in_channels, image_size, image_size)).shape
    except RuntimeError as error:
        raise InputError(
            f"{branch.name} takes no images of {image_size} pixels ({first_line(error)}): choose a CNN, or another "
            "image_size."
        ) from error
    branch.train(training)
    if len(shape) != 4:
        raise InputError(f"{branch.name} gives no feature maps at its last residual addition: choose a CNN.")
    if image_size / shape[2] < branch.whole_stride / 1.5:  # a network of parts that the tracer takes as one
        raise InputError(
            f"{branch.name} has its last visible residual addition at {shape[2]}x{shape[3]} of {image_size} pixels, "
            f"far from its end at stride {branch.whole_stride}: choose a CNN with residual connections up to there."
        )
    return cast(tuple[int, int, int], tuple(shape[1:]))


def _finer_channels(branch: CNNBranch, image_size: int, in_channels: int) -> list[int]:
    """Channels of what a branch's `pyramid` gives but for the last."""
    training = branch.training
    with torch.no_grad():
        maps = branch.eval().pyramid(torch.zeros(1, in_channels, image_size, image_size))
    branch.train(training)
    return [level.shape[1] for level in maps[:-1]]
