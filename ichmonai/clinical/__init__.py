"""Clinical data beside the images: columns of a csv as numbers that a network takes, each row joined to a study."""

from ichmonai.clinical.columns import Column
from ichmonai.clinical.fit import fit_columns
from ichmonai.clinical.table import ClinicalRows, ClinicalTable, read_rows, study_table
from ichmonai.clinical.transform import AddClinicald

__all__ = ["AddClinicald", "ClinicalRows", "ClinicalTable", "Column", "fit_columns", "read_rows", "study_table"]
