"""The progress of a batch on the terminal."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class BatchProgress:
    """A bar with the time left; see `ichmonai.prediction.run.Progress` for the methods.

    Args:
        console: where it is drawn.
        hidden: draw nothing.
    """

    def __init__(self, console: Console, hidden: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, disable=hidden)
        self.task: TaskID | None = None

    def __enter__(self) -> "BatchProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bar.stop()

    def found(self, images: int) -> None:
        """Images were found, this many so far."""
        self._update(description="Looking for head CT", completed=images, total=None)

    def planned(self, series: int, done: int) -> None:
        """There are so many series, some of them done by an earlier run."""
        if series:
            self._update(description="Predicting series", completed=done, total=series)

    def answered(self) -> None:
        """One more series is done."""
        if self.task is not None:
            self.bar.advance(self.task)

    def _update(self, **values: object) -> None:
        if self.task is None:  # nothing is drawn before the work has begun
            self.bar.start()
            self.task = self.bar.add_task("")
        self.bar.update(self.task, **values)  # type: ignore[arg-type]
