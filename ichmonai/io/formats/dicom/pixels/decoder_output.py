"""What decoders written in C print while they work: they say so, and nowhere else, when they make up pixels."""

import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")
_STDERR = 2
_LIMIT = 4096
"""Bytes of it that are looked at; the rest repeats."""
# libjpeg's warnings (jerror.h, of which GDCM prints the first for each image), and the words of GDCM, CharLS and
# OpenJPEG for what they could not decode.
_DAMAGE = re.compile(
    r"corrupt|premature|extraneous|invalid|inconsistent|unsupported|truncat|fail|error|cannot|could not|bad |"
    r"not enough|too (much|few|many|short|large)|missing|unexpected|out of range",
    re.IGNORECASE,
)
_lock = threading.Lock()


def listening(steps: Iterator[T]) -> Iterator[T]:
    """Go through an iterator whose steps decode pixels, and keep what the decoder prints from the screen.

    File descriptor 2 leads to a temporary file during each step, and not between them; it costs about 0.1 ms. It
    belongs to the whole process: steps of several threads wait for each other, and lines that another thread
    prints in the meantime go to the log. Where there is no such descriptor, the decoder prints to nobody.

    Args:
        steps: of which each decodes one frame.

    Yields:
        The frames.

    Raises:
        ValueError: where the decoder says that the pixels are damaged.
    """
    done = object()
    while (step := _heard(lambda: next(steps, done))) is not done:
        yield step  # type: ignore[misc]


def _heard(decode: Callable[[], T]) -> T:
    with _lock:
        try:
            screen = os.dup(_STDERR)
        except OSError:  # a program without a console
            return decode()
        with tempfile.TemporaryFile() as heard:
            os.dup2(heard.fileno(), _STDERR)
            try:
                result = decode()
            finally:
                os.dup2(screen, _STDERR)
                os.close(screen)
                heard.seek(0)
                lines = heard.read(_LIMIT).decode(errors="replace").splitlines()
    for line in filter(None, map(str.strip, lines)):
        if _DAMAGE.search(line):
            raise ValueError(f"the decoder says: {line[:120]}")
        logger.warning("While pixels were decoded: %s", line)
    return result
