"""The worst errors, with their images where these can be read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ichmonai.evaluation.evaluation import Evaluation
from ichmonai.evaluation.metrics import THRESHOLD
from ichmonai.figures import picture_uri
from ichmonai.io.formats.picture import PILLOW_FORMATS

_PIXELS = 200
_BRAIN_WINDOW = (0.0, 80.0)  # HU


@dataclass(frozen=True)
class Failure:
    """One false positive or false negative.

    Attributes:
        name: path, or study and slice; never the patient.
        probability: that the model gave to the label.
        others: further such errors in the same patient.
        picture: PNG as a data URI; "" where the image cannot be read.
    """

    name: str
    probability: float
    others: int
    picture: str


def worst_failures(evaluation: Evaluation, count: int) -> dict[str, list[Failure]]:
    """The most certain errors of the main label at the finest level, one a patient.

    Args:
        evaluation: with cases of any level; images are shown of slices that have a column `image`.
        count: of false positives, and of false negatives.

    Returns:
        `false positives` and `false negatives`, the worst first.
    """
    cases = evaluation.finest.cases
    head = cases.labels[0]
    truth, score = cases.truth[head], cases.scores[head]
    found = {}
    for kind, wrong, order in (
        ("false positives", (truth == 0) & (score > THRESHOLD), np.argsort(-score, kind="stable")),
        ("false negatives", (truth == 1) & (score <= THRESHOLD), np.argsort(score, kind="stable")),
    ):
        rows = order[wrong[order]]
        _, first, number = np.unique(cases.patients[rows], return_index=True, return_counts=True)
        worst = sorted(zip(first.tolist(), number.tolist(), strict=True))[:count]
        found[kind] = [
            Failure(
                cases.names[rows[i]].replace("\n", ", "),
                float(score[rows[i]]),
                others - 1,
                _picture(evaluation, int(rows[i])),
            )
            for i, others in worst
        ]
    return found


def _picture(evaluation: Evaluation, row: int) -> str:
    table = evaluation.intake.table
    if evaluation.finest.cases.level != "slice" or "image" not in table.columns:
        return ""
    path = table.folder / table.columns["image"][row]  # an absolute path stays as it is
    try:
        image = _read(path)
    except Exception:  # decoders raise errors of all kinds, and a picture that cannot be shown is left out
        return ""
    image.thumbnail((_PIXELS, _PIXELS))
    return picture_uri(image)


def _read(path: Path) -> Image.Image:
    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        return Image.open(path, formats=PILLOW_FORMATS).convert("L")
    except OSError:
        return Image.fromarray(_dicom_pixels(path))


def _dicom_pixels(path: Path) -> NDArray[np.uint8]:
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale

    dataset = dcmread(path)
    low, high = _BRAIN_WINDOW
    hu = np.asarray(apply_rescale(dataset.pixel_array, dataset), dtype=np.float64)
    return (255 * ((hu - low) / (high - low)).clip(0, 1)).round().astype(np.uint8)
