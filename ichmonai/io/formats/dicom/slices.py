"""DICOM CT images, of one frame or many, decoded."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ichmonai.errors import first_line
from ichmonai.io.files.opening import open_image
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.formats.dicom.files import PACKED, read_dataset
from ichmonai.io.formats.dicom.functional_groups import frame_datasets
from ichmonai.io.formats.dicom.headers import frame_header, image_header, modality_of
from ichmonai.io.formats.dicom.hounsfield import Rescale, rescale_of, rescale_type
from ichmonai.io.formats.dicom.pixels.decode import ROW_BY_ROW, can_decode, frame_count, read_pixels
from ichmonai.io.formats.dicom.pixels.plausibility import suspicion
from ichmonai.io.header import ImageHeader
from ichmonai.io.limits import MAX_FRAMES, check_size, plural
from ichmonai.io.series import ImageSource


@dataclass
class CTSlice:
    """One CT image, or one frame of an enhanced one.

    Attributes:
        header: of the image or frame; its source has the frame set where the file has several.
        stored: stored values (Rows, Columns).
        rescale: makes HU of them.
        findings: what its values are suspected of.
    """

    header: ImageHeader
    stored: NDArray[Any]
    rescale: Rescale
    findings: list[Finding] = field(default_factory=list)

    @property
    def hu(self) -> NDArray[np.float32]:
        """HU, float32 (Rows, Columns), computed anew at each call."""
        return self.rescale(self.stored)


def read_slices(source: ImageSource, frames: Sequence[int] | None = None) -> Iterator[CTSlice]:
    """Read the frames of one CT image, each decoded once.

    Args:
        source: a DICOM file; its own frame is not looked at.
        frames: indices of the frames to read; all of them by default.

    Yields:
        One slice for each frame, in ascending order. The stored values stay as they are: HU are made where the volume
        is filled, so that a series waits in memory at 2 bytes a pixel.

    Raises:
        HeadCTReadError: `UNREADABLE` where it is no DICOM file or its header is damaged, `WRONG_MODALITY`, `BURNED_IN`
            in colour, `TOO_LARGE`, `UNDECODABLE` where the pixels are truncated, damaged or compressed in a way that
            nothing installed decodes, `NOT_HU` where it does not say how its values become HU, and `BAD_GEOMETRY`.
    """
    source = source._replace(frame=-1)
    with open_image(source, inflate=source.name.endswith(PACKED)) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's about values that DICOM does not allow; what matters is checked
        dataset = read_dataset(file, source)
        if not dataset:  # where fragments of compressed pixels are cut off, pydicom hands back nothing at all
            raise HeadCTReadError(
                f"{source} is not a readable DICOM file (it ends before its pixels do); remove it or copy it again."
            )
        header = image_header(dataset, source)
        try:
            _check_kind(header, int(dataset.get("SamplesPerPixel") or 1))
            count = frame_count(dataset)
            # Before even the numbers of the frames are made: there may be said to be billions.
            check_size(str(source), header.rows, header.columns, count if frames is None else len(frames))
            if count > MAX_FRAMES:  # of no pixels, any number has room
                raise HeadCTReadError(
                    f"{source} says it has {plural(count)}; at most {MAX_FRAMES} are read, so export it again.",
                    Code.TOO_LARGE,
                )
            described = frame_datasets(dataset, source)
            wanted = sorted(set(range(count) if frames is None else frames))
            if wanted[-1] >= count:
                raise HeadCTReadError(
                    f"{source} has {count} frames, and not number {wanted[-1] + 1}; look for it again."
                )
            groups = islice(repeat(dataset) if described is None else described, wanted[-1] + 1)
            asked = set(wanted)
            found = {index: group for index, group in enumerate(groups) if index in asked}
        except HeadCTReadError:
            raise
        except Exception as error:  # values are converted when asked for, with errors of many kinds
            raise _damaged(source, error) from error
        for (index, group), (stored, fault) in zip(found.items(), _decode(source, dataset, wanted), strict=True):
            one = header if described is None else frame_header(group, header, index)
            place = source if count == 1 else source._replace(frame=index)
            try:
                yield _slice(one.at(place), dataset, group, stored, fault)
            except HeadCTReadError:
                raise
            except Exception as error:
                raise _damaged(source, error) from error


def _check_kind(header: ImageHeader, samples: int) -> None:
    if (modality := modality_of(header)) != "CT":
        raise HeadCTReadError(
            f"{header.source} has Modality {modality}, not CT; give a CT series.", Code.WRONG_MODALITY
        )
    photometric = header.photometric or "MONOCHROME2"
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        raise HeadCTReadError(
            f"{header.source} is a colour image ({photometric}); give the grey images that it was made from.",
            Code.BURNED_IN,
        )


def _decode(source: ImageSource, dataset: Dataset, indices: Sequence[int]) -> Iterator[tuple[NDArray[Any], str]]:
    try:
        for stored, fault in read_pixels(dataset, indices):
            if stored.ndim != 2 or not stored.size:
                raise ValueError(f"they have shape {stored.shape}")
            yield stored, fault
    except Exception as error:  # decoders raise errors of many kinds on damaged pixels
        raise HeadCTReadError(
            f"The pixels of {source} cannot be decoded ({first_line(error)}); {_advice(dataset)}.", Code.UNDECODABLE
        ) from error


def _advice(dataset: Dataset) -> str:
    """What lacks a decoder and what is damaged need different help."""
    syntax = UID(str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID") or ""))  # damaged, it is any string
    if not syntax:
        return "export it again, with its transfer syntax"
    if not can_decode(syntax):
        return f"install what decodes {syntax.name[:64]}, or convert the file to another transfer syntax"
    return "copy the file or send it again"


def _slice(header: ImageHeader, dataset: Dataset, frame: Dataset, stored: NDArray[Any], fault: str) -> CTSlice:
    source = header.source
    ids = {"SOPInstanceUID": header.sop_instance_uid, "SeriesInstanceUID": header.series}
    if missing := [name for name, uid in ids.items() if not uid]:
        raise HeadCTReadError(f"{source} lacks {' and '.join(missing)}; export it again.")
    for finding in header.findings:  # of its geometry
        raise HeadCTReadError(finding.sentence, finding.code)
    try:
        rescale = rescale_of(frame, stored)
    except ValueError as error:
        raise HeadCTReadError(
            f"The values of {source} cannot become HU: {first_line(error)}; export it again.", Code.NOT_HU
        ) from error
    findings = []
    if rescale.wraps:
        findings.append(
            Finding(
                Code.INTERCEPT_CORRECTED,
                f"{source} has signed values stored without sign in 12 bits; air was put back to -1000 HU.",
            )
        )
    syntax = dataset.file_meta.TransferSyntaxUID
    fault = fault or suspicion(rescale.unlimited(stored), syntax in ROW_BY_ROW)
    if fault:
        findings.append(damaged_pixels(source, fault))
    if rescale_type(frame):
        findings.append(Finding(Code.NOT_HU, f"{source} has another RescaleType than HU; give the series of usual HU."))
    return CTSlice(header, stored, rescale, findings)


def damaged_pixels(source: ImageSource, fault: str) -> Finding:
    """The finding of a slice whose pixels no scanner makes.

    Args:
        source: of the slice.
        fault: what it has, as part of a sentence.
    """
    return Finding(
        Code.DAMAGED_PIXELS,
        f"{source} has {fault}, as damaged files have; look at the slice, and copy or send the series again.",
    )


def _damaged(source: ImageSource, error: Exception) -> HeadCTReadError:
    return HeadCTReadError(f"{source} has a damaged header ({first_line(error)}); copy the file again.")
