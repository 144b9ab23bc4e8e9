"""Leave out the bleedings on slices that show no brain."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ichmonai.datasets.item import DatasetError, Item, load_image
from ichmonai.transforms.anatomy.intracranial import brain_content
from ichmonai.transforms.chain.keep_brain_slices import MINIMUM

logger = logging.getLogger(__name__)


def keep_brain(items: Sequence[Item], minimum: float = MINIMUM, workers: int = 4, required: bool = True) -> list[Item]:
    """Leave out slices of neck, face or bone alone that a patient's label calls bleeding: there is nothing to see.

    A network could learn that label from nothing but a shortcut. Normal slices without brain stay: they alone tell it
    that such a slice does not bleed, for the few that inference (`KeepBrainSlices`) does not drop.

    Args:
        items: datalist with `image` entries.
        minimum: smallest share of the head that must lie inside the skull, see `ichmonai.transforms.anatomy`;
            where the share cannot be told the slice is kept. 0 keeps all.
        workers: threads that look.
        required: whether there has to be one that stays.

    Returns:
        The items that are normal or show brain, in their order. How many were left out is logged.

    Raises:
        DatasetError: no slice shows brain, and one is required.
    """
    if minimum <= 0:
        return list(items)

    def has_its_label(item: Item) -> bool:
        return item["label"][0] == 0 or not brain_content(load_image(item)[0].numpy())[0] < minimum

    with ThreadPoolExecutor(workers) as pool:
        kept = [item for item, keep in zip(items, pool.map(has_its_label, items), strict=True) if keep]
    if required and not kept:
        raise DatasetError(
            f"None of {len(items)} slices shows brain or is normal; are they head CT in HU? A lower minimum keeps them."
        )
    if len(kept) < len(items):
        logger.info(
            "%d of %d slices are labelled as bleeding but show no brain, and are left out.",
            len(items) - len(kept),
            len(items),
        )
    return kept
