"""Which images of a datalist can be read, and what tells their pixels apart."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ichmonai.datasets.item import DatasetError, Item, load_image
from ichmonai.digests import sha256_of_hu
from ichmonai.io import HeadCTReadError

logger = logging.getLogger(__name__)


def drop_unreadable(items: Sequence[Item], stop: bool = False, workers: int = 4) -> list[Item]:
    """Read every image once and leave out those that cannot be read, so that no training time is lost to them.

    What is read is also digested: items with the same `sha256` show the same pixels, whatever their names. That
    of an image of one value throughout is "": empty slices do not make two patients one.

    Args:
        items: datalist with `image` entries.
        stop: raise instead, after all images were tried.
        workers: threads that read.

    Returns:
        The items that can be read, with `sha256` added. What was left out is logged, one line each and a count.

    Raises:
        DatasetError: when `stop` is set and an image cannot be read, or when none can.
    """
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(digest_image, items))
    readable = [{**item, **result} for item, result in zip(items, results, strict=True) if isinstance(result, dict)]
    faults = [result for result in results if isinstance(result, HeadCTReadError)]
    for fault in faults:
        logger.warning("%s", fault)
    if faults:
        logger.warning("%d of %d images cannot be read and are left out.", len(faults), len(items))
    if faults and (stop or not readable):
        raise DatasetError(f"{len(faults)} of {len(items)} images cannot be read; the first: {faults[0]}")
    return readable


def digest_image(item: Item) -> dict[str, str] | HeadCTReadError:
    """The `sha256` of an item's image as `drop_unreadable` has it, or why it cannot be read."""
    try:
        return {"sha256": digest_hu(load_image(item).numpy())}
    except HeadCTReadError as error:
        return error


def digest_hu(hu: np.ndarray) -> str:
    """The SHA-256 of an image's shape and HU; "" for an image of one value throughout."""
    if hu.min() == hu.max():
        return ""
    return sha256_of_hu(hu)
