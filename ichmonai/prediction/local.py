"""Batch prediction on this machine: processes that read and preprocess, and the network in this one."""

import itertools
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from types import SimpleNamespace

import pebble.pool.process
import torch
from pebble import ProcessPool

from ichmonai.io.series import Series
from ichmonai.prediction.failures import ATTEMPTS, failure
from ichmonai.prediction.source import Parts, Source
from ichmonai.prediction.steps import Answer, Prepared, classify, describe, prepare
from ichmonai.processes.contexts import end_with_parent, worker_context
from ichmonai.processes.scratch import scratch_folder

# Pebble measures how long a task takes by the wall's clock: one that is set right, or that went on while a laptop
# slept, would end all that is at work.
pebble.pool.process.time = SimpleNamespace(time=time.monotonic, sleep=time.sleep)  # type: ignore[assignment]

_worker: tuple[Parts, Path]


def predict_locally(
    bundle: Source,
    tasks: Iterable[Series],
    pictures: bool = False,
    *,
    workers: int,
    timeout: float,
    classifies: bool = True,
) -> Iterator[tuple[Series, Answer]]:
    """Predict series; reading and preprocessing overlap with the network.

    A series whose worker crashes or hangs is tried twice and then answered with `failed`; the others go on. At most
    `workers` + 2 series are in memory or on their way, however many there are.

    Args:
        bundle: what runs.
        tasks: taken one by one, as there is room.
        pictures: whether the answers are to have pictures.
        workers: processes that read and preprocess.
        timeout: seconds that one of them may take for a series.
        classifies: False to read and check only; the answers have no rows then.

    Yields:
        Each series with its answer, in the order in which they are done.
    """
    parts = bundle.open()
    queue = iter(tasks)
    first = list(itertools.islice(queue, workers + 2))
    if not first:
        return
    with (
        scratch_folder() as scratch,
        ProcessPool(
            min(workers, len(first)), initializer=_start, initargs=(bundle, scratch), context=worker_context()
        ) as pool,
    ):
        running: dict[Future, tuple[Series, int]] = {}

        def start(series: Series, attempt: int = 1) -> None:
            running[pool.schedule(_prepare, args=(series, pictures), timeout=timeout)] = (series, attempt)

        for series in first:
            start(series)
        try:
            if classifies:  # meanwhile; whatever is wrong with them is said before anything is answered
                _ = parts.network, parts.inferer, parts.postprocessing
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    series, attempt = running.pop(future)
                    try:
                        answer = future.result()
                        if isinstance(answer, Prepared):
                            answer = classify(parts, series, answer) if classifies else describe(series, answer)
                    except Exception as error:  # of its worker; or here, where its slices find no room in memory
                        if attempt < ATTEMPTS:
                            start(series, attempt + 1)
                            continue
                        answer = failure(series, error)
                    yield series, answer
                    for following in itertools.islice(queue, 1):
                        start(following)
        finally:
            pool.stop()  # what is still running has no taker


def _start(bundle: Source, scratch: Path) -> None:
    """Begin a worker."""
    global _worker
    end_with_parent()
    torch.set_num_threads(1)  # the processes themselves keep the cores busy
    _worker = bundle.open(), scratch
    _ = _worker[0].preprocessing
    tempfile.tempdir = str(scratch)  # so that whatever is left of a worker goes when the run ends


def _prepare(series: Series, pictures: bool) -> Prepared | Answer:
    bundle, scratch = _worker
    prepared = prepare(bundle, series, pictures)
    return prepared.spill(scratch / f"{uuid.uuid4()}.npy") if isinstance(prepared, Prepared) else prepared
