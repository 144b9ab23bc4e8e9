"""The audit finds what was planted, and nothing where nothing was."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from ichmonai.audit import Audit, Judgement, Verdict, audit, judge, worst, write_audit
from ichmonai.audit.neighbours import SAME_DETAIL
from ichmonai.classes import RSNA_LABELS
from ichmonai.datasets import DatasetError, load_datalist, make_splits
from ichmonai.datasets.phantom import make_cohort, write_rsna
from tests.audit.heads import Row, cohort, write_csv


def findings(result: Audit) -> dict[str, Judgement]:
    return {finding.name: finding for finding in judge(result)}


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """Thirty patients with nothing wrong."""
    folder = tmp_path_factory.mktemp("heads")
    return folder, cohort(folder)


@pytest.fixture
def clean(heads: tuple[Path, list[Row]], tmp_path: Path) -> tuple[Path, list[Row]]:
    """A copy of them to spoil."""
    folder = tmp_path / "data"
    shutil.copytree(heads[0], folder)
    rows = [dict(row) for row in heads[1]]
    write_csv(folder, rows)
    return folder, rows


def test_a_clean_set_with_a_split_by_patient(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_csv(folder, cohort(folder, patients=60))
    make_splits(load_datalist(folder), tmp_path / "split.json", (0.6, 0.2, 0.2))
    result = audit(folder, tmp_path / "split.json", workers=1)
    found = findings(result)
    # The slices of a drawn patient are alike, as real ones are: an image-level split would leak in any dataset.
    expected_warnings = {"Image-level split, ich", "Image-level split, location"}
    assert {name for name, one in found.items() if one.verdict is not Verdict.OK} == expected_warnings
    assert worst(judge(result)) is Verdict.WARNING
    assert result.counts.images_per_patient == (2, 2.0, 2)
    assert {name: n.patients for name, n in result.counts.classes.items()} == {
        "normal": 30, "deep": 10, "lobar": 10, "subtentorial": 10,
    }  # fmt: skip
    assert sum(n.patients for n in result.splits.values()) == 60
    probe = result.shortcuts["ich"]
    assert probe is not None
    assert probe.auc.low < 0.5 < probe.auc.high


def test_what_cannot_be_checked_is_not_called_ok(tmp_path: Path) -> None:
    write_csv(tmp_path, cohort(tmp_path, patients=8))
    found = findings(audit(tmp_path))
    assert found["Patients in two splits"].verdict is Verdict.NOT_CHECKED
    assert found["Shortcut to ich"].verdict is Verdict.NOT_CHECKED
    assert found["Image-level split, location"].verdict is Verdict.NOT_CHECKED
    assert found["Classes"].verdict is Verdict.WARNING


@pytest.mark.parametrize("feature", ["noise", "width"])
def test_a_shortcut(tmp_path: Path, feature: str) -> None:
    value = {"noise": 4.5, "width": 6.0}[feature]
    write_csv(tmp_path, cohort(tmp_path, **{feature: value}))
    result = audit(tmp_path, workers=1)
    probe = result.shortcuts["ich"]
    assert probe is not None
    assert probe.auc.value > 0.9
    assert feature in probe.leading_name or probe.leading_name == "head area"
    assert feature in probe.features[0].name or probe.features[0].name == "head area"
    assert findings(result)["Shortcut to ich"].verdict is Verdict.SERIOUS


def test_a_bleeding_is_no_shortcut_itself(tmp_path: Path) -> None:
    """Features must not see the haemorrhage: the same heads with and without it give the same."""
    from ichmonai.audit.features import image_features
    from tests.audit.heads import head

    for number in range(5):
        with_ich, without = (
            image_features(head(number, 0, ich).astype(np.float32) * np.float32(80 / 255)) for ich in (True, False)
        )
        for name, value in without.items():
            assert with_ich[name] == pytest.approx(value, rel=0.05), name


def test_an_image_of_two_patients_with_two_labels(clean: tuple[Path, list[Row]], tmp_path: Path) -> None:
    folder, rows = clean
    shutil.copy(folder / "p003_0.png", folder / "p000_0.png")
    write_csv(folder, rows)
    result = audit(folder, workers=1)
    found = findings(result)
    assert [[result.items[row]["patient"] for row in rows] for rows in result.identical] == [["p000", "p003"]]
    assert result.contradictions == result.identical
    assert found["Contradicting labels"].verdict is Verdict.SERIOUS
    assert "1 image has two labels" in found["Contradicting labels"].sentence
    assert found["Identical images"].verdict is Verdict.WARNING
    assert "2 patients in all" in found["Identical images"].sentence
    probe = result.leakage_probes["ich"]
    assert probe is not None
    assert probe.patients == 29  # who share an image are one


def test_an_identical_image_of_one_label_contradicts_nothing(clean: tuple[Path, list[Row]]) -> None:
    folder, _ = clean
    shutil.copy(folder / "p002_0.png", folder / "p000_0.png")
    result = audit(folder, workers=1)
    assert len(result.identical) == 1
    assert result.contradictions == []


@pytest.mark.parametrize("change", ["jpeg", "brightness", "noise", "size"])
def test_near_duplicates(clean: tuple[Path, list[Row]], change: str) -> None:
    folder, rows = clean
    for source, target in (("p005_0", "p010_1"), ("p007_1", "p019_0")):
        image = Image.open(folder / f"{source}.png")
        path = folder / f"{target}.png"
        if change == "jpeg":
            path = path.with_suffix(".jpg")
            image.save(path, quality=50)
            next(row for row in rows if row["image"] == f"{target}.png")["image"] = path.name
        elif change == "brightness":
            ImageEnhance.Brightness(image).enhance(1.1).save(path)
        elif change == "noise":
            pixels = np.asarray(image, float) + np.random.default_rng(0).normal(scale=4, size=image.size)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        else:
            image.resize((192, 192), Image.Resampling.BICUBIC).save(path)
    write_csv(folder, rows)
    result = audit(folder, workers=1)
    pairs = {tuple(Path(result.items[row]["image"]).stem for row in pair[:2]) for pair in result.near}
    assert pairs >= {("p005_0", "p010_1"), ("p007_1", "p019_0")}
    # The other slice of a patient is nearly the same as the one that was copied; nothing else is.
    assert {(first[:4], second[:4]) for first, second in pairs} == {("p005", "p010"), ("p007", "p019")}
    assert all(pair.correlation >= SAME_DETAIL for pair in result.near)
    finding = findings(result)["Near duplicates"]
    assert finding.verdict is Verdict.WARNING
    assert finding.sentence.startswith(f"{len(pairs)} pairs of images, of 2 pairs of patients")
    differing = sum(first.startswith("p005") for first, _ in pairs)
    assert f"{differing} differ in label" in finding.sentence


def test_duplicates_across_splits_are_serious(clean: tuple[Path, list[Row]], tmp_path: Path) -> None:
    folder, rows = clean
    items = [
        {"image": row["image"], "patient": row["patient"],
         "label": [row["ich"], ["deep", "lobar", "subtentorial"].index(row["location"]) if row["ich"] else -1]}
        for row in rows
    ]  # fmt: skip
    shutil.copy(folder / "p000_0.png", folder / "p028_0.png")
    ImageEnhance.Brightness(Image.open(folder / "p001_0.png")).enhance(1.1).save(folder / "p029_0.png")
    lists = {"training": items[:40], "validation": items[40:50], "test": items[50:]}
    (folder / "list.json").write_text(json.dumps(lists))
    found = findings(audit(folder / "list.json", workers=1))
    assert found["Identical images"].verdict is Verdict.SERIOUS
    assert found["Near duplicates"].verdict is Verdict.SERIOUS
    assert found["Patients in two splits"].verdict is Verdict.SERIOUS
    assert "1 images with the same pixels" in found["Patients in two splits"].sentence
    assert "1 of 10 test images" in found["Patients in two splits"].sentence


def test_patients_divided_by_the_datalist(clean: tuple[Path, list[Row]]) -> None:
    folder, rows = clean
    items = [{"image": r["image"], "patient": r["patient"], "label": [r["ich"], 0 if r["ich"] else -1]} for r in rows]
    lists = {"training": [*items[:-3], items[-2]], "validation": items[-3:-2], "test": items[-1:]}
    (folder / "list.json").write_text(json.dumps(lists))
    result = audit(folder / "list.json", workers=1)
    assert result.leakage is not None
    assert result.leakage.shared == {"patient": 2, "image": 0, "sha256": 0}
    assert result.leakage.exposed == {"validation": 1, "test": 1}
    sentence = findings(result)["Patients in two splits"].sentence
    assert "In two splits stand 2 patients: 1 of 1 validation images" in sentence


def test_a_manifest_that_was_changed_by_hand(clean: tuple[Path, list[Row]], tmp_path: Path) -> None:
    folder, _ = clean
    manifest = tmp_path / "split.json"
    make_splits(load_datalist(folder), manifest, (0.6, 0.2, 0.2))
    record = json.loads(manifest.read_text())
    record["splits"]["test"]["patients"] += record["splits"]["training"]["patients"][:2]
    manifest.write_text(json.dumps(record))
    result = audit(folder, manifest, workers=1)
    assert result.leakage is not None
    assert result.leakage.shared["patient"] == 2
    assert result.leakage.exposed["test"] == 4
    assert findings(result)["Patients in two splits"].verdict is Verdict.SERIOUS


def test_a_manifest_of_other_data(clean: tuple[Path, list[Row]], tmp_path: Path) -> None:
    folder, rows = clean
    make_splits(load_datalist(folder), tmp_path / "split.json")
    patient = rows[0]["patient"]
    write_csv(folder, [row for row in rows if row["patient"] != patient])
    with pytest.raises(DatasetError, match=f"made of other data: patient {patient} is missing"):
        audit(folder, tmp_path / "split.json")


def test_unreadable_and_blank_images(clean: tuple[Path, list[Row]]) -> None:
    folder, _ = clean
    (folder / "p000_0.png").write_bytes(b"no image")
    (folder / "p001_0.png").unlink()
    for name in ("p002_0", "p004_0"):
        Image.new("L", (128, 128)).save(folder / f"{name}.png")
    result = audit(folder, workers=1)
    assert len(result.unreadable) == 2
    assert result.blank == 2
    assert result.identical == []  # empty slices do not make two patients one
    finding = findings(result)["Unreadable images"]
    assert finding.verdict is Verdict.WARNING
    assert "2 of 60 images cannot be read, 2 are of one value" in finding.sentence


def test_nothing_readable(tmp_path: Path) -> None:
    write_csv(tmp_path, [{"image": "absent.png", "patient": "p", "ich": 0, "location": ""}])
    with pytest.raises(DatasetError, match=r"None of the 1 images .*absent\.png"):
        audit(tmp_path)


def test_an_empty_class(tmp_path: Path) -> None:
    rows = [row for row in cohort(tmp_path, patients=12) if row["location"] != "lobar"]
    write_csv(tmp_path, rows)
    finding = findings(audit(tmp_path))["Classes"]
    assert finding.verdict is Verdict.SERIOUS
    assert finding.sentence == "The dataset has no image of lobar."


def test_a_larger_dataset_is_sampled_by_patient(clean: tuple[Path, list[Row]]) -> None:
    folder, _ = clean
    result = audit(folder, most_images=35, workers=1)
    patients = [item["patient"] for item in result.items]
    assert len(patients) == 34
    assert len(set(patients)) == 17
    assert result.left_out == 26
    assert result.counts.images == 60
    again = audit(folder, most_images=35, workers=1)
    assert [item["image"] for item in again.items] == [item["image"] for item in result.items]


def test_processes_change_nothing(clean: tuple[Path, list[Row]]) -> None:
    folder, _ = clean
    one, two = (audit(folder, workers=workers) for workers in (1, 2))
    assert judge(one) == judge(two)


def test_dicom_with_the_labels_of_rsna(tmp_path: Path) -> None:
    """Header fields are features, and labels of six do not hold the audit up."""
    write_rsna(tmp_path, make_cohort(2, size=64))
    result = audit(tmp_path, workers=1)
    assert result.unreadable == []
    assert set(result.counts.classes) == {"normal", *RSNA_LABELS[1:]}
    assert {"Manufacturer", "SliceThickness", "field of view", "head width"} <= set(result.facts[-1].features)
    assert set(result.shortcuts) == set(result.leakage_probes) == {"ich"}
    found = findings(result)
    assert found["Shortcut to ich"].verdict is Verdict.NOT_CHECKED
    write_audit(result, tmp_path / "out")
    assert "Fewer than 10 patients" in (tmp_path / "out" / "audit.html").read_text()
