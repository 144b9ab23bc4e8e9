import numpy as np
import pytest


def disc(size: tuple[int, int], centre: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    rows, columns = np.ogrid[: size[0], : size[1]]
    return ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 <= 1


def draw_head(height: int, width: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """HU and truth of a head with skin, fat, skull and brain, a little above the centre of the slice."""
    unit = min(height, width) / 512 * scale
    centre = (0.45 * height, width / 2)
    radii = np.array([190.0, 150.0]) * unit
    hu = np.full((height, width), -1000.0, np.float32)
    for shrink, value in ((0, 30.0), (5, -100.0), (16, 1000.0), (26, 35.0)):
        hu[disc((height, width), centre, tuple(radii - shrink * unit))] = value
    return hu, disc((height, width), centre, tuple(radii))


def draw_brace(hu: np.ndarray, gap: float, opening: float = 0.0, thickness: float = 4.0) -> np.ndarray:
    """Put a ring around the head, `gap` px from it at 512 px, open above `opening` (share of the height)."""
    height, width = hu.shape
    unit = min(height, width) / 512
    centre = (0.45 * height, width / 2)
    inner = (np.array([190.0, 150.0]) + gap) * unit
    ring = disc(hu.shape, centre, tuple(inner + thickness * unit)) & ~disc(hu.shape, centre, tuple(inner))
    ring[: int(opening * height)] = False
    hu[ring] = 70
    return ring


@pytest.fixture
def head():
    return draw_head


@pytest.fixture
def brace():
    return draw_brace
