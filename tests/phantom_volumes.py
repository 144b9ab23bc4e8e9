"""One phantom study in the formats of volumes."""

from pathlib import Path

from ichmonai.datasets.phantom import PhantomKind, make_study, write_dicom, write_nifti


def write_volumes(folder: Path) -> Path:
    """Write a lobar haemorrhage as a DICOM series folder (`dicom/`) and as NIfTI in a folder (`nifti/`)."""
    study = make_study(7, kind=PhantomKind.LOBAR, size=96)
    for name, write in (("dicom", write_dicom), ("nifti", write_nifti)):
        (folder / name).mkdir()
        write(folder / name, [study])
    return folder
