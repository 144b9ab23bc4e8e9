"""A stand-in for ImageNet where there is none: crops of the photographs that scikit-image brings along."""

import logging
from os import PathLike
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from ichmonai.errors import InputError

logger = logging.getLogger(__name__)

PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "rocket",
    "stereo_motorcycle",
)
"""Functions of `skimage.data`, each a class; their files are in scikit-image's wheel."""

_SCALES = (0.4, 1.0)
_TRAINING_WIDTH = 0.75


def write_photographs(
    folder: str | PathLike, size: int = 256, training: int = 100, validation: int = 20, seed: int = 0
) -> None:
    """Write square crops of ten photographs in ImageNet's layout; each photograph is a class.

    A crop's side is 0.4 to 1 of what fits. Training crops are of the left three quarters of a photograph, validation
    crops of the rest, so that no pixel is in both. Ten photographs are no ImageNet: what a network learns of them is
    to tell these ten apart.

    Args:
        folder: gets `train/<class>/` and `val/<class>/`; new or empty.
        size: pixels of a side.
        training: crops a class.
        validation: crops a class.
        seed: the same seed gives the same crops.

    Raises:
        InputError: the folder is not empty.
    """
    root = Path(folder)
    if root.exists() and any(root.iterdir()):
        raise InputError(f"{root} is not empty; choose a new folder for the photographs, or use what is there.")
    rng = np.random.default_rng(seed)
    for name in PHOTOGRAPHS:
        photograph = _photograph(name)
        border = round(photograph.shape[1] * _TRAINING_WIDTH)
        for split, part, count in (
            ("train", photograph[:, :border], training),
            ("val", photograph[:, border:], validation),
        ):
            target = root / split / name
            target.mkdir(parents=True)
            for number in range(count):
                _crop(part, size, rng).save(target / f"{number:04d}.png")
    logger.info("Wrote crops of %d photographs to %s.", len(PHOTOGRAPHS), root)


def _photograph(name: str) -> NDArray[np.uint8]:
    image = getattr(skimage.data, name)()
    return image[0] if isinstance(image, tuple) else image  # of a stereo pair, the left


def _crop(image: NDArray[np.uint8], size: int, rng: np.random.Generator) -> Image.Image:
    height, width = image.shape[:2]
    side = round(min(height, width) * rng.uniform(*_SCALES))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    crop = Image.fromarray(image[top : top + side, left : left + side])
    return crop.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
