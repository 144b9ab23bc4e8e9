"""The head CT below a path."""

import os
from os import PathLike
from pathlib import Path

import pydicom

from ichmonai.io.dicom import is_dicom
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.head_ct import IMAGE_SUFFIXES, ITK_SUFFIXES, NIFTI_SUFFIXES

_FILE_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES, *IMAGE_SUFFIXES)


def find_head_ct(path: str | PathLike) -> list[dict]:
    """List the CT series, volumes and slice images at or below a path.

    Args:
        path: one file, one DICOM series folder, or a folder with any of them at any depth.

    Returns:
        MONAI datalist items: `image` is what `load_head_ct` takes (a folder that holds just one series, the list of a
        series' files where a folder holds several, or a file) and `study` names it: its path below `path`.

    Raises:
        HeadCTReadError: when the path does not exist or there is nothing to read below it.
    """
    root = Path(path)
    if not root.exists():
        raise HeadCTReadError(f"{root} does not exist; give a DICOM series folder, a volume or a folder of either.")
    if root.is_file():
        return [{"image": str(root), "study": root.name}]
    items: list[dict] = []
    for folder, subfolders, names in os.walk(root):
        subfolders.sort()
        series: dict[str, list[str]] = {}
        for name in sorted(names):
            file = Path(folder, name)
            if name.startswith("."):  # what an operating system keeps beside a file, such as ._scan.nii.gz
                continue
            if name.lower().endswith(_FILE_SUFFIXES):
                items.append({"image": str(file), "study": str(file.relative_to(root))})
            elif is_dicom(file):
                series.setdefault(_series_uid(file), []).append(str(file))
        study = str(Path(folder).relative_to(root)) if Path(folder) != root else root.resolve().name
        if len(series) == 1:
            items.append({"image": folder, "study": study})
        else:
            items += [{"image": files, "study": f"{study}#{n}"} for n, files in enumerate(series.values(), 1)]
    if not items:
        raise HeadCTReadError(f"{root} holds no DICOM, NIfTI, NRRD, MetaImage, PNG or JPEG files; check the folder.")
    return items


def _series_uid(file: Path) -> str:
    try:
        return str(
            pydicom.dcmread(file, specific_tags=["SeriesInstanceUID"], stop_before_pixels=True).SeriesInstanceUID
        )
    except Exception:  # a damaged header: its own entry, so that reading it reports why
        return str(file)
