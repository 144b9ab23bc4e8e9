"""Which inputs get an answer."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from monai.transforms import Compose
from monai.utils import CommonKeys

from ichmonai.digests import sha256_of_hu
from ichmonai.errors import InputError
from ichmonai.io.findings import Finding, HeadCTReadError
from ichmonai.io.series import Rejection

logger = logging.getLogger(__name__)


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


def screen(
    items: Sequence[dict[str, Any]], rejections: Sequence[Rejection], chain: Compose, stop: bool = False
) -> tuple[list[dict[str, Any]], list[Rejection]]:
    """Read and check every input beforehand, so that a run is not stopped by one that gets no answer.

    What is kept is read again when its turn comes, so that one volume at a time is in memory; `ichmonai predict` reads
    each once.

    Args:
        items: datalist of `find_head_ct`.
        rejections: what that has refused.
        chain: transforms that read and check, see `checked`.
        stop: raise where anything is refused.

    Returns:
        The items that can be predicted, with `sha256`, and all that is refused.

    Raises:
        InputError: when `stop` is set and something is refused, or when nothing is left.
    """
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda item: _try(chain, item), items))
    kept = [result for result in results if isinstance(result, dict)]
    refused = [*rejections, *(result for result in results if isinstance(result, Rejection))]
    if refused:
        logger.warning("%d of %d inputs get no answer; rejected.csv says why.", len(refused), len(kept) + len(refused))
    if refused and (stop or not kept):
        raise InputError(f"{len(refused)} inputs get no answer; the first: {refused[0].finding.sentence}")
    return kept, refused


def _try(chain: Compose, item: dict[str, Any]) -> dict[str, Any] | Rejection:
    try:
        return {**item, "sha256": checked(chain, item)["sha256"]}
    except HeadCTReadError as error:
        image = item[CommonKeys.IMAGE]
        first = image[0] if isinstance(image, list) else image
        return Rejection(item["study"], item.get("series", ""), str(first), Finding(error.code, str(error)))
