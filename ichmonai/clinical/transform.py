"""The clinical data of a study beside its image."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms.transform import Transform

from ichmonai.clinical.table import ClinicalTable


class AddClinicald(Transform):
    """Adds the numbers of a study's row, for an item that says of which study or patient it is.

    Args:
        table: of the rows.
        clinical_key: becomes float32 (W,), zeros of what is missing.
    """

    def __init__(self, table: ClinicalTable, clinical_key: str = "clinical") -> None:
        self.table = table
        self.clinical_key = clinical_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the data with the numbers."""
        return {**data, self.clinical_key: torch.tensor(self.table({str(k): v for k, v in data.items()}))}
