"""Pictures that are no head CT in a brain window, by class, drawn or taken from installed packages; by seed."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import skimage.data
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.transform import ProjectiveTransform, warp

from ichmonai.datasets.phantom import make_study

Picture = NDArray[np.uint8]  # (H, W) or (H, W, 3)
Rng = np.random.Generator

PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "cat",
    "cell",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "colorwheel",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "logo",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "shepp_logan_phantom",
    "text",
    "checkerboard",
)
STUDIES = 8
SIZE = 256


def foreign_pictures(seed: int = 0, each: int = 30) -> Iterator[tuple[str, Picture]]:
    """Class and picture of everything that has to be refused.

    Args:
        seed: the same seed gives the same pictures.
        each: pictures of a class; of the files of packages there may be more.
    """
    heads = _heads(each, seed)
    for picture in _photographs(np.random.default_rng([seed, 1])):
        yield "photograph", picture
        yield "photograph_grey", _grey(picture)
    for picture in _mr_files():
        yield "mr_file", picture
    for number, (name, draw) in enumerate(DRAWN.items()):
        rng = np.random.default_rng([seed, 2, number])
        for _ in range(each):
            yield name, draw(rng)
    for number, (name, change) in enumerate(CHANGED.items()):
        rng = np.random.default_rng([seed, 3, number])
        for hu in heads:
            yield name, change(hu, rng)
    rng = np.random.default_rng([seed, 4])
    for number in range(each):
        hu = make_study(1000 * seed + number % STUDIES, size=128).hu
        yield "radiograph", _radiograph(hu, number // STUDIES)
        yield "contact_sheet", _contact_sheet(hu, rng)
        yield "reformat", _reformat(hu, rng)


def drawn_heads(each: int, seed: int = 0) -> Iterator[Picture]:
    """Phantom slices in the brain window, which have to be accepted."""
    for hu in _heads(each, seed):
        yield window(hu)


def window(hu: NDArray, low: float = 0, high: float = 80) -> Picture:
    """8-bit picture of HU."""
    return (255 * np.clip((hu - low) / (high - low), 0, 1)).astype(np.uint8)


def _heads(count: int, seed: int) -> list[NDArray]:
    heads = []
    for number in range(STUDIES):
        study = make_study(1000 * seed + number, size=SIZE)
        area = study.brain.sum(axis=(0, 1))
        full = np.flatnonzero(area > 0.5 * area.max())
        heads += [study.hu[..., k] for k in full[np.linspace(0, len(full) - 1, -(-count // STUDIES)).astype(int)]]
    return heads[:count]


def _grey(picture: NDArray) -> Picture:
    return np.asarray(Image.fromarray(picture).convert("L"))


def _bytes(picture: NDArray) -> Picture:
    picture = picture[..., :3] if picture.ndim == 3 else picture
    if picture.dtype == np.uint8:
        return picture
    return (255 * np.clip(picture.astype(float), 0, 1)).astype(np.uint8)


def _photographs(rng: Rng) -> Iterator[Picture]:
    pictures = [_bytes(getattr(skimage.data, name)()) for name in PHOTOGRAPHS]
    pictures += [_bytes(one) for one in skimage.data.stereo_motorcycle()[:2]]
    pictures += list(sklearn.datasets.load_sample_images().images)
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    pictures.append(np.asarray(Image.open(hopper)))
    pictures += [_bytes(face) for face in np.kron(skimage.data.lfw_subset()[:10], np.ones((1, 4, 4)))]
    for picture in pictures:
        picture = np.asarray(_smaller(Image.fromarray(picture)))
        yield picture
        for _ in range(3):
            side = round(min(picture.shape[:2]) * rng.uniform(0.4, 1))
            top, left = (rng.integers(length - side + 1) for length in picture.shape[:2])
            yield picture[top : top + side, left : left + side]


def _smaller(image: Image.Image, side: int = 768) -> Image.Image:
    image.thumbnail((side, side))
    return image


def _mr_files() -> Iterator[Picture]:
    """Slices of nibabel's test data: an anatomical scan of 33 x 41 pixels, and a functional one of 128 x 96."""
    folder = Path(nib.__file__).parent / "tests" / "data"
    for name in ("anatomical.nii", "reoriented_anat_moved.nii", "example4d.nii.gz", "functional.nii"):
        volume = np.asarray(nib.load(folder / name).dataobj, dtype=float)
        volume = volume[..., 0] if volume.ndim == 4 else volume
        for plane in np.moveaxis(volume, 2, 0):
            if np.ptp(plane) > 0:
                high = np.percentile(plane, 99.5)
                picture = Image.fromarray(window(np.rot90(plane), float(plane.min()), float(high)))
                yield np.asarray(picture.resize((4 * picture.width, 4 * picture.height), Image.Resampling.BICUBIC))


def _ellipse(size: int, rng: Rng, height: float, width: float, down: float = 0, right: float = 0) -> NDArray[np.bool_]:
    """Mask; lengths as shares of half the side."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    turn = rng.normal(0, 0.03)
    y, x = y - down + turn * x, x - right - turn * y
    return (y / height) ** 2 + (x / width) ** 2 <= 1


def _ct(hu: NDArray, rng: Rng) -> Picture:
    return window(hu + ndimage.gaussian_filter(rng.normal(0, 1, hu.shape), 0.7) * rng.uniform(5, 15))


def _chest(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[_ellipse(SIZE, rng, 0.66, 0.95)] = -90
    hu[_ellipse(SIZE, rng, 0.6, 0.88)] = 50
    for side in (-0.4, 0.4):
        hu[_ellipse(SIZE, rng, 0.45, rng.uniform(0.28, 0.35), 0, side)] = -850
    hu[_ellipse(SIZE, rng, 0.2, 0.18, 0, 0.1)] = 45
    return _ribs_and_spine(hu, rng)


def _abdomen(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[_ellipse(SIZE, rng, rng.uniform(0.6, 0.75), 0.92)] = -100
    hu[_ellipse(SIZE, rng, 0.55, 0.82)] = rng.uniform(20, 40)
    hu[_ellipse(SIZE, rng, 0.3, 0.35, -0.1, -0.35)] = 60
    hu[_ellipse(SIZE, rng, 0.15, 0.12, 0.2, 0.45)] = 35
    hu[_ellipse(SIZE, rng, 0.1, 0.15, -0.3, 0.3)] = -700
    return _ribs_and_spine(hu, rng)


def _ribs_and_spine(hu: NDArray, rng: Rng) -> Picture:
    hu[_ellipse(SIZE, rng, 0.12, 0.12, 0.42)] = 300
    hu[_ellipse(SIZE, rng, 0.05, 0.05, 0.5)] = 20
    for angle in np.linspace(0, 2 * np.pi, rng.integers(8, 18), endpoint=False) + rng.uniform(0, 1):
        hu[_ellipse(SIZE, rng, 0.04, 0.06, 0.55 * np.sin(angle), 0.8 * np.cos(angle))] = 500
    return _ct(hu, rng)


def _limb(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[_ellipse(SIZE, rng, 0.7, 0.7)] = -100
    hu[_ellipse(SIZE, rng, 0.6, 0.62)] = 55
    bone = rng.uniform(0.18, 0.28)
    hu[_ellipse(SIZE, rng, bone, bone, rng.normal(0, 0.1))] = 1200
    hu[_ellipse(SIZE, rng, bone - 0.07, bone - 0.07, 0)] = -60
    return _ct(hu, rng)


def _water(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    radius = rng.uniform(0.5, 0.9)
    hu[_ellipse(SIZE, rng, radius, radius)] = rng.choice([110.0, 120.0, -100.0])
    hu[_ellipse(SIZE, rng, radius - 0.05, radius - 0.05)] = 0
    return _ct(hu, rng)


def _solid_water(rng: Rng) -> Picture:
    hu = np.full((SIZE, SIZE), -1000.0)
    radius = rng.uniform(0.5, 0.9)
    hu[_ellipse(SIZE, rng, radius, radius)] = rng.uniform(20, 60)
    for _ in range(4):
        hu[_ellipse(SIZE, rng, 0.08, 0.08, rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4))] = rng.choice(
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
    picture[_ellipse(SIZE, rng, 0.8, rng.uniform(0.6, 0.75))] = 255
    picture[_ellipse(SIZE, rng, 0.7, 0.55)] = rng.integers(40, 160)
    for side in (-0.2, 0.2):
        picture[_ellipse(SIZE, rng, 0.1, 0.08, -0.2, side)] = rng.integers(0, 255)
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


def _mr(fluid: float, grey: float, white: float, fat: float) -> Callable[[NDArray, Rng], Picture]:
    """An MR contrast from the phantom's HU: bone and air dark."""

    def swap(hu: NDArray, rng: Rng) -> Picture:
        smooth = ndimage.gaussian_filter(hu.astype(float), 1)
        value = np.interp(
            smooth, [-200, -120, -60, -10, 8, 28, 36, 80, 160], [0, fat, fat, fluid, fluid, white, grey, grey, 0.03]
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
    grey = window(hu)
    blob = _ellipse(SIZE, rng, 0.25, 0.2, rng.normal(0, 0.1), rng.normal(0, 0.1))[..., None]
    colour = (255 * matplotlib.colormaps["jet"](grey)[..., :3]).astype(np.uint8)
    return np.where(blob, colour, grey[..., None])


def _monitor(hu: NDArray, rng: Rng) -> Picture:
    """A photograph of a screen: askew, in a lit room, with its colour cast, glare and moire."""
    screen = np.pad(window(hu) / 255.0 * 0.8 + 0.08, 24, constant_values=0.3)  # a bezel
    screen = np.pad(screen, 60, constant_values=rng.uniform(0.4, 0.8))  # a wall
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * len(screen)
    bent = ProjectiveTransform.from_estimate(corners + rng.normal(0, 18, (4, 2)), corners)
    grey = (
        warp(screen, bent, mode="edge", output_shape=(SIZE, SIZE))
        if len(screen) == SIZE
        else warp(screen, bent, mode="edge")
    )
    y, x = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]] / grey.shape[0]
    moire = 0.05 * np.sin(2 * np.pi * (60 * x + 50 * y + 3 * np.sin(6 * y)))
    glare = 0.3 * np.exp(-((x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2) / 0.05)
    cast = np.array([rng.uniform(0.75, 1), rng.uniform(0.85, 1), 1.0])
    return window((grey + moire + glare)[..., None] * cast + rng.normal(0, 0.02, (*grey.shape, 3)), 0, 1)


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


def _radiograph(hu: NDArray, kind: int) -> Picture:
    """What X-rays leave along the columns (a lateral view) or the rows (a frontal one), bone bright."""
    path = np.clip((hu.astype(float) + 1000) / 1000, 0, None).sum(axis=1 if kind % 2 == 0 else 0).T[::-1]
    path = ndimage.zoom(path, (4, 2), order=1)
    return window(path ** (0.7, 1.0)[kind // 2 % 2], 0, float(np.percentile(path ** (0.7, 1.0)[kind // 2 % 2], 99.5)))


def _contact_sheet(hu: NDArray, rng: Rng) -> Picture:
    rows, columns = ((2, 2), (2, 3), (3, 4), (4, 5), (1, 2))[rng.integers(5)]
    chosen = np.linspace(hu.shape[2] * 0.4, hu.shape[2] * 0.85, rows * columns).astype(int)
    tiles = [window(hu[..., k]) for k in chosen]
    return np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)])


def _reformat(hu: NDArray, rng: Rng) -> Picture:
    """A sagittal or coronal slice, its voxels made square."""
    middle = hu.shape[0] // 2 + int(rng.integers(-10, 10))
    plane = (hu[:, middle] if rng.integers(2) else hu[middle]).T[::-1]
    return window(ndimage.zoom(plane.astype(float), (2.5, 1), order=1))


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
    "cartoon_grey": lambda rng: _grey(_cartoon(rng)),
    "drawn_head": _drawn_head,
    "page": _page,
    "page_grey": lambda rng: _grey(_page(rng)),
    "plot": _plot,
    "plot_grey": lambda rng: _grey(_plot(rng)),
}
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
    "monitor_grey": lambda hu, rng: _grey(_monitor(hu, rng)),
    "too_small": _too_small,
    "too_large": _too_large,
}
