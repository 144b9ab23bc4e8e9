"""What the images of a large DICOM folder hold, read once and kept in a file."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from tqdm import tqdm

from ichmonai.cores import usable_cores
from ichmonai.datasets.item import DatasetError
from ichmonai.datasets.readable import digest_image
from ichmonai.io import HeadCTReadError
from ichmonai.io.contents import same_state, state_of
from ichmonai.io.series import ImageSource
from ichmonai.processes.contexts import worker_context
from ichmonai.ranks import rank

_CHUNK = 64
"""Images that a process reads at a time."""

_TAGS = ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient"]


class SliceRecord(NamedTuple):
    """What the index says of an image.

    Attributes:
        patient: pseudonym.
        series: pseudonym.
        position: in mm along the slice normal, upwards; nan where the header has none.
        sha256: of the pixels, "" for an image of one value.
        fault: why it cannot be used; otherwise empty.
        state: of the file before it was read, see `ichmonai.io.contents.state_of`.
    """

    patient: str
    series: str
    position: float
    sha256: str
    fault: str = ""
    state: str = ""


_COLUMNS = ("image", *SliceRecord._fields)


def index_images(
    files: Mapping[str, str], path: Path, key: bytes, workers: int | None = None
) -> dict[str, SliceRecord]:
    """Read what the index file lacks, or has of a file that was touched since, and return the records of all images.

    In a training of several processes the first one reads, and the others wait for the finished file.

    Args:
        files: image name -> DICOM file.
        path: index file; while it is being written it has the suffix `.partial`, from which a killed run goes on.
        key: of the pseudonyms, at most 64 bytes.
        workers: processes; default: one a core.

    Raises:
        DatasetError: when the index cannot be written.
    """
    records = _read(path)
    if rank() > 0:
        while _lacking(files, records):
            time.sleep(2)
            records = _read(path)
        return records
    if not _lacking(files, records):
        return records
    partial = path.with_name(f"{path.name}.partial")
    try:
        if path.exists():
            path.replace(partial)
        records |= _read(partial)
        missing = _lacking(files, records)
        with partial.open("a", encoding="utf-8") as stream:
            # A killed run may have cut its last line.
            stream.write("\n" if partial.stat().st_size else "\t".join(_COLUMNS) + "\n")
            for name, record in _read_images(missing, key, workers):
                records[name] = record
                stream.write("\t".join([name, *map(str, record)]) + "\n")
        partial.replace(path)
    except OSError as error:
        raise DatasetError(
            f"The index {path} cannot be written ({error.strerror}); set index_dir to a folder that can."
        ) from error
    return records


def _lacking(files: Mapping[str, str], records: Mapping[str, SliceRecord]) -> dict[str, str]:
    """The images without a record, or with one of other content under their name."""
    return {
        name: file
        for name, file in files.items()
        if name not in records or not same_state(records[name].state, state_of(ImageSource(file)))
    }


def _read(path: Path) -> dict[str, SliceRecord]:
    records = {}
    if path.is_file():
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                cells = line.removesuffix("\n").split("\t")
                if len(cells) == len(_COLUMNS) and line.endswith("\n") and cells[0] != _COLUMNS[0]:
                    name, patient, series, position, sha256, fault, state = cells
                    records[name] = SliceRecord(patient, series, float(position), sha256, fault, state)
    return records


def _read_images(files: Mapping[str, str], key: bytes, workers: int | None) -> Iterator[tuple[str, SliceRecord]]:
    names = list(files)
    chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
    jobs = [([files[name] for name in chunk], key) for chunk in chunks]
    processes = min(workers or usable_cores(), len(jobs))
    with tqdm(total=len(names), desc="reading images", disable=None) as bar:
        if processes < 2:
            results = map(_describe_all, jobs)
            yield from _named(chunks, results, bar)
        else:
            with ProcessPoolExecutor(processes, worker_context(), initializer=_accept_any_uid) as pool:
                yield from _named(chunks, pool.map(_describe_all, jobs), bar)


def _named(
    chunks: Sequence[Sequence[str]], results: Iterator[list[SliceRecord]], bar: tqdm
) -> Iterator[tuple[str, SliceRecord]]:
    for chunk, records in zip(chunks, results, strict=True):
        yield from zip(chunk, records, strict=True)
        bar.update(len(chunk))


def _accept_any_uid() -> None:
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # see load_rsna


def _describe_all(job: tuple[Sequence[str], bytes]) -> list[SliceRecord]:
    files, key = job
    states = [state_of(ImageSource(file)) for file in files]
    return [_describe(file, key)._replace(state=state) for file, state in zip(files, states, strict=True)]


def _describe(file: str, key: bytes) -> SliceRecord:
    digest = digest_image({"image": file})
    if isinstance(digest, HeadCTReadError):
        return _faulty(str(digest))
    header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
    person = str(header.get("PatientID") or "").strip() or str(header.get("StudyInstanceUID") or "")
    if not person:
        return _faulty(f"{file} has neither PatientID nor StudyInstanceUID; its patient is the unit of splitting.")
    return SliceRecord(
        _pseudonym("p", person, key), _pseudonym("s", str(header.SeriesInstanceUID), key), _position(header), **digest
    )


def _faulty(sentence: str) -> SliceRecord:
    return SliceRecord("", "", float("nan"), "", " ".join(sentence.split()))


def _pseudonym(kind: str, identifier: str, key: bytes) -> str:
    return kind + hashlib.blake2b(f"{kind}{identifier}".encode(), key=key, digest_size=8).hexdigest()


def _position(header: pydicom.Dataset) -> float:
    """Distance along the normal of the slice (PS3.3 C.7.6.2.1.1), which points upwards."""
    try:
        axes = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
        origin = np.array(header.ImagePositionPatient, dtype=np.float64).reshape(3)
    except (AttributeError, TypeError, ValueError):  # one is missing, empty or no vector
        return float("nan")
    normal = np.cross(axes[0], axes[1])
    normal *= np.sign(normal[2]) or 1.0
    return round(float(normal @ origin), 3)
