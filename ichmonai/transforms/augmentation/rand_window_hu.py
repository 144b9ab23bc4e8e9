"""CT windows of random level and width."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import RandomizableTransform

from ichmonai.transforms.chain.window_hu import DTVIT_WINDOWS, WindowHU
from ichmonai.transforms.dictionary import RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

NEAR = 1.0  # HU from an end of the range within which a value is taken to be clipped, the more the nearer
FAR = 1000.0  # HU beyond the end that a clipped value stands for


class RandWindowHU(RandomizableTransform):
    """`WindowHU` with a level and width that vary around the given ones, the way exports of other viewers differ.

    All windows of an image share one draw. Where HU were clipped before, as in 8-bit images, what lies at either end
    stands for all beyond it: there the channels are 0 and 1 in any window, so that air stays black and bone white.

    Args:
        windows: (level, width) pairs in HU, see `WindowHU`.
        level_shift: a uniform draw from [-level_shift, level_shift] HU is added to the levels.
        width_factors: lowest and highest factor of the widths, a draw uniform in its logarithm.
        clipped: lowest and highest HU of the images.
        prob: probability that the windows vary.

    Raises:
        ValueError: if a window or factor is not positive, the factors are not in order or the shift is negative.

    Example:
        >>> window = RandWindowHU(level_shift=10).set_random_state(seed=0)
        >>> window(torch.tensor([[[0.0, 40.0, 80.0]]]))
        tensor([[[0.0000, 0.4492, 1.0000]]])
    """

    def __init__(
        self,
        windows: Sequence[Sequence[float]] = DTVIT_WINDOWS,
        level_shift: float = 10.0,
        width_factors: tuple[float, float] = (0.75, 1.33),
        clipped: tuple[float, float] = (0.0, 80.0),
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        if level_shift < 0 or not 0 < width_factors[0] <= width_factors[1]:
            raise ValueError(
                "RandWindowHU needs a level_shift of 0 or more and two positive width_factors in order, not "
                f"{level_shift} and {width_factors}."
            )
        self.windows = WindowHU(windows).windows
        self.level_shift = level_shift
        self.width_factors = width_factors
        self.clipped = clipped
        self.shift, self.factor = 0.0, 1.0

    def randomize(self, data: object = None) -> None:
        """Draw whether the windows vary, their shift in HU and the factor of their widths."""
        super().randomize(data)
        self.shift = self.R.uniform(-self.level_shift, self.level_shift)
        self.factor = float(np.exp(self.R.uniform(*np.log(self.width_factors))))

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> torch.Tensor:
        """Window an image.

        Args:
            img: HU, (1, H, W) or (1, H, W, S).
            randomize: draw new windows first; otherwise use the last ones.

        Returns:
            float32 in [0, 1], (windows, H, W) or (windows, H, W, S).

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        if randomize:
            self.randomize()
        if not self._do_transform:
            return WindowHU(self.windows)(img)
        varied = [(level + self.shift, width * self.factor) for level, width in self.windows]
        low, high = self.clipped
        hu = to_slices(img).float()
        # Interpolation and compression leave saturated pixels just short of the ends.
        beyond = (hu - (high - NEAR)).clamp(0, NEAR) - ((low + NEAR) - hu).clamp(0, NEAR)
        return WindowHU(varied)(from_slices(hu + beyond / NEAR * FAR, img))


RandWindowHUd = RandDictionaryTransform.of(RandWindowHU)
