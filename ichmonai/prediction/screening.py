"""Reading and checking of one input."""

import time
from collections.abc import Mapping
from typing import Any

from monai.transforms import Compose
from monai.utils import CommonKeys

from ichmonai.digests import sha256_of_hu


def checked(chain: Compose, item: Mapping[str, Any]) -> dict[str, Any]:
    """Run transforms that read and check one input.

    Args:
        chain: its first transform reads `image`.
        item: a datalist item.

    Returns:
        The item after the chain, with `sha256` of the HU that were read, and `seconds` by stage.

    Raises:
        HeadCTReadError: when the input gets no answer.
    """
    started = time.perf_counter()
    try:
        read = chain(dict(item), end=1)
        digest = sha256_of_hu(read[CommonKeys.IMAGE].numpy())
        was_read = time.perf_counter()
        result = chain(read, start=1)
    except RuntimeError as error:  # Compose wraps what a transform raises, and says where in memory that is
        raise (error.__cause__ or error) from None
    seconds = {"read": was_read - started, "preprocess": time.perf_counter() - was_read}
    return {**result, "sha256": digest, "seconds": seconds}
