"""What the tables say of a study and of its slices."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.io.findings import Code
from ichmonai.io.series import Rejection, Technique
from ichmonai.study_rule import StudyDecision
from ichmonai.tables import AREAS, KIND_PROBABILITIES, PROBABILITIES, VOLUMES, probability_columns

TECHNIQUE = ("manufacturer", "model", "kernel", "kvp", "thickness_mm", "noise_hu")
"""Columns of how a series was scanned, and of the noise in its brain; empty where that is not known."""

WORD_COLUMNS = ("findings", "impression")
"""Columns of the draft of a report, see `ichmonai.prediction.report.words`; they are written into tables alone."""

STUDY_COLUMNS = (
    "study",
    "series",
    "path",
    "outcome",
    *PROBABILITIES,
    *KIND_PROBABILITIES,
    "kinds",
    "location",
    *VOLUMES,
    "mask",
    "slices",
    "brain_slices",
    "leading_slice",
    "leading_sop_instance_uid",
    "clinical",
    "flags",
    *TECHNIQUE,
    *WORD_COLUMNS,
    "sha256",
)
"""Columns of the table of studies; `kinds` those that a positive study shows, the most
probable first; `mask` is the file of its mask in the folder of the table, where one was written; `clinical` how many
columns of clinical data were known, where such a table was given."""

SLICE_COLUMNS = (
    "study",
    "series",
    "slice",
    "sop_instance_uid",
    "state",
    "brain_content",
    *PROBABILITIES,
    *KIND_PROBABILITIES,
    *AREAS,
    "slices_apart",
)
"""Columns of the table of slices; `slices_apart` is how many slices further the next one is that a slice does not
overlap, from which and the probabilities those of the study follow (`ichmonai.study_rule`)."""

PLAN_COLUMNS = ("study", "series", "path", "slices", "brain_slices", "flags", "description")
"""Columns of the table of what a dry run finds."""

REJECTED_COLUMNS = ("study", "series", "path", "code", "sentence")
"""Columns of the table of inputs without an answer."""

CLASSIFIED, OUTSIDE_BRAIN = "classified", "outside_brain"


def study_rows(
    study: str, series: str, summary: Tensor, slices: Tensor, meta: Mapping[str, Any], decision: StudyDecision
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One row for the study and one for each of its slices, inferior to superior.

    Args:
        study: its name in the tables.
        series: that of the series that was read.
        summary: probabilities (5,): normal, ich, deep, lobar, subtentorial; or (10,), with the kinds.
        slices: probabilities (5, S') or (10, S') of the slices that show brain.
        meta: of the image: `findings` with code and sentence, `sop_instance_uids` of all S slices, and, where slices
            were left out, `slice_count` S, `brain_slices` (S',) indices and `brain_content` (S,); where they overlap,
            `slices_apart`.
        decision: what is said of a study by its probabilities. One between its thresholds has the flag `uncertain`.

    Returns:
        The row of the study, and S rows of slices.
    """
    kept = [int(i) for i in meta.get("brain_slices") or range(slices.shape[1])]  # a collate function makes tensors
    count = int(meta.get("slice_count", len(kept)))
    uids = list(meta.get("sop_instance_uids") or [""] * count)
    content = list(meta.get("brain_content") or [""] * count)
    leading = kept[int(slices[1].argmax())]
    outcome = "no_prediction" if summary.isnan().any() else decision.outcome(float(summary[1]))
    positive = outcome == "positive"
    flags = [code for code, _ in meta.get("findings") or ()]
    if outcome == "no_prediction" and not summary.isnan().any():
        flags.append(Code.UNCERTAIN.value)
    probabilities = probability_columns(summary)
    row = {
        "study": study,
        "series": series,
        "outcome": outcome,
        **probabilities,
        "kinds": ";".join(decision.shown(kinds_of(probabilities))) if positive else "",
        "location": LOCATIONS[int(summary[2 : 2 + len(LOCATIONS)].argmax())] if positive else "",
        "slices": count,
        "brain_slices": len(kept),
        "leading_slice": leading,
        "leading_sop_instance_uid": uids[leading],
        "flags": ";".join(dict.fromkeys(flags)),
    }
    by_index = dict(zip(kept, slices.T, strict=True))
    rows = [
        {
            "study": study,
            "series": series,
            "slice": i,
            "sop_instance_uid": uids[i],
            "state": CLASSIFIED if i in by_index else OUTSIDE_BRAIN,
            "brain_content": f"{content[i]:.3f}" if content[i] != "" else "",
            **(probability_columns(by_index[i]) if i in by_index else {}),
            "slices_apart": int(meta.get("slices_apart", 1)),
        }
        for i in range(count)
    ]
    return row, rows


def technique_columns(technique: Technique, noise: float | None) -> dict[str, str]:
    """The columns `TECHNIQUE`.

    Args:
        technique: of the series.
        noise: standard deviation in HU.
    """
    texts = technique[:3]
    numbers = ("" if value is None else f"{value:.6g}" for value in (technique.kvp, technique.thickness))
    return dict(zip(TECHNIQUE, (*texts, *numbers, "" if noise is None else f"{noise:.2f}"), strict=True))


def kinds_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The probabilities of the kinds that a row says, the most probable first; none where the network does not."""
    said = {kind: row.get(f"p_{kind}", "") for kind in KINDS}
    known = {kind: float(value) for kind, value in said.items() if value not in (None, "", "nan")}
    return dict(sorted(known.items(), key=lambda pair: -pair[1]))


def probability_of(value: Any) -> str:
    """A probability as a reader sees it; empty where there is none.

    What would be rounded to 0 or 1 is said otherwise, since nothing here is certain.

    Example:
        >>> probability_of("0.3749"), probability_of(0.9999), probability_of(0.0), probability_of("nan")
        ('0.37', '> 0.99', '< 0.01', '')
    """
    if value in (None, "") or math.isnan(p := float(value)):
        return ""
    text = f"{p:.2f}"
    return {"1.00": "> 0.99", "0.00": "< 0.01"}.get(text, text)


def volume_of(row: Mapping[str, Any]) -> str:
    """The volume of the blood with its range, in words; empty where the row says none."""
    said = [row.get(name, "") for name in VOLUMES[:3]]
    if any(value in (None, "", "nan") for value in said):
        return ""
    volume, low, high = (f"{float(value):.1f}" for value in said)
    return f"{volume} mL ({low} to {high})"


def stem(row: Mapping[str, Any]) -> str:
    """What the files of a study are called, which says nothing of whose it is: of other content, they are others."""
    named = "\n".join(str(row.get(name, "")) for name in ("study", "series", "sha256"))
    return hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def mask_file(row: Mapping[str, Any]) -> str:
    """Where the mask of a study is in the folder of the results."""
    return f"masks/{stem(row)}.nii.gz"


def worklist_rank(row: Mapping[str, Any]) -> float:
    """Ascending order of a worklist.

    Positives come first, from -2 (certain) to -1; what has no prediction follows, since it is no negative: first what
    was too uncertain, from -1 to 0, then failures at 0; negatives are last, from 1 to 2.
    """
    outcome = row.get("outcome", "no_prediction")
    if row.get("p_ich", "") in ("", "nan"):
        return 0.0
    score = float(row["p_ich"])
    if outcome == "no_prediction":
        return -score
    return -1 - score if outcome == "positive" else 2 - score


def rejected_row(one: Rejection) -> dict[str, str]:
    """The row of an input without an answer."""
    return dict(
        zip(
            REJECTED_COLUMNS,
            (one.study, one.series, one.path, one.finding.code.value, one.finding.sentence),
            strict=True,
        )
    )


INTEGERS = ("slices", "brain_slices", "slice", "leading_slice", "slices_apart", "clinical")
REALS = (*PROBABILITIES, *KIND_PROBABILITIES, *VOLUMES, *AREAS, "brain_content", *TECHNIQUE[3:])
"""Columns of numbers."""


def typed(name: str, value: Any) -> int | float | str | None:
    """A cell of a column as the number or text that it stands for; None where it is empty.

    Raises:
        ValueError: where it is of another kind.
    """
    if value == "" or value == "nan":
        return None
    if name in INTEGERS or name in REALS:
        number = int(value) if name in INTEGERS else float(value)
        if not abs(number) < 2**31:  # as Parquet has them; nor is nan
            raise ValueError(f"{name} is {number}")
        return number
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    value.encode()  # half a character cannot be written
    return value
