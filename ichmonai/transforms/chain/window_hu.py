"""CT windows: HU to [0, 1], one channel a window."""

from collections.abc import Sequence

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import Transform

from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

DTVIT_WINDOWS = ((40.0, 80.0),)
"""Level and width of DTViT's only window, 0..80 HU."""

RSNA_WINDOWS = ((40.0, 80.0), (80.0, 200.0), (40.0, 380.0))
"""Brain, subdural and soft tissue (level, width), as used in the RSNA 2019 challenge and by Scopeformer."""


class WindowHU(Transform):
    """Turn HU into one channel a CT window, scaled to [0, 1].

    A window of level L and width W maps L - W/2 to 0 and L + W/2 to 1 and clips outside (the linear function of DICOM
    PS3.3 C.11.2.1.2, without its half-unit offsets for integer output). The window is fixed: unlike the min-max of
    DTViT's code it does not depend on what else is in the slice.

    Args:
        windows: (level, width) pairs in HU; one output channel each, in this order.

    Raises:
        ValueError: without any window, or if a width is not positive.

    Example:
        >>> import torch
        >>> WindowHU()(torch.tensor([[[-1000.0, 0.0, 20.0, 80.0]]]))
        tensor([[[0.0000, 0.0000, 0.2500, 1.0000]]])
    """

    def __init__(self, windows: Sequence[Sequence[float]] = DTVIT_WINDOWS) -> None:
        self.windows = tuple((float(level), float(width)) for level, width in windows)
        if not self.windows or any(width <= 0 for _, width in self.windows):
            raise ValueError(f"CT windows are (level, width) pairs in HU with a positive width, not {windows}.")

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Window an image.

        Args:
            img: HU, (1, H, W) or (1, H, W, S).

        Returns:
            float32 in [0, 1], (windows, H, W) or (windows, H, W, S).

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        if img.shape[0] != 1:
            raise ValueError(f"WindowHU takes one channel of HU; this image has {img.shape[0]} (shape {img.shape}).")
        hu = to_slices(img).float()
        # (HU - lower bound) / width, in one new image for each window.
        channels = [hu.sub(level - width / 2).div_(width).clamp_(0, 1) for level, width in self.windows]
        return from_slices(channels[0] if len(channels) == 1 else torch.cat(channels, dim=1), img)


WindowHUd = DictionaryTransform.of(WindowHU)
