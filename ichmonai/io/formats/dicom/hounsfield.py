"""Stored values of a CT image to Hounsfield units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ichmonai.io.limits import AIR_HU

_TISSUE = (-900.0, 3000.0)
"""HU in which a PixelPaddingValue is not believed: it would punch holes into lung, tissue or bone."""
_WRAPPED = 4096 + int(AIR_HU)
"""From here on, a 12-bit value that ought to have a sign stands for -1024..-1 HU."""
_MIN_WRAPPED = 0.01
"""Share of such values that proves it: air takes more of any head CT, and nothing else has 3072 HU or more."""
_HU_TYPES = ("", "HU", "US", "UNSPECIFIED")


@dataclass(frozen=True)
class Rescale:
    """How the stored values of an image become HU.

    Attributes:
        slope: RescaleSlope.
        intercept: RescaleIntercept.
        padding: lowest and highest stored value that mark padding, as numbers of the stored type; else None.
        wraps: whether values that ought to be signed were stored in 12 bits without sign; see `is_wrapped`.
    """

    slope: float = 1.0
    intercept: float = 0.0
    padding: tuple[int, int] | None = None
    wraps: bool = False

    def __call__(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """HU, float32, not below AIR_HU; padding is air.

        Args:
            stored: stored values of any shape, as `PixelRepresentation` says.
        """
        hu = self.unlimited(stored)
        if self.padding is not None:
            hu[(stored >= self.padding[0]) & (stored <= self.padding[1])] = AIR_HU
        return np.maximum(hu, np.float32(AIR_HU), out=hu)

    def unlimited(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """HU as `__call__` gives them, but padding and what is below AIR_HU stay as they are stored.

        Args:
            stored: stored values of any shape, as `PixelRepresentation` says.
        """
        hu = stored.astype(np.float32)
        if self.wraps:
            hu[stored >= _WRAPPED] -= 4096
        if self.slope != 1:
            hu *= np.float32(self.slope)
        if self.intercept:
            hu += np.float32(self.intercept)
        return hu


def rescale_of(header: Dataset, stored: NDArray[Any]) -> Rescale:
    """The modality LUT (PS3.3 C.11.1.1.2) and the pixel padding (C.7.5.1.1.2) of an image; windows have no part in it.

    Args:
        header: with RescaleSlope and RescaleIntercept, those of the frame where frames have their own.
        stored: the image's stored values.

    Raises:
        ValueError: where they cannot become HU.
    """
    intercept, slope = header.get("RescaleIntercept"), header.get("RescaleSlope")
    if intercept is None and not header.get("PixelRepresentation"):
        raise ValueError("they are unsigned and RescaleIntercept is missing")
    slope = 1.0 if slope is None else float(slope)
    intercept = float(intercept or 0)
    if not 0 < slope < 1e4:
        raise ValueError(f"RescaleSlope is {slope:g}")
    if not abs(intercept) < 1e6:
        raise ValueError(f"RescaleIntercept is {intercept:g}")
    wraps = is_wrapped(header, slope, intercept, stored)
    padding = _padding(header, slope, intercept, stored)
    if wraps:
        corners = stored[[0, 0, -1, -1], [0, -1, 0, -1]]
        # Beyond a round field of view: -2000, stored as 2096. Bone that dense is in no four corners at once.
        if padding is None and (corners == corners[0]).all() and 2048 <= corners[0] < _WRAPPED:
            padding = int(corners[0]), int(corners[0])
    return Rescale(slope, intercept, padding, wraps)


def rescale_type(header: Dataset) -> str:
    """RescaleType where it says that rescaled values are no HU (PS3.3 C.11.1.1.2), as in multi-energy CT; else empty.

    US, unspecified, is found in many CT images and means HU there.
    """
    kind = str(header.get("RescaleType") or "").strip().upper()
    return "" if kind in _HU_TYPES else kind[:16]


def is_wrapped(header: Dataset, slope: float, intercept: float, stored: NDArray[Any]) -> bool:
    """Whether an image has the 12-bit fault known from the RSNA 2019 haemorrhage data.

    HU were stored in 12 bits as if they had no sign, with a RescaleIntercept of about 0: air of -1000 HU stands there
    as 3096 and shows as the densest bone. An image clipped at 0 HU has the same header and no such values.
    """
    return bool(
        header.get("BitsStored") == 12
        and not header.get("PixelRepresentation")
        and slope == 1
        and -100 < intercept < 100
        and np.mean((stored >= _WRAPPED) & (stored < 4096)) >= _MIN_WRAPPED
    )


def _padding(header: Dataset, slope: float, intercept: float, stored: NDArray[Any]) -> tuple[int, int] | None:
    padding, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if padding is None or stored.dtype.kind not in "iu":
        return None
    # Some files give a signed image's padding as if it were unsigned (63536 for -2000): the bits are what is meant.
    ends = np.array([int(padding), int(padding if limit is None else limit)]).astype(stored.dtype).astype(np.int64)
    if any(_TISSUE[0] < slope * end + intercept < _TISSUE[1] for end in ends):
        return None
    return int(ends.min()), int(ends.max())
