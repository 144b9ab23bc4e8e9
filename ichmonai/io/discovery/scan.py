"""Every image below the inputs, by its header."""

import itertools
import logging
import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from os import PathLike

from ichmonai.cores import usable_cores
from ichmonai.io.contents import state_of
from ichmonai.io.discovery.read_headers import Found, read_headers
from ichmonai.io.discovery.walk import Begin, Candidate, End, Step, Walk
from ichmonai.io.files.archives import close_archives
from ichmonai.io.findings import Code
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import OtherFile, reject
from ichmonai.processes.contexts import end_with_parent, spawn_context

CHUNK = 64
"""Files that a worker process reads at a time."""
INLINE = 1024
"""Files that are read in this process before others are started, which takes as long as a thousand headers."""
LOOK_AHEAD = 4
"""Chunks for each worker that are read or wait before the first of them is handed on."""

logger = logging.getLogger(__name__)

_Result = Found | Begin | End


def scan(inputs: Iterable[str | PathLike[str]], workers: int | None = None) -> Iterator[Found]:
    """Find every CT image, volume and slice image by reading headers only, never pixels.

    Args:
        inputs: files; folders, to any depth; zip archives, whose members are read as they are; a DICOMDIR, for the
            files that it refers to; csv files with a column `path` or `image`, or one path a line, relative to the csv.
            Symbolic links are followed, loops of them are not, and a file that is reached twice is taken once.
        workers: processes that read headers, by default one for each core. They are processes since reading headers is
            computing in Python, where threads gain nothing; few files are read without them.

    Yields:
        In the order of the inputs, and of the names below each: an `ImageHeader` for each image or frame, a `Rejection`
        for what cannot be read, was named and is no image, or holds none, and an `OtherFile` for other files. Memory
        does not grow with the number of files.

    Example:
        >>> [header.modality for header in scan(["archive/"])]  # doctest: +SKIP
        ['CT', 'CT', 'CT']
    """
    steps = Walk().inputs(os.fspath(path) for path in inputs)
    if workers is None:
        workers = usable_cores()
    if multiprocessing.current_process().daemon:  # which must not have children
        workers = 1
    images: list[int] = []  # how many were found before each folder or archive that is open
    found = 0
    try:
        for result in _read_all(steps, workers):
            if isinstance(result, Begin):
                images.append(found)
            elif isinstance(result, End):
                if images.pop() == found and result.complete:
                    found += 1
                    yield reject(result.path, f"{result.path} holds no image; check the path.", Code.EMPTY)
            else:
                found += not isinstance(result, OtherFile)
                yield result
    finally:
        close_archives()


def _read_all(steps: Iterator[Step], workers: int) -> Iterator[_Result]:
    for step in itertools.islice(steps, INLINE) if workers > 1 else steps:
        yield from _read_chunk([step])
    chunks = iter(lambda: list(itertools.islice(steps, CHUNK)), [])
    first = next(chunks, None)
    if first is None:
        return
    # New interpreters, since a fork copies the locks that other threads of this one hold.
    pool = ProcessPoolExecutor(workers, spawn_context(), _quiet)
    waiting: deque[tuple[Sequence[Step], Future | None]] = deque()
    try:
        for chunk in itertools.chain([first], chunks):
            waiting.append((chunk, _submit(pool, chunk)))
            if len(waiting) >= LOOK_AHEAD * workers:
                yield from _result(*waiting.popleft())
        while waiting:
            yield from _result(*waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, chunk: Sequence[Step]) -> Future | None:
    try:
        return pool.submit(_read_chunk, chunk)
    except BrokenProcessPool:
        return None


def _result(chunk: Sequence[Step], future: Future | None) -> list[_Result]:
    try:
        if future is not None:
            return future.result()
    except BrokenProcessPool:
        logger.warning("Processes that read headers were ended; going on without them.")
    return _read_chunk(chunk)


def _read_chunk(steps: Sequence[Step]) -> list[_Result]:
    results: list[_Result] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's about values that DICOM does not allow; what matters is a finding
        for step in steps:
            if isinstance(step, Candidate):
                state = state_of(step.source)  # before anything is read: what changes from here on is seen
                headers = read_headers(step)
                results += [one.in_state(state) if isinstance(one, ImageHeader) else one for one in headers]
            else:
                results.append(step)
    return results


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    end_with_parent()
