"""Leave out the slices that show no brain."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ichmonai.datasets.datalist import DatasetError, Item
from ichmonai.io import load_head_ct
from ichmonai.transforms.intracranial import brain_content
from ichmonai.transforms.keep_brain_slices import MINIMUM

logger = logging.getLogger(__name__)


def keep_brain(items: Sequence[Item], minimum: float = MINIMUM, workers: int = 4) -> list[Item]:
    """Leave out slices of neck, face or bone alone, whose labels a network could learn from nothing but the shortcut.

    What inference drops with `KeepBrainSlices`, training does not see either.

    Args:
        items: datalist with `image` entries.
        minimum: smallest share of the head that must lie inside the skull, see
            `ichmonai.transforms.intracranial.brain_content`; where the share cannot be told the slice is kept. 0 keeps
            all.
        workers: threads that look.

    Returns:
        The items that show brain, in their order. How many were left out is logged.

    Raises:
        DatasetError: no slice shows brain.
    """
    if minimum <= 0:
        return list(items)

    def shows_brain(item: Item) -> bool:
        return not brain_content(load_head_ct(item["image"])[0].numpy())[0] < minimum

    with ThreadPoolExecutor(workers) as pool:
        kept = [item for item, shows in zip(items, pool.map(shows_brain, items), strict=True) if shows]
    if not kept:
        raise DatasetError(
            f"None of {len(items)} slices shows brain; are they head CT in HU? A lower minimum keeps them."
        )
    if len(kept) < len(items):
        logger.info("%d of %d slices show no brain and are left out.", len(items) - len(kept), len(items))
    return kept
