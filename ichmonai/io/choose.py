"""The series of a study to predict on."""

from collections.abc import Iterable, Sequence

from ichmonai.io.findings import Code
from ichmonai.io.series import Rejection, Series


def choose_series(
    series: Sequence[Series], every: bool = False, accept: Iterable[Code] = ()
) -> tuple[list[Series], list[Rejection]]:
    """Take the series of one study that suits best, or every one.

    Series with findings that refuse them are handed back too, where nothing better is there.
    """
    raise NotImplementedError
