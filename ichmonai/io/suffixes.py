"""What a file name says about its content; DICOM files need no suffix."""

PACKED_DICOM_SUFFIXES = (".dcm.gz",)
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", *PACKED_DICOM_SUFFIXES)
"""Names of files that are reported where they are no readable DICOM."""
NIFTI_SUFFIXES = (".nii", ".nii.gz")
PAIR_SUFFIXES = (".hdr", ".hdr.gz")
"""Headers of Analyze and NIfTI pairs."""
PAIR_VOXEL_SUFFIXES = (".img", ".img.gz")
"""Their voxels."""
MGH_SUFFIXES = (".mgz", ".mgh", ".mgh.gz")
NIBABEL_SUFFIXES = (*NIFTI_SUFFIXES, *PAIR_SUFFIXES, *MGH_SUFFIXES)
METAIMAGE_SUFFIXES = (".mha", ".mhd")
NRRD_SUFFIXES = (".nrrd", ".nhdr")
VOLUME_SUFFIXES = (*NIBABEL_SUFFIXES, *METAIMAGE_SUFFIXES, *NRRD_SUFFIXES)
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
PICTURE_FORMATS = ("PNG", "JPEG", "BMP")
"""What Pillow may take them for: it knows others, and runs programs for some."""
ZIP_SUFFIXES = (".zip",)
OTHER_ARCHIVE_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")
"""Archives that may hold images and are not opened."""
