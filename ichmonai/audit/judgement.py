"""The verdict on a dataset: one sentence a finding."""

from dataclasses import dataclass
from enum import Enum

from ichmonai.audit.audit import Audit
from ichmonai.audit.probes import FEWEST_PATIENTS, ShortcutProbe
from ichmonai.evaluation.intervals import Estimate

READ_OFF = 0.7
"""Lower end of the interval of a shortcut probe's AUC above which the label can be read off the acquisition."""

PARTLY_READ_OFF = 0.6
"""... above which part of it can."""

HARMLESS_GAP = 0.05
"""Accuracy that a nearest neighbour may gain from images of the same patient."""


class Verdict(str, Enum):
    """How bad what was found is."""

    OK = "ok"
    WARNING = "warning"
    """To be known, and said with every result; does not by itself make results wrong."""
    SERIOUS = "serious"
    """Results on this dataset would be wrong."""
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Judgement:
    """One thing that was looked for.

    Attributes:
        name: what.
        verdict: how bad it is.
        sentence: what was found, and where needed what to do.
    """

    name: str
    verdict: Verdict
    sentence: str


def judge(audit: Audit) -> list[Judgement]:
    """Judge everything that an audit looked at, in the order of the report."""
    return [
        _leakage(audit),
        _identical(audit),
        _near(audit),
        _contradictions(audit),
        _classes(audit),
        _unreadable(audit),
        *(_shortcut(audit, name) for name in audit.shortcuts),
        *(_neighbour(audit, name) for name in audit.leakage_probes),
    ]


def worst(judgements: list[Judgement]) -> Verdict:
    """The verdict on the whole."""
    verdicts = {one.verdict for one in judgements}
    return next((one for one in (Verdict.SERIOUS, Verdict.WARNING) if one in verdicts), Verdict.OK)


def _leakage(audit: Audit) -> Judgement:
    name = "Patients in two splits"
    if audit.leakage is None:
        return Judgement(name, Verdict.NOT_CHECKED, "There is no split; give --split, or a datalist with its sections.")
    shared = {
        "patients": audit.leakage.shared["patient"],
        "files": audit.leakage.shared["image"],
        "images with the same pixels": audit.leakage.shared["sha256"],
    }
    if not any(shared.values()):
        return Judgement(name, Verdict.OK, "The splits share no patient, no file and no image with the same pixels.")
    found = ", ".join(f"{number} {what}" for what, number in shared.items() if number)
    exposed = "; ".join(
        f"{number} of {audit.splits[split].images} {split} images are of patients or pixels in training"
        for split, number in audit.leakage.exposed.items()
    )
    return Judgement(name, Verdict.SERIOUS, f"In two splits stand {found}: {exposed}. Split by patient.")


def _identical(audit: Audit) -> Judgement:
    name = "Identical images"
    patients = [rows for rows in audit.identical if len({audit.items[row]["patient"] for row in rows}) > 1]
    if not audit.identical:
        return Judgement(name, Verdict.OK, "No two patients, labels or splits have an image with the same pixels.")
    crossing = [rows for rows in audit.identical if audit.crosses_splits(rows)]
    people = {audit.items[row]["patient"] for rows in patients for row in rows}
    sentence = f"{_times(len(audit.identical), 'image')} stand{_s(audit.identical)} in the dataset more than once"
    if patients:
        sentence += f", {len(patients)} of them under more than one patient ({len(people)} patients in all)"
    if crossing:
        return Judgement(name, Verdict.SERIOUS, f"{sentence}, {len(crossing)} in two splits. Split these together.")
    return Judgement(name, Verdict.WARNING, f"{sentence}. Keep these patients on one side of every split.")


def _near(audit: Audit) -> Judgement:
    name = "Near duplicates"
    if not audit.near:
        return Judgement(name, Verdict.OK, "No two patients have images that are nearly the same.")
    people = {tuple(sorted(audit.items[row]["patient"] for row in pair[:2])) for pair in audit.near}
    labels = sum(len({tuple(audit.items[row]["label"].tolist()) for row in pair[:2]}) > 1 for pair in audit.near)
    crossing = sum(audit.crosses_splits(pair[:2]) for pair in audit.near)
    sentence = (
        f"{_times(len(audit.near), 'pair')} of images, of {_times(len(people), 'pair')} of patients, show nearly the "
        f"same; {labels} differ in label"
    )
    if crossing:
        return Judgement(name, Verdict.SERIOUS, f"{sentence}, {crossing} lie in two splits. Split these together.")
    return Judgement(
        name, Verdict.WARNING, f"{sentence}. They may be one person: keep them on one side of every split."
    )


def _contradictions(audit: Audit) -> Judgement:
    name = "Contradicting labels"
    if not audit.contradictions:
        return Judgement(name, Verdict.OK, "No two images with the same pixels differ in label.")
    number = len(audit.contradictions)
    sentence = f"{_times(number, 'image')} {'has' if number == 1 else 'have'} two labels. Leave out the wrong one."
    return Judgement(name, Verdict.SERIOUS, sentence)


def _classes(audit: Audit) -> Judgement:
    name = "Classes"
    few = [f"{one} {n.patients}" for one, n in audit.counts.classes.items() if n.patients < FEWEST_PATIENTS]
    if audit.counts.empty or (audit.splits and audit.splits["training"].empty):
        where, empty = ("The dataset", audit.counts.empty) if audit.counts.empty else ("Training", [])
        empty = empty or audit.splits["training"].empty
        return Judgement(name, Verdict.SERIOUS, f"{where} has no image of {', '.join(empty)}.")
    missing = [f"{split} of {', '.join(n.empty)}" for split, n in audit.splits.items() if n.empty]
    if missing:
        return Judgement(name, Verdict.WARNING, f"There is no image in {'; '.join(missing)}.")
    if few:
        sentence = f"Classes of fewer than {FEWEST_PATIENTS} patients ({', '.join(few)}) can hardly be judged."
        return Judgement(name, Verdict.WARNING, sentence)
    fewest = min(audit.counts.classes.items(), key=lambda one: one[1].patients)
    sentence = f"All classes have images; the fewest patients has {fewest[0]} ({fewest[1].patients})."
    return Judgement(name, Verdict.OK, sentence)


def _unreadable(audit: Audit) -> Judgement:
    name = "Unreadable images"
    read = len(audit.items)
    if not audit.unreadable and not audit.blank:
        return Judgement(name, Verdict.OK, f"All {read} images can be read.")
    sentence = f"{len(audit.unreadable)} of {read + len(audit.unreadable)} images cannot be read"
    return Judgement(name, Verdict.WARNING, f"{sentence}, {audit.blank} are of one value throughout. Leave them out.")


def _shortcut(audit: Audit, label: str) -> Judgement:
    name, probe = f"Shortcut to {label}", audit.shortcuts[label]
    if probe is None:
        sentence = f"Fewer than {FEWEST_PATIENTS} patients with or without {label}, or images that differ in nothing."
        return Judgement(name, Verdict.NOT_CHECKED, sentence)
    sentence = (
        f"The acquisition alone tells {label} with an AUC of {_estimate(probe.auc)} on unseen patients; "
        f"the best single feature is {probe.leading_name}, {_estimate(probe.leading)}"
    )
    if (main := probe.features[0].name) != probe.leading_name and probe.auc.low > PARTLY_READ_OFF:
        sentence += f", the most used {main}"
    if label != "ich":  # the level of a slice is anatomy, and shows in the size of the head
        verdict = Verdict.WARNING if probe.auc.low > READ_OFF else Verdict.OK
        return Judgement(name, verdict, f"{sentence}. Part of it is the level of the slice.")
    return Judgement(name, *judge_shortcut(probe, sentence))


def judge_shortcut(probe: ShortcutProbe, sentence: str) -> tuple[Verdict, str]:
    """How bad a shortcut to haemorrhage is, and a sentence without its full stop with what follows from it."""
    if probe.auc.low > READ_OFF:
        verdict = Verdict.SERIOUS
        sentence += ". The label can be read off the acquisition: a network's score here says little of haemorrhage."
    elif probe.auc.low > PARTLY_READ_OFF:
        verdict = Verdict.WARNING
        sentence += ". Part of the label can be read off the acquisition."
    else:
        verdict = Verdict.OK
        sentence += "."
    return verdict, sentence


def _neighbour(audit: Audit, label: str) -> Judgement:
    name, probe = f"Image-level split, {label}", audit.leakage_probes[label]
    if probe is None:
        return Judgement(name, Verdict.NOT_CHECKED, "There are too few patients.")
    sentence = (
        f"The nearest of all other images has the same {label} in {_percent(probe.image_split)}, the nearest of other "
        f"patients in {_percent(probe.patient_split)}; always the commonest is right in {100 * probe.majority:.1f}%"
    )
    if probe.image_split.value - probe.patient_split.value > HARMLESS_GAP:
        return Judgement(name, Verdict.WARNING, f"{sentence}. A split of images rewards memory: split by patient.")
    return Judgement(name, Verdict.OK, f"{sentence}.")


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _s(found: list) -> str:
    return "s" if len(found) == 1 else ""


def _estimate(one: Estimate) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.1f}% ({100 * one.low:.1f} to {100 * one.high:.1f})"
