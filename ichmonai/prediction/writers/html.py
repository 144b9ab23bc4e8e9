"""The answers as pages with pictures."""

from pathlib import Path

from ichmonai.io.series import Series
from ichmonai.prediction.identify import identified
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.report.drawing import draw
from ichmonai.prediction.report.pages import FOLDER, Page, index_page, study_page
from ichmonai.prediction.report.words import draft, thresholds
from ichmonai.prediction.rows import stem
from ichmonai.prediction.steps import Answer
from ichmonai.prediction.writers.base import Writer
from ichmonai.private_files import make_folder, replacing, write_text


class HtmlReport(Writer, name="html"):
    """Writes `report.html`, the worklist, and `report/` with a page and pictures of each study that has an answer.

    The pages need no network and no script. They name no patient and no path unless asked to.
    """

    shows_pictures = True

    def write(self, series: Series, answer: Answer) -> None:
        """Draw the pictures of one series."""
        if answer.pictures is None:
            return
        make_folder(self.folder / FOLDER)
        own = stem(answer.study)
        for name, picture in draw(answer.pictures, answer.study, answer.mask).items():
            with replacing(self.folder / FOLDER / f"{own}-{name}", "wb") as file:
                file.write(picture)

    def finish(self, journal: Journal, dry_run: bool) -> list[Path]:
        """Write the pages, and remove what is of answers that are no more."""
        if dry_run:
            return []
        rows = journal.study_rows()
        rows = identified(rows, journal) if self.identify else rows
        pages = [Page(number, stem(row), row, self.identify) for number, row in enumerate(rows, 1)]
        folder = self.folder / FOLDER
        make_folder(folder)
        kept = {page.stem for page in pages if page.answered}
        for file in folder.iterdir():
            if file.name.partition("-")[0].removesuffix(".html") not in kept:
                file.unlink()
        facts = journal.identity()
        for before, page, after in zip([None, *pages], pages, [*pages[1:], None], strict=False):
            if page.answered:
                slices = journal.slice_rows(page.row["study"], page.row["series"])
                said = draft(page.row, *thresholds(facts), self.templates)
                write_text(folder / page.file, study_page(page, list(slices), folder, facts, said, before, after))
        path = self.folder / "report.html"
        write_text(path, index_page(pages, list(journal.rejected_rows()), folder, facts))
        return [path]
