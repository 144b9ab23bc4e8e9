"""The phantom's `truth.csv` is a truth of whatever was predicted from its images."""

import csv

import numpy as np
import pytest

from ichmonai.classes import KINDS
from ichmonai.datasets.phantom import make_study, write_dicom, write_dtvit, write_nifti
from ichmonai.errors import InputError
from ichmonai.evaluation import evaluate
from ichmonai.evaluation.tables import read_table

WRITERS = {"dicom": write_dicom, "nifti": write_nifti, "dtvit": write_dtvit}


@pytest.fixture(scope="module")
def cohort():
    kinds = ("normal", "deep", "normal", "lobar", "normal", "subdural")
    return [make_study(i, kind, 64, patient=f"1p{i:04d}") for i, kind in enumerate(kinds, start=1)]


def predictions(truth, folder, layout, kinds=False):
    """Tables of slices and of studies as of a prediction that says 0.9 where the truth is 1."""
    with truth.open(newline="") as stream:
        known = list(csv.DictReader(stream))
    heads = ("ich", *KINDS) if kinds else ("ich",)
    slices, studies = [], {}
    for row in known:
        path = str(truth.parent / row["file"])
        study = row["study"] or path
        number = "0" if layout == "dtvit" else row["slice"]
        place = {"study": study, "series": study, "slice": number, "sop_instance_uid": row["sop_instance_uid"]}
        label = {head: row["any" if kinds and head == "ich" else head] for head in heads}
        p = {f"p_{head}": "0.9" if label[head] == "1" else "0.1" for head in heads}
        slices.append(place | p)
        before = studies.setdefault(study, {"study": study, "series": study, "path": path, **p})
        before |= {head: max(before[head], p[head]) for head in p}
    files = []
    for name, rows in (("slices", slices), ("studies", list(studies.values()))):
        files.append(folder / f"{name}.csv")
        with files[-1].open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return files


@pytest.mark.parametrize("layout", sorted(WRITERS))
def test_it_is_taken_as_it_is(layout, tmp_path, cohort):
    (tmp_path / "phantom").mkdir()
    truth = WRITERS[layout](tmp_path / "phantom", cohort)
    slices, studies = predictions(truth, tmp_path, layout)
    by_slice = evaluate(slices, truth, resamples=2, subgroups=("kind",))
    assert by_slice.levels["slice"].heads["ich"].metrics["auc"].value == 1
    assert by_slice.levels["slice"].heads["ich"].n == len(read_table(truth))
    assert by_slice.intake.predictions_without_truth == by_slice.intake.truth_without_prediction == 0
    assert len(by_slice.levels["patient"].cases) == len(set(read_table(truth).columns["patient"]))
    groups = {group.group for group in by_slice.finest.heads["ich"].subgroups["kind"]}
    assert {"normal", "deep", "lobar"} <= groups
    by_study = evaluate(studies, truth, resamples=2)
    assert by_study.finest.cases.level == "series"
    assert by_study.finest.heads["ich"].metrics["auc"].value == 1
    assert by_study.finest.heads["ich"].n == len(read_table(studies))


def test_weights_with_kinds_say_any_haemorrhage(tmp_path, cohort):
    (tmp_path / "phantom").mkdir()
    truth = write_nifti(tmp_path / "phantom", cohort)
    slices, studies = predictions(truth, tmp_path, "nifti", kinds=True)
    for file in (slices, studies):
        found = evaluate(file, truth, resamples=2)
        assert found.finest.heads["ich"].metrics["accuracy"].value == 1
        assert found.finest.heads["subdural"].metrics["accuracy"].value == 1
        assert any("any haemorrhage" in note for note in found.intake.notes)
    assert found.finest.heads["ich"].counts["ich"] == 3
    assert found.finest.heads["subdural"].counts["subdural"] == 1


def test_a_column_that_was_added_divides_studies_too(tmp_path, cohort):
    (tmp_path / "phantom").mkdir()
    truth = write_nifti(tmp_path / "phantom", cohort)
    _, studies = predictions(truth, tmp_path, "nifti")
    with truth.open(newline="") as stream:
        rows = [{**row, "scanner": "GE" if row["kind"] == "normal" else "Canon"} for row in csv.DictReader(stream)]
    with truth.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = evaluate(studies, truth, resamples=2, subgroups=("scanner",))
    groups = {group.group: group.n for group in found.finest.heads["ich"].subgroups["scanner"]}
    normal = {row["patient"] for row in rows if row["scanner"] == "GE"}
    assert groups == {"GE": len(normal), "Canon": len(cohort) - len(normal)}


def test_other_scans_are_refused(tmp_path, cohort):
    (tmp_path / "phantom").mkdir()
    truth = write_nifti(tmp_path / "phantom", cohort[:1])
    slices, _ = predictions(truth, tmp_path, "nifti")
    slices.write_text(slices.read_text().replace("1p0001", "scan"))
    with pytest.raises(InputError, match=r"No file of truth\.csv was predicted in slices\.csv"):
        evaluate(slices, truth, resamples=2)


def test_hostile_cells_are_refused(tmp_path, cohort):
    (tmp_path / "phantom").mkdir()
    truth = write_nifti(tmp_path / "phantom", cohort[:2])
    _, studies = predictions(truth, tmp_path, "nifti")
    lines = truth.read_text().splitlines()
    cells = lines[1].split(",")
    cells[lines[0].split(",").index("ich")] = "=1+1"
    truth.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(InputError, match=r"truth\.csv, line 2: ich is '=1\+1'; give a number"):
        evaluate(studies, truth, resamples=2)


def test_subgroups_of_a_truth_by_study(table, columns):
    whole = columns(patients=60)
    slices = table(whole, without=("ich", "location", "patient", "age", "scanner"))
    first = np.arange(0, len(whole["study"]), 6)
    of_study = {name: [whole[name][i] for i in first] for name in ("study", "patient", "age", "scanner")}
    of_study["ich"] = [max(whole["ich"][i : i + 6]) for i in first]
    found = evaluate(slices, table(of_study, name="truth.csv"), resamples=2, subgroups=("scanner", "age"))
    assert found.finest.cases.level == "series"
    groups = found.finest.heads["ich"].subgroups["scanner"]
    assert {group.group: group.n for group in groups} == {"Canon": 20, "GE": 40}
    assert sum(group.n for group in found.finest.heads["ich"].subgroups["age"]) == 60
    with pytest.raises(InputError, match="There is no column 'hospital' for a subgroup"):
        evaluate(slices, table(of_study, name="truth.csv"), resamples=2, subgroups=("hospital",))
