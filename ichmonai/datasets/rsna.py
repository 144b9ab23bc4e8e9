"""The data of the RSNA 2019 Intracranial Hemorrhage Detection challenge as a MONAI datalist."""

import csv
import logging
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from os import PathLike, scandir
from pathlib import Path

import numpy as np
import pydicom

from ichmonai.classes import RSNA_LABELS
from ichmonai.datasets.item import DatasetError, Item
from ichmonai.datasets.rsna_index import SliceRecord, index_images
from ichmonai.digests import sha256_of_file
from ichmonai.errors import first_line

logger = logging.getLogger(__name__)

LABELS_NAME = "stage_2_train.csv"
IMAGES_NAME = "stage_2_train"

_HEADER = ["ID", "Label"]
_UNKNOWN = 255


def load_rsna(
    dataset_dir: str | PathLike,
    index_dir: str | PathLike | None = None,
    stop: bool = False,
    workers: int | None = None,
) -> list[Item]:
    """List the slices of the RSNA 2019 challenge.

    The first start reads every image once, in parallel, and notes what it found in an index file, so that later starts
    take seconds; killed, it goes on where it was. An image that cannot be read (in the challenge's data one, whose
    pixels are cut short) stays noted as such until the index file is deleted.

    What is left out is logged with its count and an example: images that cannot be read or are not there, and those
    whose labels are incomplete, contradict each other, or have an `any` that is not that of the five subtypes. Rows
    that repeat another (the challenge's csv has some) are counted.

    Patients and series get pseudonyms: a hash of PatientID, or where that is empty of StudyInstanceUID, keyed by the
    label file, so that neither the index nor anything written later holds an identifier of the headers.

    Args:
        dataset_dir: folder with `stage_2_train.csv` (columns ID, `ID_<image>_<label>`, and Label, 0 or 1) and the
            folder `stage_2_train` of `ID_<image>.dcm`.
        index_dir: folder for the index file; default: `dataset_dir`.
        stop: raise instead of leaving images out.
        workers: processes that read; default: one a core.

    Returns:
        One item a slice, in the order of the csv: `image` path, `patient` and `series` pseudonyms, `slice` its number
        in the series from inferior to superior, `position` in mm along the slice normal (nan where there is none),
        `label` float32 (6,) in the order of `RSNA_LABELS`, and `sha256` as `drop_unreadable` gives it.

    Raises:
        DatasetError: when the csv has unknown labels or values, no image can be used, or the index cannot be written.

    Example:
        >>> load_rsna("rsna-intracranial-hemorrhage-detection")[0]["label"]  # doctest: +SKIP
        array([0., 0., 0., 0., 0., 0.], dtype=float32)
    """
    # The challenge's UIDs (ID_...) are none by the standard: pydicom would warn of three values in every file, here and
    # in the processes of the data loaders.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    root = Path(dataset_dir)
    path, folder = root / LABELS_NAME, root / IMAGES_NAME
    for part in (path, folder):
        if not part.exists():
            raise DatasetError(f"{part} does not exist; unpack the challenge's data into {root}.")
    left_out: list[str] = []
    labels = read_labels(path, left_out)
    with scandir(folder) as entries:
        files = {entry.name[:-4]: entry.path for entry in entries if entry.name.endswith(".dcm")}
    _report(left_out, [name for name in labels if name not in files], len(labels), f"have no DICOM file in {folder}")
    if unlabelled := len(files.keys() - labels.keys()):
        logger.warning("%d DICOM files in %s have no usable labels in %s.", unlabelled, folder, path.name)
    wanted = {name: files[name] for name in labels if name in files}
    if not wanted:
        raise DatasetError(f"No image that {path} labels is in {folder}; the two must be of one download.")
    digest = bytes.fromhex(sha256_of_file(path))
    index_path = Path(index_dir or root) / f"ichmonai_index_{digest.hex()[:8]}.tsv"
    records = index_images(wanted, index_path, digest, workers)
    faults = [record.fault for record in records.values() if record.fault]
    for fault in faults:
        logger.warning("%s", fault)
    unreadable = [name for name in wanted if records[name].fault]
    _report(left_out, unreadable, len(labels), f"cannot be read (delete {index_path} to try them again)")
    if left_out and stop:
        raise DatasetError(left_out[0])
    usable = [name for name in wanted if not records[name].fault]
    if not usable:
        raise DatasetError(f"None of the {len(wanted)} images in {folder} can be used; the first: {faults[0]}")
    numbers = _slice_numbers(usable, records)
    return [
        {
            "image": wanted[name],
            "patient": records[name].patient,
            "series": records[name].series,
            "slice": numbers[name],
            "position": records[name].position,
            "label": labels[name],
            "sha256": records[name].sha256,
        }
        for name in usable
    ]


def read_labels(path: Path, left_out: list[str] | None = None) -> dict[str, np.ndarray]:
    """Read the challenge's label csv.

    Args:
        path: csv with a row for each of the six labels of each image.
        left_out: gets a sentence for each reason why images were left out.

    Returns:
        Image (`ID_...`) -> float32 (6,) in the order of `RSNA_LABELS`; views of one array.

    Raises:
        DatasetError: when the file is not such a csv or names a label or value that the challenge does not have.
    """
    column = {name: k for k, name in enumerate(RSNA_LABELS)}
    rows: dict[str, bytearray] = {}
    contradicted: set[str] = set()
    repeated = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            if next(reader, None) != _HEADER:
                raise DatasetError(f"{path} does not begin with the columns {', '.join(_HEADER)}; give {LABELS_NAME}.")
            for row in reader:
                image, _, label = row[0].rpartition("_")
                if label not in column or row[1] not in ("0", "1"):
                    raise DatasetError(
                        f"{path} line {reader.line_num} has label '{label}' with value '{row[1]}'; "
                        f"it must be one of {', '.join(RSNA_LABELS)} with 0 or 1."
                    )
                values = rows.get(image)
                if values is None:
                    values = rows[image] = bytearray([_UNKNOWN] * len(RSNA_LABELS))
                value, k = int(row[1]), column[label]
                if values[k] != _UNKNOWN:
                    repeated += 1
                    if values[k] != value:
                        contradicted.add(image)
                values[k] = value
    except (csv.Error, UnicodeDecodeError, IndexError) as error:
        raise DatasetError(f"{path} is not a readable csv of ID and Label ({first_line(error)}).") from error
    if not rows:
        raise DatasetError(f"{path} labels no image; give {LABELS_NAME} of the challenge.")
    if repeated:
        logger.warning("%d rows of %s repeat another and are left out.", repeated, path)
    names = np.array(list(rows))
    table = np.frombuffer(b"".join(rows.values()), dtype=np.uint8).reshape(-1, len(RSNA_LABELS))
    incomplete = (table == _UNKNOWN).any(axis=1)
    inconsistent = ~incomplete & (table[:, 0] != table[:, 1:].max(axis=1))
    conflicting = np.isin(names, list(contradicted))
    sentences = [] if left_out is None else left_out
    _report(sentences, names[incomplete], len(names), f"lack some of their {len(RSNA_LABELS)} labels in {path}")
    _report(sentences, names[conflicting], len(names), f"have rows in {path} that contradict each other")
    _report(sentences, names[inconsistent & ~conflicting], len(names), f"have an 'any' in {path} unlike their subtypes")
    good = ~(incomplete | conflicting | inconsistent)
    return dict(zip(names[good].tolist(), table[good].astype(np.float32), strict=True))


def with_neighbours(items: Sequence[Item]) -> list[Item]:
    """Give every slice the slices below and above it in its series, for 2.5D input.

    Args:
        items: all slices of their series, with `series`, `slice` and `position`, as `load_rsna` gives them; made before
            the split, which keeps a series on one side.

    Returns:
        The items with `neighbours`, the three `image` paths below, itself, above. At the ends of a series, and where a
        position is not known, the slice stands for the neighbour that is missing.
    """
    found = {(item["series"], item["slice"]): str(item["image"]) for item in items if math.isfinite(item["position"])}
    unknown = len(items) - len(found)
    if unknown:
        logger.warning("%d of %d slices have no position and are their own neighbours.", unknown, len(items))

    def neighbour(item: Item, step: int) -> str:
        own = str(item["image"])
        return found.get((item["series"], item["slice"] + step), own) if math.isfinite(item["position"]) else own

    return [{**item, "neighbours": [neighbour(item, -1), str(item["image"]), neighbour(item, 1)]} for item in items]


def label_prevalence(items: Sequence[Item]) -> list[float]:
    """Share of the slices that show each of `RSNA_LABELS`: the best constant answer that knows these items alone.

    Of a label it is the share of the slices of which that is known.

    Raises:
        DatasetError: when the items are of another kind, or there are none.
    """
    if not items or len(items[0]["label"]) != len(RSNA_LABELS):
        raise DatasetError(f"The prevalence of {', '.join(RSNA_LABELS)} needs slices with these six labels.")
    labels = np.stack([item["label"] for item in items])
    return [float(share) for share in np.atleast_1d(np.nanmean(labels, axis=0, dtype=np.float64))]


def _report(left_out: list[str], names: Collection[str], total: int, what: str) -> None:
    if len(names):
        example = next(iter(names))
        left_out.append(f"{len(names)} of {total} images {what} and are left out, such as {example}.")
        logger.warning("%s", left_out[-1])


def _slice_numbers(names: Sequence[str], records: dict[str, SliceRecord]) -> dict[str, int]:
    """Number of each image in its series, by position; images without one come last."""
    series = defaultdict(list)
    for name in names:
        series[records[name].series].append(name)
    numbers = {}
    for members in series.values():
        members.sort(key=lambda name: (math.isnan(records[name].position), records[name].position, name))
        numbers.update({name: number for number, name in enumerate(members)})
    return numbers
