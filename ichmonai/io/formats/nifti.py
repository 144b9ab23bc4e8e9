"""NIfTI volumes in one file."""

from typing import Any

import nibabel as nib

from ichmonai.io.volumes.nibabel_volume import NibabelFormat, nifti_version


class Nifti(NibabelFormat):
    """NIfTI-1 and NIfTI-2 in one file."""

    name = "NIfTI"
    suffixes = (".nii", ".nii.gz")

    def image_class(self, start: bytes) -> Any:
        """Class of nibabel that reads a file."""
        version = nifti_version(start)
        if not version:
            raise ValueError("it is not NIfTI")
        return nib.Nifti2Image if version == 2 else nib.Nifti1Image


FORMAT = Nifti()
