"""Pictures of what is no head, or no CT, drawn from nothing."""

import io
from collections.abc import Callable

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from scripts.check.foreign.shapes import SIZE, Picture, Rng, ellipse, grey, window


def _ct(hu: NDArray, rng: Rng) -> Picture:
    return window(hu + ndimage.gaussian_filter(rng.normal(0, 1, hu.shape), 0.7) * rng.uniform(5, 15))


def _chest(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[ellipse(SIZE, rng, 0.66, 0.95)] = -90
    hu[ellipse(SIZE, rng, 0.6, 0.88)] = 50
    for side in (-0.4, 0.4):
        hu[ellipse(SIZE, rng, 0.45, rng.uniform(0.28, 0.35), 0, side)] = -850
    hu[ellipse(SIZE, rng, 0.2, 0.18, 0, 0.1)] = 45
    return _ribs_and_spine(hu, rng)


def _abdomen(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[ellipse(SIZE, rng, rng.uniform(0.6, 0.75), 0.92)] = -100
    hu[ellipse(SIZE, rng, 0.55, 0.82)] = rng.uniform(20, 40)
    hu[ellipse(SIZE, rng, 0.3, 0.35, -0.1, -0.35)] = 60
    hu[ellipse(SIZE, rng, 0.15, 0.12, 0.2, 0.45)] = 35
    hu[ellipse(SIZE, rng, 0.1, 0.15, -0.3, 0.3)] = -700
    return _ribs_and_spine(hu, rng)


def _ribs_and_spine(hu: NDArray, rng: Rng) -> Picture:
    hu[ellipse(SIZE, rng, 0.12, 0.12, 0.42)] = 300
    hu[ellipse(SIZE, rng, 0.05, 0.05, 0.5)] = 20
    for angle in np.linspace(0, 2 * np.pi, rng.integers(8, 18), endpoint=False) + rng.uniform(0, 1):
        hu[ellipse(SIZE, rng, 0.04, 0.06, 0.55 * np.sin(angle), 0.8 * np.cos(angle))] = 500
    return _ct(hu, rng)


def _limb(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[ellipse(SIZE, rng, 0.7, 0.7)] = -100
    hu[ellipse(SIZE, rng, 0.6, 0.62)] = 55
    bone = rng.uniform(0.18, 0.28)
    hu[ellipse(SIZE, rng, bone, bone, rng.normal(0, 0.1))] = 1200
    hu[ellipse(SIZE, rng, bone - 0.07, bone - 0.07, 0)] = -60
    return _ct(hu, rng)


def _water(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    radius = rng.uniform(0.5, 0.9)
    hu[ellipse(SIZE, rng, radius, radius)] = rng.choice([110.0, 120.0, -100.0])
    hu[ellipse(SIZE, rng, radius - 0.05, radius - 0.05)] = 0
    return _ct(hu, rng)


def _solid_water(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    radius = rng.uniform(0.5, 0.9)
    hu[ellipse(SIZE, rng, radius, radius)] = rng.uniform(20, 60)
    for _ in range(4):
        hu[ellipse(SIZE, rng, 0.08, 0.08, rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4))] = rng.choice(
            [-100, 120, 950]
        )
    return _ct(hu, rng)


def _noise(rng: Rng) -> Picture:
    shape = int(rng.integers(64, 512)), int(rng.integers(64, 512))
    noise = rng.normal(128, rng.uniform(10, 80), shape)
    noise = 128 + (ndimage.gaussian_filter(noise, sigma := rng.choice([0, 1, 4, 12])) - 128) * (1 + 2 * sigma)
    return np.clip(noise, 0, 255).astype(np.uint8)


def _uniform(rng: Rng) -> Picture:
    picture = np.full((256, 256), rng.integers(256), np.uint8)
    picture[: rng.integers(0, 128)] = rng.integers(256)
    return picture


def _gradient(rng: Rng) -> Picture:
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    angle = rng.uniform(0, 2 * np.pi)
    kinds = (np.cos(angle) * x + np.sin(angle) * y + 1.4) / 2.8, np.hypot(x, y) / 1.4, 1 - np.hypot(x, y)
    return window(kinds[rng.integers(3)] + rng.normal(0, 0.01, x.shape), 0, 1)


def _cartoon(rng: Rng) -> Picture:
    image = Image.new("RGB", (400, 400), tuple(rng.integers(256, size=3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(4, 14)):
        x, y, width, height = rng.integers(-50, 350), rng.integers(-50, 350), *rng.integers(30, 300, 2)
        shape = (draw.ellipse, draw.rectangle)[rng.integers(2)]
        shape((x, y, x + width, y + height), fill=tuple(rng.integers(256, size=3).tolist()), outline=(0, 0, 0), width=3)
    return np.asarray(image)


def _drawn_head(rng: Rng) -> Picture:
    """A white ring on black around flat grey, as of an icon or of the Shepp-Logan phantom."""
    picture = np.zeros((SIZE, SIZE), np.uint8)
    picture[ellipse(SIZE, rng, 0.8, rng.uniform(0.6, 0.75))] = 255
    picture[ellipse(SIZE, rng, 0.7, 0.55)] = rng.integers(40, 160)
    for side in (-0.2, 0.2):
        picture[ellipse(SIZE, rng, 0.1, 0.08, -0.2, side)] = rng.integers(0, 255)
    return picture


def _page(rng: Rng) -> Picture:
    dark = bool(rng.integers(2))
    image = Image.new("RGB", (640, 480), (20, 20, 24) if dark else (255, 255, 255))
    draw = ImageDraw.Draw(image)
    ink = (220, 220, 220) if dark else (0, 0, 0)
    for row in range(0, 480, 14):
        words = [
            "".join(chr(c) for c in rng.integers(97, 123, rng.integers(2, 11))) for _ in range(rng.integers(2, 16))
        ]
        draw.text((10, row), " ".join(words), fill=ink)
    for _ in range(rng.integers(0, 4)):
        x, y = rng.integers(0, 500), rng.integers(0, 380)
        draw.rectangle((x, y, x + 130, y + 90), outline=ink, fill=(128, 128, 128))
    return np.asarray(image)


def _plot(rng: Rng) -> Picture:
    with plt.style.context("dark_background" if rng.integers(2) else "default"):
        figure, axes = plt.subplots(1, 2, figsize=(5, 3.5), dpi=80)
        axes[0].plot(rng.normal(size=(40, 3)).cumsum(axis=0))
        if rng.integers(2):
            axes[1].table([[f"{value:.2f}" for value in row] for row in rng.normal(size=(6, 3))], loc="center")
        else:
            axes[1].pie(rng.uniform(0.2, 1, 5))
        with io.BytesIO() as file:
            figure.savefig(file, format="png")
            plt.close(figure)
            return np.asarray(Image.open(file).convert("RGB"))


DRAWN: dict[str, Callable[[Rng], Picture]] = {
    "chest": _chest,
    "abdomen": _abdomen,
    "limb": _limb,
    "water_in_acrylic": _water,
    "solid_phantom": _solid_water,
    "noise": _noise,
    "uniform": _uniform,
    "gradient": _gradient,
    "cartoon": _cartoon,
    "cartoon_grey": lambda rng: grey(_cartoon(rng)),
    "drawn_head": _drawn_head,
    "page": _page,
    "page_grey": lambda rng: grey(_page(rng)),
    "plot": _plot,
    "plot_grey": lambda rng: grey(_plot(rng)),
}
