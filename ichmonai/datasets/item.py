"""A labelled slice, and the classes that it counts for."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from monai.data.meta_tensor import MetaTensor

from ichmonai.classes import LOCATIONS, NOT_APPLICABLE, RSNA_LABELS
from ichmonai.errors import InputError
from ichmonai.io import load_head_ct
from ichmonai.io.head_ct import DTVIT_WINDOW

logger = logging.getLogger(__name__)

Item = dict[str, Any]
"""`image` path, `patient` pseudonym, perhaps `split`, and `label`: int64 (2,), ICH 0/1 and location index or -1, or
float32 (6,), the `RSNA_LABELS`, nan where one is unknown.

Of several sources, or where kinds or masks are known: `source`, its name; `window`, level and width in HU that 0..255
of an 8-bit image stands for; `kinds`, float32 (5,), 0 or 1 of each of `KINDS`, nan where that is unknown; and
`mask`, the path of an image of the same size with 0 where no blood is, i + 1 of the kind i, `UNKNOWN`; "" where there
is none."""

SPLITS = ("training", "validation", "test")
"""Parts of a dataset, by the section names of a MONAI datalist."""

CLASS_NAMES = ("normal", *LOCATIONS, "ich", *RSNA_LABELS[1:])
"""Classes that balancing and stratification see; `ich` is a haemorrhage whose location is not known, and those after it
are the subtypes of RSNA, of which a slice may show several."""


class DatasetError(InputError):
    """A dataset cannot be used."""


def load_image(item: Item) -> MetaTensor:
    """The image of an item in HU, see `load_head_ct`."""
    return load_head_ct(item["image"], item.get("window", DTVIT_WINDOW))


def has_rsna_labels(item: Item) -> bool:
    """Whether a slice has the six `RSNA_LABELS`, and not the two of DTViT's heads."""
    return len(item["label"]) == len(RSNA_LABELS)


def class_names(item: Item) -> tuple[str, ...]:
    """Those of `CLASS_NAMES` that a slice counts for: one, or each subtype that it shows."""
    if not has_rsna_labels(item):
        return (class_name(item),)
    # A label may be unknown, nan: the slice then counts as `ich` where no kind is known to be there.
    shown = tuple(name for name, value in zip(RSNA_LABELS[1:], item["label"][1:], strict=True) if value == 1)
    return shown or ("ich" if item["label"][0] else "normal",)


def class_name(item: Item) -> str:
    """One of `CLASS_NAMES`, for a slice with the labels of the two heads."""
    ich, location = (int(v) for v in item["label"])
    if not ich:
        return "normal"
    return LOCATIONS[location] if location != NOT_APPLICABLE else "ich"


def count_classes(items: Iterable[Item]) -> dict[str, int]:
    """The number of slices of each class; every class of the two heads, or of RSNA's labels, is included."""
    items = list(items)
    counts = Counter(name for item in items for name in class_names(item))
    names = RSNA_LABELS[1:] if items and has_rsna_labels(items[0]) else LOCATIONS
    return {name: counts.pop(name, 0) for name in ("normal", *names)} | dict(counts)


def require_all_classes(items: Sequence[Item], where: str) -> None:
    """Refuse to train where a class has no slice.

    RSNA's labels are learnt apart from each other, so a subtype that is missing is only warned of as long as there are
    normal slices and some haemorrhage; so is a location of slices whose kinds may be known.

    Raises:
        DatasetError: naming the empty classes and `where` they are missing.
    """
    counts = count_classes(items)
    empty = [name for name, count in counts.items() if not count]
    # Of blood by kind a location need not be known: what is not is masked in the loss.
    apart = bool(items) and (has_rsna_labels(items[0]) or "kinds" in items[0])
    if apart and counts["normal"] and sum(counts.values()) > counts["normal"]:
        if empty:
            logger.warning("The %s has no slice of %s: nothing is learnt of it.", where, ", ".join(empty))
    elif empty:
        raise DatasetError(
            f"The {where} has no slice of {', '.join(empty)}; add some, or change the split or its seed."
        )
