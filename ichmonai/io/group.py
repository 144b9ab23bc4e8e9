"""From the headers of a study to its series."""

from collections.abc import Iterable

from ichmonai.io.headers import ImageHeader
from ichmonai.io.series import Series


def group_series(headers: Iterable[ImageHeader]) -> list[Series]:
    """Divide the images of one study into series, each in order along its normal, with what its headers show."""
    raise NotImplementedError
