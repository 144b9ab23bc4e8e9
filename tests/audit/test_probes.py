"""Probes and neighbours against what can be worked out by hand or by scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from ichmonai.audit.features import file_features, image_features
from ichmonai.audit.neighbours import identical_groups, linked_patients, near_duplicates, nearest
from ichmonai.audit.probes import feature_table, leakage_probe, shortcut_probe


def test_nearest_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (700, 32, 32), dtype=np.uint8)
    group = rng.integers(0, 40, 700)
    of_all, of_others = nearest(small, group)
    flat = small.reshape(700, -1).astype(float)
    truth = np.arange(700)
    for row in (0, 1, 350, 699):
        others = truth != row
        found = KNeighborsClassifier(1, metric="correlation", algorithm="brute").fit(flat[others], truth[others])
        assert found.predict(flat[row : row + 1])[0] == of_all[row]
        others = group != group[row]
        found = KNeighborsClassifier(1, metric="correlation", algorithm="brute").fit(flat[others], truth[others])
        assert found.predict(flat[row : row + 1])[0] == of_others[row]


def test_leakage_probe_of_patients_whose_slices_are_alike() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (30, 32, 32))
    group = np.repeat(np.arange(30), 4)
    small = (pictures[group] + rng.integers(0, 9, (120, 32, 32))).clip(0, 255).astype(np.uint8)
    truth = rng.permutation(np.arange(30) % 3)[group]
    probe = leakage_probe("location", truth, small, group)
    assert probe.image_split.value == 1
    assert probe.patient_split.value < 0.6
    assert probe.patient_split.low < probe.patient_split.value < probe.patient_split.high
    assert probe.majority == pytest.approx(1 / 3)


def test_linked_patients_in_a_chain() -> None:
    groups = identical_groups(["x", "x", "y", "y", "z", ""])
    assert groups == [[0, 1], [2, 3]]
    linked = linked_patients(["a", "b", "b", "c", "d", "e"], groups)
    assert len(set(linked[:4])) == 1
    assert len(set(linked)) == 3
    assert len(set(linked_patients(["a", "b", "a"], []))) == 2


def test_blank_pictures_are_no_near_duplicates() -> None:
    blank = np.zeros((3, 32, 32), np.uint8), np.zeros((3, 128, 128), np.uint8)
    assert near_duplicates(*blank, ["", "", ""], ["a", "b", "c"]) == []


def test_single_feature_auc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    positive = np.repeat(rng.random(60) < 0.5, 3)
    noise = rng.normal(size=180) - 0.8 * positive
    features = [{"noise": value, "kernel": "J40s" if i % 2 else "H31s"} for i, value in enumerate(noise)]
    probe = shortcut_probe("ich", positive, features, np.repeat(np.arange(60), 3))
    assert probe is not None
    assert probe.leading_name == probe.features[0].name == "noise"
    assert probe.leading.value == pytest.approx(roc_auc_score(positive, -noise))
    assert not probe.features[0].higher
    assert probe.auc.low < probe.auc.value < probe.auc.high


def test_a_word_of_the_header_is_a_shortcut() -> None:
    positive = np.repeat(np.arange(40) % 2 == 1, 2)
    features = [{"ConvolutionKernel": "B" if ich else ("A", "C")[i % 2]} for i, ich in enumerate(positive)]
    probe = shortcut_probe("ich", positive, features, np.repeat(np.arange(40), 2))
    assert probe is not None
    assert probe.leading.value == 1
    assert probe.auc.value == 1
    assert probe.values.size == 0


def test_identifiers_of_the_header_are_not_learnt() -> None:
    """A word of its own for every patient tells nothing about another one."""
    group = np.repeat(np.arange(40), 2)
    positive = group % 2 == 1
    features = [{"ConvolutionKernel": f"{number}"} for number in group]
    probe = shortcut_probe("ich", positive, features, group)
    assert probe is not None
    assert probe.features[0].auc < 0.7


def test_images_that_differ_in_nothing_have_no_shortcut() -> None:
    assert shortcut_probe("ich", np.arange(40) % 2 == 1, [{"rows": 512}] * 40, np.arange(40)) is None


def test_table_of_missing_values_and_words() -> None:
    rows = [{"KVP": 120.0, "Manufacturer": "GE", "rows": 512}, {"KVP": 140.0, "rows": 512}, {"rows": 512}]
    names, table, words = feature_table(rows)
    assert names == ["KVP", "Manufacturer"]
    assert words == [False, True]
    np.testing.assert_array_equal(table, [[120, 0], [140, np.nan], [np.nan, np.nan]])


def test_too_many_words_are_names() -> None:
    assert feature_table([{"Manufacturer": str(i)} for i in range(500)])[0] == []


def test_header_features(tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.PatientName = "Nobody^Real"
    dataset.Manufacturer, dataset.KVP, dataset.PixelSpacing, dataset.Columns = "GE", "120", ["0.5", "0.5"], 512
    dataset.ConvolutionKernel = ["J40s", "2"]
    dataset.SliceThickness = ""
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = tmp_path / "slice.dcm"
    dataset.save_as(path, enforce_file_format=True)
    found = file_features(str(path))
    assert found == {
        "KVP": 120.0, "PixelSpacing": 0.5, "field of view": 256.0, "Manufacturer": "GE",
        "ConvolutionKernel": "['J40s', '2']",
    }  # fmt: skip


def test_features_do_not_depend_on_the_window() -> None:
    """The head is measured alike in HU and in an image clipped to 0 to 80."""
    hu = np.full((256, 256), -1000.0, np.float32)
    y, x = np.mgrid[:256, :256] - 128
    radius = np.hypot(y / 100, x / 80)
    hu[radius < 1] = 1200
    hu[radius < 0.9] = 35 + np.random.default_rng(0).normal(scale=3, size=(radius < 0.9).sum())
    clipped = image_features(hu.clip(0, 80))
    full = image_features(hu)
    for name in ("head width", "head height", "head area", "bone in the rim", "noise", "mean HU of the rim"):
        assert full[name] == pytest.approx(clipped[name], rel=0.02), name
    assert full["head width"] == pytest.approx(159 / 256, abs=0.02)


def test_no_head() -> None:
    assert set(image_features(np.zeros((64, 32), np.float32))) == {"rows", "columns", "lowest HU", "highest HU"}
