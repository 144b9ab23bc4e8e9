"""Pictures that are no head CT in a brain window, by class, drawn or taken from installed packages; by seed."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import nibabel as nib
import numpy as np
import skimage.data
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ichmonai.datasets.phantom import make_study
from scripts.check.foreign.changed import CHANGED
from scripts.check.foreign.drawn import DRAWN
from scripts.check.foreign.shapes import SIZE, Picture, Rng, grey, window

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


def foreign_pictures(seed: int = 0, each: int = 30) -> Iterator[tuple[str, Picture]]:
    """Class and picture of everything that has to be refused.

    Args:
        seed: the same seed gives the same pictures.
        each: pictures of a class; of the files of packages there may be more.
    """
    heads = _heads(each, seed)
    for picture in _photographs(np.random.default_rng([seed, 1])):
        yield "photograph", picture
        yield "photograph_grey", grey(picture)
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


def _heads(count: int, seed: int) -> list[NDArray]:
    heads = []
    for number in range(STUDIES):
        study = make_study(1000 * seed + number, size=SIZE)
        area = study.brain.sum(axis=(0, 1))
        full = np.flatnonzero(area > 0.5 * area.max())
        heads += [study.hu[..., k] for k in full[np.linspace(0, len(full) - 1, -(-count // STUDIES)).astype(int)]]
    return heads[:count]


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
