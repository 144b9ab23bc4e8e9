"""The phantom: a procedural head-CT cohort with known truth, the same for the same seed.

Synthetic heads stand in for patients where no data may go: demonstrations, tests, teaching, and a first check of a
trained network on scans whose truth is known to the voxel.
"""

from ichmonai.datasets.phantom.clinical import draw_clinical, write_clinical
from ichmonai.datasets.phantom.cohort import cohort_kinds, make_cohort
from ichmonai.datasets.phantom.dicom import slice_dataset, write_dicom, write_rsna
from ichmonai.datasets.phantom.haemorrhage import COMPARTMENTS, PhantomKind
from ichmonai.datasets.phantom.layouts import write_dtvit, write_nifti
from ichmonai.datasets.phantom.public import write_bhsd, write_cq500, write_ct_ich
from ichmonai.datasets.phantom.scanner import HolderDesign, Scanner
from ichmonai.datasets.phantom.study import VISIBLE_MM2, PhantomStudy, SliceTruth, make_study

__all__ = [
    "COMPARTMENTS",
    "VISIBLE_MM2",
    "HolderDesign",
    "PhantomKind",
    "PhantomStudy",
    "Scanner",
    "SliceTruth",
    "cohort_kinds",
    "draw_clinical",
    "make_cohort",
    "make_study",
    "slice_dataset",
    "write_bhsd",
    "write_clinical",
    "write_cq500",
    "write_ct_ich",
    "write_dicom",
    "write_dtvit",
    "write_nifti",
    "write_rsna",
]
