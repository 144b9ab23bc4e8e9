"""Phantom head CT made into what is none: other contrasts, windows, colours and sizes, a photograph of a screen."""

from collections.abc import Callable

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.transform import ProjectiveTransform, warp

from scripts.check.foreign.shapes import SIZE, Picture, Rng, ellipse, grey, window


def _mr(fluid: float, cortex: float, white: float, fat: float) -> Callable[[NDArray, Rng], Picture]:
    """An MR contrast from the phantom's HU: bone and air dark."""

    def swap(hu: NDArray, rng: Rng) -> Picture:
        smooth = ndimage.gaussian_filter(hu.astype(float), 1)
        value = np.interp(
            smooth, [-200, -120, -60, -10, 8, 28, 36, 80, 160], [0, fat, fat, fluid, fluid, white, cortex, cortex, 0.03]
        )
        shading = 1 + 0.15 * np.linspace(-1, 1, hu.shape[0])[:, None] * rng.normal()
        return window(value * shading + np.abs(rng.normal(0, 0.02, hu.shape)), 0, rng.uniform(0.9, 1.1))

    return swap


def _inverted(hu: NDArray, rng: Rng) -> Picture:
    return 255 - window(hu, 0, rng.choice([80, 100]))


def _bone_window(hu: NDArray, rng: Rng) -> Picture:
    level, width = rng.choice([(500, 2000), (600, 2800), (300, 1500), (500, 3000)])
    return window(hu, level - width / 2, level + width / 2)


def _wide_window(hu: NDArray, rng: Rng) -> Picture:
    return window(hu, -1024, rng.choice([1500, 2000, 3071]))


def _lung_window(hu: NDArray, rng: Rng) -> Picture:
    return window(hu, -1350, 150 + rng.integers(100))


def _colour_map(hu: NDArray, rng: Rng) -> Picture:
    name = ("jet", "viridis", "hot", "bone", "turbo", "cool", "plasma")[rng.integers(7)]
    name = "inferno" if name == "bone" else name  # `bone` is a tint, as of film
    return (255 * matplotlib.colormaps[name](window(hu))[..., :3]).astype(np.uint8)


def _fused(hu: NDArray, rng: Rng) -> Picture:
    """A colour overlay on part of the head, as of a perfusion map or a segmentation."""
    shade = window(hu)
    blob = ellipse(SIZE, rng, 0.25, 0.2, rng.normal(0, 0.1), rng.normal(0, 0.1))[..., None]
    colour = (255 * matplotlib.colormaps["jet"](shade)[..., :3]).astype(np.uint8)
    return np.where(blob, colour, shade[..., None])


def _monitor(hu: NDArray, rng: Rng) -> Picture:
    """A photograph of a screen: askew, in a lit room, with its colour cast, glare and moire."""
    screen = np.pad(window(hu) / 255.0 * 0.8 + 0.08, 24, constant_values=0.3)  # a bezel
    screen = np.pad(screen, 60, constant_values=rng.uniform(0.4, 0.8))  # a wall
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * len(screen)
    bent = ProjectiveTransform.from_estimate(corners + rng.normal(0, 18, (4, 2)), corners)
    shade = (
        warp(screen, bent, mode="edge", output_shape=(SIZE, SIZE))
        if len(screen) == SIZE
        else warp(screen, bent, mode="edge")
    )
    y, x = np.mgrid[0 : shade.shape[0], 0 : shade.shape[1]] / shade.shape[0]
    moire = 0.05 * np.sin(2 * np.pi * (60 * x + 50 * y + 3 * np.sin(6 * y)))
    glare = 0.3 * np.exp(-((x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2) / 0.05)
    cast = np.array([rng.uniform(0.75, 1), rng.uniform(0.85, 1), 1.0])
    return window((shade + moire + glare)[..., None] * cast + rng.normal(0, 0.02, (*shade.shape, 3)), 0, 1)


def _too_small(hu: NDArray, rng: Rng) -> Picture:
    """The head on a twelfth of the width of a large dark page."""
    page = np.zeros((512, 512), np.uint8)
    side = 48
    top, left = rng.integers(0, 512 - side, 2)
    page[top : top + side, left : left + side] = np.asarray(Image.fromarray(window(hu)).resize((side, side)))
    return page


def _too_large(hu: NDArray, rng: Rng) -> Picture:
    """Brain alone: so large that no skull is in the picture."""
    tissue = np.argwhere((hu > 5) & (hu < 80))
    row, column = np.median(tissue, axis=0).astype(int)
    part = window(hu)[row - 26 : row + 26, column - 20 : column + 20]
    return np.asarray(Image.fromarray(part).resize((512, 512), Image.Resampling.BICUBIC))


CHANGED: dict[str, Callable[[NDArray, Rng], Picture]] = {
    "mr_t1": _mr(0.1, 0.45, 0.6, 1.0),
    "mr_t2": _mr(1.0, 0.55, 0.4, 0.7),
    "mr_flair": _mr(0.05, 0.6, 0.5, 0.35),
    "inverted": _inverted,
    "bone_window": _bone_window,
    "whole_range": _wide_window,
    "lung_window": _lung_window,
    "colour_map": _colour_map,
    "colour_overlay": _fused,
    "monitor": _monitor,
    "monitor_grey": lambda hu, rng: grey(_monitor(hu, rng)),
    "too_small": _too_small,
    "too_large": _too_large,
}
