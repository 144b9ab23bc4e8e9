"""Datalists, patient-grouped splits, class balancing and the phantom."""

from ichmonai.datasets.balancing import PAPER_FACTORS
from ichmonai.datasets.brain import keep_brain
from ichmonai.datasets.datalist import load_datalist
from ichmonai.datasets.folds import make_folds
from ichmonai.datasets.item import DatasetError, count_classes, require_all_classes
from ichmonai.datasets.readable import drop_unreadable
from ichmonai.datasets.review import filter_slices
from ichmonai.datasets.rsna import label_prevalence, load_rsna, with_neighbours
from ichmonai.datasets.six_labels import load_six_labels
from ichmonai.datasets.slice_dataset import SliceDataset
from ichmonai.datasets.splits import check_no_leakage, make_splits, read_splits, split_by_patient, write_splits
from ichmonai.datasets.targets import LoadTargetsd

__all__ = [
    "PAPER_FACTORS",
    "DatasetError",
    "LoadTargetsd",
    "SliceDataset",
    "check_no_leakage",
    "count_classes",
    "drop_unreadable",
    "filter_slices",
    "keep_brain",
    "label_prevalence",
    "load_datalist",
    "load_rsna",
    "load_six_labels",
    "make_folds",
    "make_splits",
    "read_splits",
    "require_all_classes",
    "split_by_patient",
    "with_neighbours",
    "write_splits",
]
