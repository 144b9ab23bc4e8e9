"""Masks against their truth: Dice, surfaces and volumes, on masks whose differences are known."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.errors import InputError
from ichmonai.evaluation import evaluate, write_evaluation
from ichmonai.evaluation.mask_metrics import judge_masks
from ichmonai.tables import write_csv

SPACING = (1.0, 2.0, 5.0)
VOXEL = np.prod(SPACING) / 1000


def box(x, y=(10, 30), z=(4, 9), value=1):
    mask = np.zeros((60, 40, 14), np.uint8)
    mask[slice(*x), slice(*y), slice(*z)] = value
    return mask


def saved(path, mask, affine=None):
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(mask, np.diag([*SPACING, 1]) if affine is None else affine), path)


@pytest.fixture
def folder(tmp_path):
    """Studies: equal, two voxels off in x, a false alarm of another kind, nothing at all, and one without a mask."""
    masks = {
        "a": (box((10, 30)), box((10, 30))),
        "b": (box((12, 32), value=5), box((10, 30), value=5)),
        "c": (box((5, 7), (5, 7), (2, 3), value=2), box((0, 0))),
        "d": (box((0, 0)), box((0, 0))),
        "e": (None, box((10, 30))),
    }
    rows, truth = [], []
    for number, (name, (predicted, true)) in enumerate(masks.items()):
        saved(tmp_path / "truth" / f"{name}.nii.gz", true)
        truth.append({"study": name, "patient": f"p{number}", "ich": int(true.any()), "mask": f"truth/{name}.nii.gz"})
        if predicted is not None:
            saved(tmp_path / "masks" / f"{number}.nii.gz", predicted)
            p = {"p_ich": 0.9 - 0.2 * number, "p_deep": 0.2, "p_lobar": 0.3, "p_subtentorial": 0.5}
            place = {"study": name, "path": f"/scans/{name}.nii.gz", "mask": f"masks/{number}.nii.gz"}
            rows.append({**place, **p})
    write_csv(tmp_path / "studies.csv", rows[0], rows)
    write_csv(tmp_path / "truth.csv", truth[0], truth)
    return tmp_path


def of(result, head, name):
    (row,) = [row for row in result.masks.rows if (row["head"], row["study"]) == (head, name)]
    return row


def test_dice_surfaces_and_volumes(folder):
    found = evaluate(folder / "studies.csv", folder / "truth.csv", resamples=200)
    assert found.intake.truth_without_prediction == 1
    assert list(found.masks.heads) == ["any", "epidural", "intraparenchymal", "subdural"]
    equal, moved, alarm, nothing = (of(found, "any", name) for name in "abcd")
    assert (equal["dice"], equal["surface_mm"], equal["hausdorff95_mm"]) == (1, 0, 0)
    assert moved["dice"] == pytest.approx(0.9)
    assert 0 < moved["surface_mm"] < moved["hausdorff95_mm"] == 2.0
    assert (alarm["dice"], alarm["true_ml"], alarm["predicted_ml"]) == (0, 0, pytest.approx(4 * VOXEL))
    assert np.isnan([alarm["surface_mm"], nothing["dice"]]).all()
    assert equal["true_ml"] == pytest.approx(20 * 20 * 5 * VOXEL)
    metrics = found.masks.heads["any"].metrics
    assert metrics["dice"].value == pytest.approx((1 + 0.9 + 0) / 3)
    assert metrics["dice"].low < metrics["dice"].value < metrics["dice"].high
    errors = np.array([0, 0, 4 * VOXEL, 0])
    assert metrics["volume_bias_ml"].value == pytest.approx(errors.mean())
    assert metrics["agreement_high_ml"].value == pytest.approx(errors.mean() + 1.96 * errors.std(ddof=1))
    assert metrics["relative_error"].value == 0
    assert (found.masks.heads["any"].n, found.masks.heads["any"].bleeding) == (4, 2)
    assert found.masks.heads["subdural"].metrics["dice"].value == pytest.approx(0.9)
    assert found.masks.heads["intraparenchymal"].metrics["dice"].value == 0


def test_the_files_of_an_evaluation_have_the_masks(folder, tmp_path):
    out = tmp_path / "out"
    command = ["evaluate", str(folder / "studies.csv"), "--truth", str(folder / "truth.csv"), "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--resamples", "50"])
    assert result.exit_code == 0, result.output
    assert "Masks, 95% intervals" in result.output
    record = json.loads((out / "metrics.json").read_text())
    assert record["masks"]["any"]["metrics"]["dice"]["value"] == pytest.approx(1.9 / 3)
    with (out / "masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 4
    assert "patient" not in rows[0]
    with (out / "metrics.csv").open(newline="") as file:
        assert any(row["section"] == "mask" and row["metric"] == "agreement_low_ml" for row in csv.DictReader(file))
    page = (out / "report.html").read_text()
    assert "Bland and Altman" in page
    assert page.index("Masks and volumes") < page.index("Worst errors")


def test_a_folder_of_masks_is_a_truth(folder):
    found = evaluate(folder / "studies.csv", folder / "truth", resamples=20)
    assert found.masks.heads["any"].metrics["dice"].value == pytest.approx(1.9 / 3)
    assert found.finest.heads["ich"].counts == {"without ich": 2, "ich": 2}
    assert found.intake.truth_without_prediction == 1


def test_binary_masks_know_no_kind(folder):
    for name in "abe":
        saved(folder / "truth" / f"{name}.nii.gz", box((10, 30), value=255))
    found = evaluate(folder / "studies.csv", folder / "truth", binary_masks=True, resamples=20)
    assert list(found.masks.heads) == ["any"]
    assert found.masks.heads["any"].metrics["dice"].value == pytest.approx(1.9 / 3)


def test_what_is_not_known_counts_for_neither(folder):
    true = box((10, 30), value=5)
    true[12:32][true[12:32] == 0] = 255  # all around, in the columns of the predicted mask
    saved(folder / "truth" / "b.nii.gz", true)
    found = evaluate(folder / "studies.csv", folder / "truth.csv", resamples=20)
    assert of(found, "subdural", "b")["dice"] == pytest.approx(2 * 18 / (18 + 20))


def test_another_orientation_of_the_file_is_the_same(folder):
    image = nib.load(folder / "truth" / "b.nii.gz")
    turned = image.as_reoriented(nib.orientations.axcodes2ornt("LPS"))
    nib.save(turned, folder / "truth" / "b.nii.gz")
    found = evaluate(folder / "studies.csv", folder / "truth.csv", resamples=20)
    assert of(found, "any", "b")["dice"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("mask", "affine", "said"),
    [
        (box((10, 30))[:-1], None, "does not lie on the grid"),
        (box((10, 30)), np.diag([1, 2, 4.0, 1]), "does not lie on the grid"),
        (box((10, 30), value=7), None, "is no mask of three dimensions with the values 0 to 5"),
    ],
)
def test_what_does_not_fit_is_said(folder, mask, affine, said):
    saved(folder / "truth" / "a.nii.gz", mask, affine)
    with pytest.raises(InputError, match=said):
        evaluate(folder / "studies.csv", folder / "truth.csv", resamples=5)


def test_damaged_or_missing_files_and_folders_are_said(folder, tmp_path):
    (folder / "truth" / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.nii\.gz cannot be read as a mask"):
        evaluate(folder / "studies.csv", folder / "truth.csv", resamples=5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no mask"):
        evaluate(folder / "studies.csv", tmp_path / "empty", resamples=5)


def test_tables_without_masks_are_judged_as_before(folder, tmp_path):
    text = (folder / "studies.csv").read_text().replace(",mask,", ",other,")
    (folder / "plain.csv").write_text(text)
    found = evaluate(folder / "plain.csv", folder / "truth.csv", resamples=5)
    assert found.masks is None
    write_evaluation(found, tmp_path / "out")
    assert not (tmp_path / "out" / "masks.csv").exists()
    assert "Masks and volumes" not in (tmp_path / "out" / "report.html").read_text()
    assert judge_masks([]) is None
