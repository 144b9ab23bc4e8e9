"""What is found and where, in codes that other systems know.

Codes that pydicom's copy of DICOM PS3.16 has are taken from there; the others are SNOMED CT's own.
"""

from typing import NamedTuple

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

FINDING = Code("1386000", "SCT", "Intracranial hemorrhage")
HAEMORRHAGE: Code = codes.SCT.Hemorrhage
_SUPRATENTORIAL = Code("222036002", "SCT", "Supratentorial brain structure")

PRESENCE: Code = codes.DCM.PresenceOfProperty
PRESENT: Code = codes.SCT.Present
ABSENT: Code = codes.SCT.Absent
UNDETERMINED: Code = codes.SCT.Indeterminate
MILLILITRE = Code("mL", "UCUM", "mL")


class Place(NamedTuple):
    """A place in the head.

    Attributes:
        structure: the smallest structure with a code that holds it.
        modifier: which part of that; None for all of it.
    """

    structure: Code
    modifier: Code | None = None


class KindCode(NamedTuple):
    """A kind of haemorrhage.

    Attributes:
        finding: the disorder, or the haemorrhage itself where `place` says which it is.
        place: None where the disorder says it.
    """

    finding: Code
    place: Place | None = None


SITES = {
    "deep": Place(_SUPRATENTORIAL, codes.SCT.Deep),
    "lobar": Place(_SUPRATENTORIAL, codes.SCT.Superficial),
    "subtentorial": Place(Code("21031007", "SCT", "Infratentorial brain structure")),
}
"""Of `ichmonai.classes.LOCATIONS`; deep or superficial of CID 2, for SNOMED CT has no lobar haemorrhage."""

KIND_CODES = {
    "epidural": KindCode(Code("82999001", "SCT", "Epidural intracranial hemorrhage")),
    "intraparenchymal": KindCode(Code("274100004", "SCT", "Cerebral hemorrhage")),
    "intraventricular": KindCode(HAEMORRHAGE, Place(codes.SCT.BrainVentricle)),
    "subarachnoid": KindCode(Code("21454007", "SCT", "Subarachnoid intracranial hemorrhage")),
    "subdural": KindCode(Code("35486000", "SCT", "Subdural intracranial hemorrhage")),
}
"""Of `ichmonai.classes.KINDS`."""

REGIONS: dict[str, Code] = {
    "epidural": codes.SCT.IntracranialStructure,
    "intraparenchymal": codes.SCT.Brain,
    "intraventricular": codes.SCT.BrainVentricle,
    "subarachnoid": codes.SCT.SubarachnoidSpace,
    "subdural": codes.SCT.IntracranialStructure,
}
"""Of the same kinds, the smallest structure of DICOM's own lists that holds them."""
