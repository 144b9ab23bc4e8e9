"""Every image below the inputs, by its header."""

from collections.abc import Iterable, Iterator
from os import PathLike

from ichmonai.io.headers import ImageHeader
from ichmonai.io.series import OtherFile, Rejection


def scan(
    inputs: Iterable[str | PathLike], workers: int | None = None
) -> Iterator[ImageHeader | Rejection | OtherFile]:
    """Find every CT image, volume and slice image by reading headers only."""
    raise NotImplementedError
