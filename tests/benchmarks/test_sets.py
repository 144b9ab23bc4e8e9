"""Each set's layout is read, and its truth is that of the phantom."""

import shutil

import nibabel as nib
import pytest

from ichmonai.benchmarks import read_bhsd, read_cq500, read_ct_ich, read_rsna2019, run_benchmark
from ichmonai.classes import KINDS
from ichmonai.datasets.phantom import write_bhsd, write_cq500, write_ct_ich, write_rsna
from ichmonai.errors import InputError
from tests.benchmarks.conftest import positives, rows

WRITERS = {"ct-ich": write_ct_ich, "bhsd": write_bhsd, "cq500": write_cq500, "rsna2019": write_rsna}
READERS = {"ct-ich": read_ct_ich, "bhsd": read_bhsd, "cq500": read_cq500, "rsna2019": read_rsna2019}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_who_knows_the_truth_is_always_right(name, tmp_path, cohort, predict):
    (tmp_path / "set").mkdir()
    truth = WRITERS[name](tmp_path / "set", cohort)
    out = predict(truth)
    public = READERS[name](tmp_path / "set", tmp_path)
    found = run_benchmark(public, out, resamples=20)
    by_place = {(one.level, one.head, one.metric): one for one in found.measures}
    levels = ("study",) if name == "cq500" else ("slice", "study")
    for level in levels:
        assert by_place[level, "ich", "auc"].estimate.value == 1
        assert by_place[level, "ich", "sensitivity"].estimate.value == 1
        assert by_place[level, "ich", "specificity"].estimate.value == 1
        assert by_place[level, "ich", "auc"].patients == 5
    assert {level for level, _, _ in by_place} == set(levels)
    assert by_place["study", "subdural", "auc"].positives == 1
    if "slice" in levels:
        for head, label in {"ich": "any", **{kind: kind for kind in KINDS}}.items():
            assert by_place["slice", head, "auc"].positives == positives(truth, label)
        assert by_place["slice", "", "weighted_log_loss"].estimate.value == pytest.approx(0.10536, abs=1e-4)
    table = rows(out / "benchmark.csv")
    assert {row["source"] for row in table if row["value"] == "0.94"} == (
        {"Chilamkurthy et al. 2018, arXiv:1803.05854, abstract; trained on CT of other hospitals"}
        if name == "cq500"
        else set()
    )
    assert "not for clinical use" in (out / "benchmark.md").read_text()
    assert f"## {name}" in found.page


def test_slices_of_a_file_that_runs_downwards_are_turned(tmp_path, cohort, predict):
    truth = write_ct_ich(tmp_path, cohort)
    count = cohort[1].hu.shape[2]
    for folder in ("ct_scans", "masks"):
        path = tmp_path / folder / "050.nii"
        image = nib.load(path)
        turned = nib.as_closest_canonical(image).slicer[:, :, ::-1]
        nib.save(turned, tmp_path / "turned.nii")
        shutil.move(tmp_path / "turned.nii", path)
    labels = tmp_path / "hemorrhage_diagnosis_raw_ct.csv"
    lines = labels.read_text().splitlines()
    turned = [
        ",".join(["50", str(count + 1 - int(cells[1])), *cells[2:]]) if cells[0] == "50" else line
        for line, cells in ((line, line.split(",")) for line in lines)
    ]
    labels.write_text("\n".join(turned) + "\n")
    found = run_benchmark(read_ct_ich(tmp_path), predict(truth), resamples=2)
    assert {one.estimate.value for one in found.measures if one.metric == "auc" and one.positives} == {1.0}


def test_weights_without_kinds_give_metrics_of_any_haemorrhage_only(tmp_path, cohort, predict):
    truth = write_bhsd(tmp_path, cohort)
    found = run_benchmark(read_bhsd(tmp_path), predict(truth, kinds=False), resamples=2)
    assert {one.head for one in found.measures} == {"ich"}
    assert "The weights do not say kinds." in found.notes


def test_what_has_no_prediction_is_said_and_counted_nowhere(tmp_path, cohort, predict):
    truth = write_ct_ich(tmp_path, cohort)
    out = predict(truth, without=(cohort[1].patient,))
    found = run_benchmark(read_ct_ich(tmp_path), out, resamples=2)
    (said,) = [note for note in found.notes if "have no prediction" in note]
    assert said.startswith("1 of 5 studies, 1 of them with a haemorrhage")
    assert "050.nii" in said
    assert next(one for one in found.measures if (one.level, one.metric) == ("study", "auc")).cases == 4


def test_slices_outside_the_brain_count_as_probability_0(tmp_path, cohort, predict):
    truth = write_bhsd(tmp_path, cohort)
    found = run_benchmark(read_bhsd(tmp_path), predict(truth, outside=20), resamples=2)
    missed = sum(row["any"] == "1" and int(row["slice"]) < 20 for row in rows(truth))
    assert missed > 0
    ich = next(one for one in found.measures if (one.level, one.head, one.metric) == ("slice", "ich", "sensitivity"))
    assert ich.estimate.value == pytest.approx(1 - missed / positives(truth))
    assert any(f"{missed} of them labelled as haemorrhage" in note for note in found.notes)


def test_two_studies_of_one_patient_are_one_patient(tmp_path, cohort, predict):
    truth = write_bhsd(tmp_path, cohort)
    for folder in ("images", "ground truths"):
        old = tmp_path / folder / "ID_00000001_ID_0000000002.nii.gz"
        old.rename(tmp_path / folder / "ID_00000000_ID_0000000002.nii.gz")
    truth.write_text(truth.read_text().replace("ID_00000001_ID", "ID_00000000_ID"))
    found = run_benchmark(read_bhsd(tmp_path), predict(truth), resamples=2)
    assert {(one.cases, one.patients) for one in found.measures if one.level == "study"} == {(5, 4)}


@pytest.mark.parametrize("name", ["bhsd", "ct-ich"])
def test_masks_that_are_the_truth_have_a_dice_of_1(name, tmp_path, cohort, predict):
    out = predict(WRITERS[name](tmp_path, cohort), masks=True)
    found = run_benchmark(READERS[name](tmp_path), out, 2)
    by_place = {(one.head, one.metric): one for one in found.measures if one.level == "mask"}
    dice = by_place["ich", "dice"]
    assert (dice.estimate.value, dice.cases, dice.positives, dice.patients) == (1, 5, 3, 5)
    assert by_place["ich", "volume_error_ml"].estimate.value == 0
    assert {head for head, _ in by_place} > {"subdural", "intraventricular"} if name == "bhsd" else {"ich"}
    assert "| mask of |" in found.page
    assert any(row["level"] == "mask" and row["metric"] == "dice" for row in rows(out / "benchmark.csv"))


def test_masks_of_another_grid_are_refused_and_those_that_miss_blood_are_worse(tmp_path, cohort, predict):
    out = predict(write_bhsd(tmp_path, cohort), masks=True)
    public = read_bhsd(tmp_path)
    path = out / "masks" / f"{cohort[1].patient}.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata() * 0, image.affine), path)
    dice = next(one for one in run_benchmark(public, out, 2).measures if (one.head, one.metric) == ("ich", "dice"))
    assert dice.estimate.value == pytest.approx(2 / 3)
    nib.save(nib.Nifti1Image(image.get_fdata()[:, 1:] * 0, image.affine), path)
    with pytest.raises(InputError, match="does not lie on the grid"):
        run_benchmark(public, out, 2)


def test_weights_without_masks_say_so(tmp_path, cohort, predict):
    truth = write_bhsd(tmp_path, cohort)
    found = run_benchmark(read_bhsd(tmp_path), predict(truth), resamples=2)
    assert "The weights make no masks." in found.notes
