"""Batch prediction on a Ray cluster: actors that each hold the network."""

import contextlib
import functools
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ichmonai.errors import InputError
from ichmonai.io.series import Series
from ichmonai.prediction.failures import ATTEMPTS, failure
from ichmonai.prediction.source import Source
from ichmonai.prediction.steps import Answer, classify, describe, prepare
from ichmonai.processes.scratch import scratch_folder

try:
    import ray
except ImportError as error:
    raise InputError('The engine ray needs Ray; install it with: pip install "ichmonai[ray]".') from error

PATIENCE = 300.0
"""Seconds to wait for the first actor before the cluster counts as having no room."""


class _Predictor:
    """An actor: reads, preprocesses and classifies one series at a time."""

    def __init__(self, bundle: Source, pictures: bool, classifies: bool) -> None:
        torch.set_num_threads(1)  # an actor is given one core
        self.bundle = bundle.open()
        self.pictures, self.classifies = pictures, classifies

    def ready(self) -> bool:
        """Load everything."""
        _ = self.bundle.preprocessing
        if self.classifies:
            _ = self.bundle.network, self.bundle.inferer, self.bundle.postprocessing
        return True

    def answer(self, series: Series) -> Answer:
        """The answer to one series."""
        prepared = prepare(self.bundle, series, self.pictures)
        if isinstance(prepared, Answer):
            return prepared
        return classify(self.bundle, series, prepared) if self.classifies else describe(series, prepared)


def predict_on_ray(
    bundle: Source,
    tasks: Iterable[Series],
    pictures: bool = False,
    *,
    actors: int | None,
    timeout: float,
    classifies: bool = True,
) -> Iterator[tuple[Series, Answer]]:
    """Predict series on an existing Ray cluster, whose machines see the inputs and the bundle under the same paths.

    An actor that dies, with its machine or alone, is replaced where there is room, and its series is tried again, once;
    so is a series that takes longer than `timeout`, whose actor is killed.

    Args:
        bundle: what runs.
        tasks: taken one by one, as actors are free.
        pictures: whether the answers are to have pictures.
        actors: how many, of one core each; as many as the cluster has cores where None.
        timeout: seconds for one series.
        classifies: False to read and check only.

    Yields:
        Each series with its answer, in the order in which they are done.

    Raises:
        InputError: when there is no cluster, or it has no room.
    """
    try:
        _reach(os.environ.get("RAY_ADDRESS", ""))
        # Ray gives its workers the current folder of this moment as a place to import from.
        with scratch_folder() as empty, contextlib.chdir(empty):
            ray.init(address="auto", ignore_reinit_error=True, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, OSError) as error:
        raise InputError("No Ray cluster runs here; start one with ray start --head, or set RAY_ADDRESS.") from error
    crew = _Crew(bundle, pictures, classifies, actors or max(1, int(ray.cluster_resources().get("CPU", 1))))
    try:
        yield from _drive(crew, iter(tasks), timeout)
    finally:
        crew.dismiss()


def _reach(address: str) -> None:
    """Find out in seconds that nothing listens at an address, for which Ray takes many minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


class _Crew:
    """The actors: those that load, those that wait, and those at work."""

    def __init__(self, bundle: Source, pictures: bool, classifies: bool, size: int) -> None:
        predictor: Any = ray.remote(num_cpus=1, max_restarts=0)(_Predictor)
        self.hire = functools.partial(predictor.remote, bundle, pictures, classifies)
        self.loading: dict[Any, Any] = {}
        self.idle: deque[Any] = deque()
        self.busy: dict[Any, tuple[Any, Series, int, float]] = {}
        for _ in range(size):
            self.add()

    def add(self) -> None:
        """One more actor; it works once there is room for it."""
        actor = self.hire()
        self.loading[actor.ready.remote()] = actor

    def assign(self, series: Series, attempt: int) -> None:
        """Give a series to an actor that waits."""
        actor = self.idle.popleft()
        self.busy[actor.answer.remote(series)] = (actor, series, attempt, time.monotonic())

    def dismiss(self) -> None:
        """End all actors."""
        for actor in (*self.loading.values(), *self.idle, *(actor for actor, *_ in self.busy.values())):
            with contextlib.suppress(Exception):
                ray.kill(actor)


def _drive(crew: _Crew, queue: Iterator[Series], timeout: float) -> Iterator[tuple[Series, Answer]]:
    again: deque[tuple[Series, int]] = deque()
    waiting_since = time.monotonic()
    exhausted = False
    while True:
        while crew.idle and not exhausted:
            if again:
                crew.assign(*again.popleft())
                continue
            series = next(queue, None)
            if series is None:
                exhausted = True
            else:
                crew.assign(series, 1)
        while crew.idle and again:
            crew.assign(*again.popleft())
        if exhausted and not again and not crew.busy:
            return
        _check_room(crew, waiting_since)
        done, _ = ray.wait([*crew.loading, *crew.busy], num_returns=1, timeout=1.0)
        for reference in done:
            if reference in crew.loading:
                actor = crew.loading.pop(reference)
                try:
                    ray.get(reference)
                except ray.exceptions.RayTaskError as error:  # what is wrong with the bundle, as one sentence
                    raise (error.cause if isinstance(error.cause, InputError) else error) from error
                except ray.exceptions.RayError:  # its machine has gone
                    crew.add()
                else:
                    crew.idle.append(actor)
                continue
            actor, series, attempt, _ = crew.busy.pop(reference)
            try:
                answer = ray.get(reference)
                crew.idle.append(actor)
            except ray.exceptions.RayTaskError as error:
                crew.idle.append(actor)
                answer = _retry(again, series, attempt, error.cause or error)
            except ray.exceptions.RayError as error:
                crew.add()
                answer = _retry(again, series, attempt, error)
            if answer is not None:
                yield series, answer
        for reference, (actor, series, attempt, since) in list(crew.busy.items()):
            if time.monotonic() - since > timeout:
                del crew.busy[reference]
                ray.kill(actor)
                crew.add()
                answer = _retry(again, series, attempt, TimeoutError(f"more than {timeout:g} s"))
                if answer is not None:
                    yield series, answer
        if crew.idle or crew.busy:
            waiting_since = time.monotonic()


def _retry(again: deque, series: Series, attempt: int, error: BaseException) -> Answer | None:
    if attempt < ATTEMPTS:
        again.append((series, attempt + 1))
        return None
    return failure(series, error)


def _check_room(crew: _Crew, waiting_since: float) -> None:
    if not crew.idle and not crew.busy and time.monotonic() - waiting_since > PATIENCE:
        raise InputError(
            f"The Ray cluster gave no core within {PATIENCE:.0f} s; free some, or start fewer actors with --workers."
        )
