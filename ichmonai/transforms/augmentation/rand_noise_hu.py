"""Scanner noise of random strength and grain."""

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import RandomizableTransform

from ichmonai.transforms.augmentation.rand_window_hu import NEAR
from ichmonai.transforms.dictionary import RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices


class RandNoiseHU(RandomizableTransform):
    """Add noise of random strength and grain, as of a lower dose or another reconstruction kernel.

    What lies at either end of the range of a clipped image stays: there, in air and bone, its noise was clipped, too.
    The noise is a function of the seed that is drawn, so all images of one draw get the same.

    Args:
        highest: the standard deviation in HU is drawn uniformly from 0 to this.
        grain: the standard deviation in pixels of the blur of white noise is drawn uniformly from 0 to this; the blur
            does not change the noise's strength.
        clipped: lowest and highest HU of the images.
        prob: probability that noise is added.

    Raises:
        ValueError: if the noise or its grain is negative.

    Example:
        >>> noise = RandNoiseHU(highest=6, prob=1).set_random_state(seed=0)
        >>> image = torch.tensor([[[0.0, 40.0, 80.0]]])
        >>> (noise(image) == image).tolist()
        [[[True, False, True]]]
    """

    def __init__(
        self, highest: float = 8.0, grain: float = 1.0, clipped: tuple[float, float] = (0.0, 80.0), prob: float = 0.5
    ) -> None:
        super().__init__(prob)
        if highest < 0 or grain < 0:
            raise ValueError(f"RandNoiseHU needs noise and grain of 0 or more, not {highest} and {grain}.")
        self.highest = highest
        self.grain = grain
        self.clipped = clipped
        self.strength, self.blur, self.seed = 0.0, 0.0, 0

    def randomize(self, data: object = None) -> None:
        """Draw whether to add noise, its standard deviation in HU, its grain in pixels, and the seed of it."""
        super().randomize(data)
        self.strength = self.R.uniform(0, self.highest)
        self.blur = self.R.uniform(0, self.grain)
        self.seed = int(self.R.randint(2**31))

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> torch.Tensor:
        """Add noise to an image.

        Args:
            img: HU, (C, H, W) or (C, H, W, S).
            randomize: draw first; otherwise use the last draw.

        Returns:
            float32 of the same shape.
        """
        if randomize:
            self.randomize()
        slices = to_slices(img).float()
        if not self._do_transform:
            return from_slices(slices, img)
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(slices.shape[1:], generator=generator)[None]  # a volume is its slices
        if self.blur > 0.2:  # less does not reach the next pixel
            from monai.networks.layers import GaussianFilter  # which takes a second, and only training needs it

            noise = GaussianFilter(2, self.blur)(noise)
        noise = (noise * (self.strength / noise.std())).to(slices.device)
        low, high = self.clipped
        free = torch.minimum(slices - low, high - slices).clamp(0, NEAR) / NEAR  # 0 where a value was clipped
        return from_slices(torch.where(free > 0, (slices + free * noise).clamp(low, high), slices), img)


RandNoiseHUd = RandDictionaryTransform.of(RandNoiseHU)
