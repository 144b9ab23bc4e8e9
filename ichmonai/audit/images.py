"""Reading every image once, in parallel."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from ichmonai.audit.features import Value, file_features, image_features
from ichmonai.cores import usable_cores
from ichmonai.datasets.item import Item
from ichmonai.datasets.readable import digest_hu
from ichmonai.io import HeadCTReadError, load_head_ct
from ichmonai.processes.contexts import worker_context

SMALL, LARGE = 32, 128
"""Sides of the two pictures that are kept of each slice."""

_CHUNK = 32  # images that a process reads at a time
_WINDOW = (0.0, 80.0)  # HU


@dataclass(frozen=True)
class Facts:
    """What is kept of an image.

    Attributes:
        sha256: of its HU, as `drop_unreadable` has it; "" for an image of one value.
        small: uint8 (32, 32), 0 to 80 HU.
        large: uint8 (128, 128), 0 to 80 HU.
        features: see `image_features` and `file_features`.
    """

    sha256: str
    small: NDArray[np.uint8]
    large: NDArray[np.uint8]
    features: dict[str, Value]


def read_images(items: Sequence[Item], workers: int | None = None) -> list[Facts | str]:
    """Read all images of a datalist.

    Args:
        items: with `image`.
        workers: processes; default: one a core.

    Returns:
        For each item its facts, or the sentence why it cannot be read.
    """
    paths = [item["image"] for item in items]
    processes = min(workers or usable_cores(), len(paths) // _CHUNK)
    with tqdm(total=len(paths), desc="reading images", disable=None) as bar:
        if processes < 2:
            return [_advanced(bar, read_image(path)) for path in paths]
        with ProcessPoolExecutor(processes, worker_context(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return [_advanced(bar, facts) for facts in pool.map(read_image, paths, chunksize=_CHUNK)]


def read_image(path: str) -> Facts | str:
    """Read one image: its facts, or the sentence why it cannot be read."""
    try:
        image = load_head_ct(path)
        if image.ndim != 3:
            return f"{path} is a volume; the audit takes slices, an image each."
        hu = image.numpy()
        features = image_features(hu[0]) | file_features(path)
    except (HeadCTReadError, ValueError) as error:
        return " ".join(str(error).split())
    grey = Image.fromarray(hu[0].clip(*_WINDOW) * np.float32(255 / _WINDOW[1]))
    small, large = (
        np.asarray(grey.resize((side, side), Image.Resampling.BOX)).round().astype(np.uint8) for side in (SMALL, LARGE)
    )
    return Facts(digest_hu(hu), small, large, features)


def _advanced(bar: tqdm, facts: Facts | str) -> Facts | str:
    bar.update()
    return facts
