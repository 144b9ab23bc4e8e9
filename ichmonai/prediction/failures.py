"""What is said of a series whose work crashes or hangs."""

import logging
from concurrent.futures import TimeoutError as FutureTimeoutError  # the built-in one only from Python 3.11

from ichmonai.errors import first_line
from ichmonai.io.findings import Code, Finding
from ichmonai.io.series import Series
from ichmonai.prediction.steps import Answer

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""How often the work on a series is tried."""


def failure(series: Series, error: BaseException) -> Answer:
    """The answer to a series after the last attempt.

    Args:
        series: what was to be predicted.
        error: how the last attempt ended.
    """
    what = "did not end in time" if isinstance(error, TimeoutError | FutureTimeoutError) else "crashed"
    sentence = (
        f"The work on series {series.series} {what}, {ATTEMPTS} times ({type(error).__name__}: {first_line(error)}); "
        "start the run again to try it once more, and report it if it stays."
    )
    logger.error("A series failed (%s); the table of rejections names it.", type(error).__name__)
    return Answer(Finding(Code.FAILED, sentence))
