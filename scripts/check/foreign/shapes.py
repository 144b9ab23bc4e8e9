"""What pictures that are no head CT are drawn with."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]  # (H, W) or (H, W, 3)
Rng = np.random.Generator
SIZE = 256


def window(hu: NDArray, low: float = 0, high: float = 80) -> Picture:
    """8-bit picture of HU."""
    return (255 * np.clip((hu - low) / (high - low), 0, 1)).astype(np.uint8)


def grey(picture: NDArray) -> Picture:
    return np.asarray(Image.fromarray(picture).convert("L"))


def ellipse(size: int, rng: Rng, height: float, width: float, down: float = 0, right: float = 0) -> NDArray[np.bool_]:
    """Mask; lengths as shares of half the side."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    turn = rng.normal(0, 0.03)
    y, x = y - down + turn * x, x - right - turn * y
    return (y / height) ** 2 + (x / width) ** 2 <= 1
