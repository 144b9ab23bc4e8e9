"""What a file name says about its content; DICOM files need no suffix."""

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""Names of files that are reported where they are no readable DICOM."""
NIFTI_SUFFIXES = (".nii", ".nii.gz")
METAIMAGE_SUFFIXES = (".mha", ".mhd")
NRRD_SUFFIXES = (".nrrd",)
VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, *METAIMAGE_SUFFIXES, *NRRD_SUFFIXES)
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
PICTURE_FORMATS = ("PNG", "JPEG", "BMP")
"""What Pillow may take them for: it knows others, and runs programs for some."""
ZIP_SUFFIXES = (".zip",)
OTHER_ARCHIVE_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")
"""Archives that may hold images and are not opened."""
