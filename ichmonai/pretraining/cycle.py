"""CycleGAN between photographs and CT slices, in the shape that MONAI's `AdversarialTrainer` trains as it is.

That trainer knows one generator, one discriminator and one batch. So a batch is a *pair*: a photograph and a CT slice
that have nothing to do with each other, channels side by side, and both networks work on pairs. The generators give a
pair in the same order (a photograph made of the slice, a slice made of the photograph), so that the trainer compares
each with the real one in its place, and the generators applied twice must give the first pair again.
"""

from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ichmonai.errors import InputError
from ichmonai.networks.sources import read_weights

Module = TypeVar("Module", bound=nn.Module)


class CycleGenerators(nn.Module):
    """Two generators, each making images of one domain out of images of the other (Zhu et al. 2017, CycleGAN).

    Args:
        to_photograph: (B, C, H, W) -> (B, C, H, W), any values; a sigmoid brings them to [0, 1].
        to_ct: likewise, in the other direction.

    Attributes:
        to_photograph: the generator of photographs, sigmoid included.
        to_ct: the generator of CT slices, sigmoid included: what restyles a photograph.
    """

    def __init__(self, to_photograph: nn.Module, to_ct: nn.Module) -> None:
        super().__init__()
        self.to_photograph = nn.Sequential(to_photograph, nn.Sigmoid())
        self.to_ct = nn.Sequential(to_ct, nn.Sigmoid())

    def forward(self, pair: Tensor) -> Tensor:
        """Make each image out of the other.

        Args:
            pair: (B, 2C, H, W) in [0, 1], photograph then CT slice.

        Returns:
            (B, 2C, H, W) in [0, 1]: photograph made of the slice, slice made of the photograph.

        Raises:
            InputError: the generators do not give images of the size they take.
        """
        photograph, ct = pair.chunk(2, dim=1)
        made = torch.cat([self.to_photograph(ct), self.to_ct(photograph)], dim=1)
        if made.shape != pair.shape:
            raise InputError(
                f"The generators make {tuple(made.shape[-2:])} pixels of {tuple(pair.shape[-2:])}; set image_size to a "
                "multiple of the product of their strides."
            )
        return made


class DomainDiscriminators(nn.Module):
    """Two discriminators, each telling the real from the made in one domain.

    Args:
        photograph: MONAI's `PatchDiscriminator` or another that gives a list whose last is logits (B, 1, h, w).
        ct: likewise.
    """

    def __init__(self, photograph: nn.Module, ct: nn.Module) -> None:
        super().__init__()
        self.photograph = photograph
        self.ct = ct

    def forward(self, pair: Tensor) -> Tensor:
        """Judge the patches of both images.

        Args:
            pair: (B, 2C, H, W) in [0, 1], photograph then CT slice.

        Returns:
            Logits (B, 2, h, w), of the photograph's patches and of the slice's.
        """
        photograph, ct = pair.chunk(2, dim=1)
        return torch.cat([self.photograph(photograph)[-1], self.ct(ct)[-1]], dim=1)


class CycleLoss(nn.Module):
    """Cycle consistency: what was made of an image, sent back, is to be that image (mean absolute difference, L1).

    Args:
        generators: those that are trained.
        weight: of this loss beside the adversarial one (CycleGAN: 10).
    """

    def __init__(self, generators: CycleGenerators, weight: float = 10.0) -> None:
        super().__init__()
        self.generators = generators
        self.weight = weight

    def forward(self, made: Tensor, pair: Tensor) -> Tensor:
        """Give the weighted loss.

        Args:
            made: what the generators gave for `pair`.
            pair: (B, 2C, H, W).

        Returns:
            A scalar.
        """
        return self.weight * F.l1_loss(self.generators(made), pair)


def load_generators(generators: Module, path: str | Path) -> Module:
    """Load trained generators.

    Args:
        generators: changed in place.
        path: file of their state_dict.

    Returns:
        The same generators.

    Raises:
        InputError: there is no such file, it cannot be read, or it is of other generators.
    """
    state = read_weights(path)
    try:
        generators.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"{path} does not hold these generators; give the file that the training of restyle.json wrote, and its "
            "generator_filters and generator_blocks."
        ) from error
    return generators
