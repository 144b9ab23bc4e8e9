"""The masks of the blood, as NIfTI."""

from pathlib import Path

from ichmonai.io.series import Series
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.mask_file import nifti
from ichmonai.prediction.rows import mask_file, stem
from ichmonai.prediction.steps import Answer
from ichmonai.prediction.writers.base import Writer
from ichmonai.private_files import make_folder, replacing


class NiftiMasks(Writer, name="masks"):
    """Writes `masks/`, a NIfTI of labels for each series that has an answer, over the scan pixel on pixel.

    0 is none, then come the kinds of `ichmonai.classes.KINDS`. The table of studies names the file of each; its name
    says nothing of whose it is. See `nifti` on tilted and unevenly spaced series.
    """

    needs_mask = True

    def write(self, series: Series, answer: Answer) -> None:
        """Write the mask of one series."""
        if answer.mask is None or answer.geometry is None:
            return
        path = self.folder / mask_file(answer.study)
        make_folder(path.parent)
        with replacing(path, "wb") as file:
            file.write(nifti(answer.mask, answer.geometry))

    def finish(self, journal: Journal, dry_run: bool) -> list[Path]:
        """Remove the masks of answers that are no more."""
        folder = self.folder / "masks"
        if not dry_run and folder.is_dir():
            kept = {stem(row) for row in journal.study_rows()}
            for file in folder.iterdir():
                if file.name.partition(".")[0] not in kept:
                    file.unlink()
        return []
