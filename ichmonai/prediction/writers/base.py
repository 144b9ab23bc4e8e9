"""What every writer of results is."""

from pathlib import Path
from typing import ClassVar

from ichmonai.io.series import Series
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.report.templates import Templates, read_templates
from ichmonai.prediction.steps import Answer


class Writer:
    """Writes one kind of output of a run into a folder; a subclass names itself: `class Html(Writer, name="html")`.

    It implements `write` for what belongs to a series, or `finish` for what is of all of them.

    Args:
        folder: of the results; it exists.
        identify: say whose images they are.
        templates: the sentences of the report in words; those of the package in English unless given.
    """

    known: ClassVar[dict[str, type["Writer"]]] = {}
    shows_pictures: ClassVar[bool] = False
    """Whether answers are to have their pictures."""
    needs_mask: ClassVar[bool] = False
    """Whether it writes nothing without masks: those of an earlier run are read for it, and weights must make some."""

    def __init_subclass__(cls, name: str = "") -> None:
        super().__init_subclass__()
        if name:
            Writer.known[name] = cls

    def __init__(self, folder: Path, identify: bool = False, templates: Templates | None = None) -> None:
        self.folder = folder
        self.identify = identify
        self.templates = templates or read_templates()

    @classmethod
    def require(cls) -> None:
        """Check before any work that what it needs is installed.

        Raises:
            InputError: when it is not.
        """

    def write(self, series: Series, answer: Answer) -> None:
        """Write what is of one series.

        It is called before the answer is recorded, and, for answers of an earlier run, which have no pictures (but
        masks, where `needs_mask` says so), before anything is predicted: so what a continued run leaves does not depend
        on where it was stopped. A series may come twice, if a run is killed in between; the later call replaces what
        the earlier wrote.

        It is not called in a dry run.

        Args:
            series: what was asked for.
            answer: its rows, or the finding that is the reason why there are none.
        """

    def finish(self, journal: Journal, dry_run: bool) -> list[Path]:
        """Write what is of all series, when every one has its answer.

        Args:
            journal: rows of studies, slices and rejections, in the order of the tables.
            dry_run: the rows are those of a plan.

        Returns:
            The files, of which `run.json` notes the digests.
        """
        return []

    def notes(self) -> list[str]:
        """Sentences that the summary ends with."""
        return []
