"""Answers as DICOM objects for an archive: a structured report, pictures of key slices, a segmentation."""
