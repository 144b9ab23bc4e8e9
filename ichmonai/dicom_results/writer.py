"""The answers as DICOM objects, a folder for each series."""

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from ichmonai.errors import InputError
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.series import Series
from ichmonai.prediction.report.templates import Templates
from ichmonai.prediction.steps import Answer
from ichmonai.prediction.writers.base import Writer
from ichmonai.private_files import make_folder, replacing


class DicomObjects(Writer):
    """Writes report, pictures and segmentation into a folder of each series that was DICOM and got an answer.

    Unlike the tables they name the patient, as the images do. An answer that is new replaces the objects of the old
    one; objects that are there already stay.

    Args:
        folder: for all of them; made if absent.
        identity: what decides the results, as the journal has it.
        templates: the sentences of the report in words; those of the package in English unless given.
        replaced: reports that were given away already, by the name of their folder: SOPInstanceUID and
            SeriesInstanceUID, in their order. A new report says that it replaces them.
    """

    needs_mask = True

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        templates: Templates | None = None,
        replaced: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        super().__init__(folder, identify=True, templates=templates)
        from ichmonai.dicom_results.device import Device

        self.device = Device.of(identity, self.templates)
        self.replaced = replaced or {}
        self.without = 0
        self.failed: list[str] = []

    @classmethod
    def require(cls) -> None:
        """Check that highdicom is installed.

        Raises:
            InputError: when it is not.
        """
        try:
            import highdicom  # noqa: F401
        except ImportError as error:
            raise InputError('DICOM objects need highdicom; install it with: pip install "ichmonai[pacs]".') from error

    def write(self, series: Series, answer: Answer) -> None:
        """Write the objects of one series, the report last; remove those of an earlier answer."""
        from ichmonai.dicom_results.objects import REPORT, case_of, make_objects
        from ichmonai.dicom_results.report import report_uid

        folder = self.folder / _stem(series)
        try:
            case = case_of(series, answer, self.device)
            if case is not None:
                before = self.replaced.get(folder.name, ())
                versions = [dataclasses.replace(case, replaces=before[:i]) for i in range(len(before) + 1)]
                case, given = versions[-1], {sop for sop, _ in before}
                if _sop_of(folder / REPORT) in {report_uid(case), *(given & set(map(report_uid, versions)))}:
                    return
            objects = {} if case is None else make_objects(case)
        except (HeadCTReadError, ValueError, TypeError, AttributeError, KeyError) as error:
            # Of what the images say of themselves; highdicom refuses what the standard does. Its words may name whose.
            objects = {}
            self.failed.append(f"{series.series}: {type(error).__name__}")
        else:
            self.without += case is None and answer.finding is None
        if folder.is_dir():
            shutil.rmtree(folder)
        if objects:
            make_folder(folder)
        for name, made in objects.items():
            with replacing(folder / name, "wb") as file:
                made.save_as(file, enforce_file_format=True)

    def notes(self) -> list[str]:
        """What became of the series without objects."""
        said = []
        if self.without:
            said.append(f"{self.without} series got no DICOM objects, because they are no DICOM images.")
        if self.failed:
            said.append(
                f"{len(self.failed)} series got no DICOM objects, because their headers are not what DICOM wants "
                f"(the first: {self.failed[0]}); their answers are in the tables."
            )
        return said


def _sop_of(report: Path) -> str:
    try:
        return str(pydicom.dcmread(report, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
    except (OSError, InvalidDicomError, AttributeError):
        return ""


def _stem(series: Series) -> str:
    """What the folder of a series is called: the same for every answer to it."""
    return hashlib.sha256(f"{series.study}\n{series.series}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
