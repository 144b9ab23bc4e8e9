"""Inputs that change between runs, or during one."""

import itertools
from concurrent.futures import ThreadPoolExecutor

from ichmonai.io.contents import digest_of, same_state, state_of
from ichmonai.io.findings import Code, Finding
from ichmonai.io.series import Series
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.steps import Answer

_AT_ONCE = 64
"""Series whose files are looked at together."""


def keep_touched(journal: Journal, workers: int | None) -> None:
    """Keep the answers to series whose files were touched but hold what they held: copied, unpacked or packed again.

    Args:
        journal: after planning.
        workers: threads that read, a block of a file at a time.
    """
    tasks = journal.touched_tasks()
    with ThreadPoolExecutor(workers) as pool:
        while batch := list(itertools.islice(tasks, _AT_ONCE)):
            for (series, _), same in zip(batch, pool.map(lambda one: _holds(*one), batch), strict=True):
                if same:
                    journal.renew(series)


def is_unchanged(series: Series) -> bool:
    """Whether nothing touched the files of a series since they were found."""
    images = [one._replace(frame=-1) for one in series.images]  # of many frames, the file is looked at once
    states = dict(zip(images, series.states, strict=True)) if series.states else {}
    return all(same_state(state, state_of(image)) for image, state in states.items())


def changed(series: Series) -> Answer:
    """The answer to a series whose files changed while it was read: which of them it would be of is not known."""
    sentence = (
        f"Files of series {series.series} changed or went away after they were found, so that no answer belongs to "
        "them; start the run again."
    )
    return Answer(Finding(Code.FAILED, sentence))


def _holds(series: Series, content: str) -> bool:
    try:
        return digest_of(series.images) == content
    except Exception:  # libraries raise errors of many kinds on damaged archives; reading it again says what is wrong
        return False
