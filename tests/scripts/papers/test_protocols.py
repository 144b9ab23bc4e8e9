"""The published way to split lets patients and images stand on both sides, and only it may."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ichmonai.datasets import DatasetError
from ichmonai.datasets.item import Item
from ichmonai.errors import InputError
from scripts.papers.reproduction import protocols


def slices(tmp_path: Path) -> list[Item]:
    """Twelve patients of each class with four slices each, the fourth kind rarer."""
    items = []
    for k, label in enumerate([[0, -1], [1, 0], [1, 1], [1, 2]]):
        for patient in range(12 if k < 3 else 4):
            for number in range(4):
                path = tmp_path / f"{k}-{patient}-{number}.png"
                path.touch()
                name = f"p{k}-{patient}"
                label_of = np.array(label, dtype=np.int64)
                items.append({"image": str(path), "patient": name, "label": label_of, "sha256": path.name})
    return items


def test_images_are_split_whoever_they_are_of(tmp_path: Path) -> None:
    items = slices(tmp_path)
    protocols.write_split(tmp_path / "split.json", items, "published", False, seed=0)
    splits = protocols.read_split(tmp_path / "split.json")
    assert [len(part) for part in splits.values()] == [128, 16, 16]
    assert sorted(item["image"] for part in splits.values() for item in part) == sorted(i["image"] for i in items)
    trained = {item["patient"] for item in splits["training"]}
    assert all(item["patient"] in trained for item in splits["test"])
    assert "100% are of a patient in the training part, and 0% are in it" in protocols.describe(splits)
    assert splits["test"][0]["label"].dtype == np.int64


def test_replication_before_the_split_puts_test_images_into_the_training_part(tmp_path: Path) -> None:
    items = slices(tmp_path)
    protocols.write_split(tmp_path / "split.json", items, "published", True, seed=0)
    splits = protocols.read_split(tmp_path / "split.json")
    copies = [item for part in splits.values() for item in part]
    times = Counter(item["sha256"] for item in copies)
    assert {name[0]: count for name, count in times.items()} == {"0": 3, "1": 1, "2": 3, "3": 12}
    assert len({item["image"] for item in copies}) == len(copies) == sum(times.values())
    assert all(Path(item["image"]).resolve().name == item["sha256"] for item in copies)
    trained = {item["sha256"] for item in splits["training"]}
    assert np.mean([item["sha256"] in trained for item in splits["test"]]) > 0.8


def test_patients_are_kept_apart_and_a_file_that_divides_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    protocols.write_split(path, slices(tmp_path), "patient", False, seed=0)
    splits = protocols.read_split(path)
    assert "0% are of a patient in the training part" in protocols.describe(splits)
    content = json.loads(path.read_text())
    content["test"].append(content["training"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="stand in two splits"):
        protocols.read_split(path)


def test_subset_keeps_rare_classes_and_spreads_the_slices(tmp_path: Path) -> None:
    items = slices(tmp_path)
    kept = protocols.subset(items, max_patients=12, max_slices=2, seed=0)
    patients = Counter(item["patient"] for item in kept)
    assert Counter(name[1] for name in patients) == {"0": 3, "1": 3, "2": 3, "3": 3}
    assert set(patients.values()) == {2}
    assert {Path(item["image"]).stem[-1] for item in kept} == {"1", "3"}
    assert protocols.subset(items, None, None, seed=0) == items


def test_too_few_slices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="split of 3 slices is empty; take more"):
        protocols.write_split(tmp_path / "split.json", slices(tmp_path)[:3], "published", False, seed=0)
