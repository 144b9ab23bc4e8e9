"""How noisy the images are."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TISSUE = (0.0, 80.0)
"""HU of brain; what lies outside is air, bone or cerebrospinal fluid at their borders."""
_SLICES = (0.4, 0.45, 0.5, 0.55, 0.6)
"""Where in a series it is measured: in its middle is brain, whichever the thickness."""
_PIXELS = 1000
"""That a slice must have; fewer say little."""


def brain_noise(image: Any) -> float | None:
    """Standard deviation of the noise in brain, by the second differences of neighbours (Immerkaer 1996).

    Structure that is linear over three pixels cancels out. Noise that a soft kernel has smoothed counts for less than
    its standard deviation, so that it is a number to compare, of scanners with themselves.

    Args:
        image: HU as they were read, (1, H, W, S) or (1, H, W).

    Returns:
        HU, the median of five slices in the middle; None where none of them shows brain.
    """
    hu = image[0] if image.ndim == 4 else image[0, ..., None]
    indices = sorted({int(share * (hu.shape[-1] - 1) + 0.5) for share in _SLICES})
    found = [_of_slice(np.asarray(hu[..., i], dtype=np.float32)) for i in indices]
    known = [one for one in found if one is not None]
    return float(np.median(known)) if known else None


def _of_slice(hu: NDArray[np.float32]) -> float | None:
    if min(hu.shape) < 3:
        return None
    inside = (hu > _TISSUE[0]) & (hu < _TISSUE[1])
    inside = inside[:, :-2] & inside[:, 1:-1] & inside[:, 2:]
    inside = inside[:-2] & inside[1:-1] & inside[2:]
    if np.count_nonzero(inside) < _PIXELS:
        return None
    across = hu[:, :-2] - 2 * hu[:, 1:-1] + hu[:, 2:]
    second = across[:-2] - 2 * across[1:-1] + across[2:]
    return math.sqrt(math.pi / 2) / 6 * float(np.abs(second[inside]).mean())
