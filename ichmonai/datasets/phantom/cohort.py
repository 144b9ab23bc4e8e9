"""A cohort of phantom patients, made on several cores."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import cycle, islice

import numpy as np

from ichmonai.datasets.phantom.haemorrhage import PhantomKind
from ichmonai.datasets.phantom.study import PhantomStudy, make_study
from ichmonai.processes.contexts import worker_context

ICH_KINDS = (PhantomKind.DEEP, PhantomKind.LOBAR, PhantomKind.SUBTENTORIAL)
"""The kinds that DTViT's second head tells apart."""

OTHER_KINDS = (PhantomKind.SUBDURAL, PhantomKind.EPIDURAL, PhantomKind.SUBARACHNOID, PhantomKind.INTRAVENTRICULAR)
"""Haemorrhage that is not intracerebral."""


def cohort_kinds(patients: int, ich_only: bool = False) -> list[PhantomKind]:
    """Diagnoses of a cohort: every second patient is normal.

    Of the others three in four have deep, lobar and subtentorial haemorrhage in turn, and one in four an epidural,
    subdural, subarachnoid or intraventricular one; with ``ich_only`` the latter are left out.
    """
    other = cycle(OTHER_KINDS)
    bleeding: list[PhantomKind] = []
    while len(bleeding) < patients:
        bleeding.extend(ICH_KINDS)
        if not ich_only:
            bleeding.append(next(other))
    return [PhantomKind.NORMAL if i % 2 == 0 else bleeding[i // 2] for i in range(patients)]


def make_cohort(
    patients: int, seed: int = 0, size: int = 512, workers: int = 1, ich_only: bool = False
) -> Iterator[PhantomStudy]:
    """Make phantom patients one after the other, in a fixed order.

    Args:
        patients: number of patients, at least 1.
        seed: the same seed gives the same cohort, whatever the number of workers.
        size: pixels along each side of a slice.
        workers: processes to use; 1 stays in this one.
        ich_only: leave out haemorrhage that is not intracerebral (see :func:`cohort_kinds`).

    Yields:
        The studies; patients are named ``1p0001``, ``1p0002``, ...

    Raises:
        ValueError: if ``patients`` or ``workers`` is less than 1.
    """
    if patients < 1 or workers < 1:
        raise ValueError(f"patients is {patients} and workers is {workers}; both must be at least 1.")
    jobs = [
        (int(np.random.SeedSequence([seed, i]).generate_state(1)[0] >> 1), kind, size, f"1p{i + 1:04d}")
        for i, kind in enumerate(cohort_kinds(patients, ich_only))
    ]
    return _made(jobs, workers)


def _made(jobs: Sequence[tuple[int, PhantomKind, int, str]], workers: int) -> Iterator[PhantomStudy]:
    """Run :func:`make_study` on every job, keeping the order and few studies in memory."""
    if workers == 1:
        yield from (make_study(*job) for job in jobs)
        return
    waiting = iter(jobs)
    with ProcessPoolExecutor(workers, worker_context()) as pool:
        running: deque[Future[PhantomStudy]] = deque(
            pool.submit(make_study, *job) for job in islice(waiting, workers + 1)
        )
        while running:
            study = running.popleft().result()
            running.extend(pool.submit(make_study, *job) for job in islice(waiting, 1))
            yield study
