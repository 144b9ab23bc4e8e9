"""What others published on these sets: only numbers whose source was seen, with the source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published number.

    Attributes:
        set: name of the set.
        level: `slice`, `study` or `mask`; "" where the source does not say it.
        head: `ich` (any haemorrhage), a kind, or "" of all.
        metric: as this package calls it.
        value: the number.
        source: paper, and where in it.
    """

    set: str
    level: str
    head: str
    metric: str
    value: float
    source: str


_CHILAMKURTHY = "Chilamkurthy et al. 2018, arXiv:1803.05854, abstract; trained on CT of other hospitals"
_WANG = "Wang et al. 2021, NeuroImage: Clinical 32:102785, abstract; winner of RSNA 2019, trained on its images"
_YEO = "doi:10.1186/s41747-023-00330-3 (Eur Radiol Exp 2023), abstract; trained on RSNA 2019"
_BURDUJA = "Burduja et al. 2020, arXiv:2008.00302, abstract; the challenge's final test images, whose labels are secret"
_HSSAYENI = "Hssayeni et al. 2020, Data 5:14, abstract; U-Net, 5-fold cross-validation on the set itself"

_KINDS = ("intraparenchymal", "intraventricular", "subdural", "epidural", "subarachnoid")

PUBLISHED = (
    Published("ct-ich", "study", "ich", "auc", 0.964, _WANG),
    Published("ct-ich", "mask", "ich", "dice", 0.31, _HSSAYENI),
    *(
        Published("cq500", "study", head, "auc", value, _CHILAMKURTHY)
        for head, value in zip(("ich", *_KINDS), (0.94, 0.95, 0.93, 0.95, 0.97, 0.96), strict=True)
    ),
    Published("cq500", "study", "ich", "auc", 0.949, _WANG),
    Published("cq500", "study", "ich", "auc", 0.966, _YEO),
    *(
        Published("rsna2019", "", head, "auc", value, _WANG)
        for head, value in zip(("ich", *_KINDS), (0.988, 0.992, 0.996, 0.983, 0.984, 0.985), strict=True)
    ),
    Published("rsna2019", "slice", "", "weighted_log_loss", 0.04989, _BURDUJA),
)
"""Of BHSD there is none: its papers' tables could not be looked at."""
