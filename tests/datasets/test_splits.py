import itertools
import json

import numpy as np
import pytest

from ichmonai.datasets import DatasetError, check_no_leakage, make_splits, read_splits, split_by_patient
from ichmonai.datasets.item import class_name, count_classes

LABELS = {"n": [0, -1], "d": [1, 0], "l": [1, 1], "s": [1, 2]}


def item(patient, number, label, **more):
    return {"image": f"{patient}_{number}.png", "patient": patient, "label": np.array(label), **more}


@pytest.fixture
def items():
    """Patients n0.. d0.. l0.. s0.. of 20, 20, 10 and 4, with three slices each; haemorrhages have a normal one too."""
    cohort = [f"{kind}{n}" for kind, count in (("n", 20), ("d", 20), ("l", 10), ("s", 4)) for n in range(count)]
    return [item(p, k, LABELS["n"] if k == 0 else LABELS[p[0]]) for p in cohort for k in range(3)]


def patients(part):
    return {i["patient"] for i in part}


def test_no_patient_is_divided_and_none_is_lost(items):
    splits = split_by_patient(items)
    assert list(splits) == ["training", "validation", "test"]
    parts = [patients(part) for part in splits.values()]
    assert sum(map(len, parts)) == 54
    assert set.union(*parts) == patients(items)
    assert sum(map(len, splits.values())) == len(items)


def test_rare_classes_are_in_every_split(items):
    for seed in range(5):
        for part in split_by_patient(items, seed=seed).values():
            assert all(count_classes(part)[name] for name in ("normal", "deep", "lobar", "subtentorial"))


def test_shares_of_patients_by_class(items):
    splits = split_by_patient(items, (0.6, 0.2, 0.2))
    for kind, counts in {"n": (12, 4, 4), "d": (12, 4, 4), "l": (6, 2, 2), "s": (2, 1, 1)}.items():
        assert tuple(sum(p[0] == kind for p in patients(part)) for part in splits.values()) == counts


def test_depends_on_the_seed_and_not_on_the_order(items):
    first = {name: patients(part) for name, part in split_by_patient(items).items()}
    shuffled = np.random.default_rng(1).permutation(np.array(items, dtype=object)).tolist()
    assert {name: patients(part) for name, part in split_by_patient(shuffled).items()} == first
    assert {name: patients(part) for name, part in split_by_patient(items, seed=1).items()} != first


def test_few_patients_of_a_class_go_to_training():
    splits = split_by_patient([item(p, 0, LABELS[p[0]]) for p in ("n0", "d0", "d1", "l0", "s0")])
    assert patients(splits["training"]) == {"n0", "d0", "d1", "l0", "s0"}


def test_patients_who_share_an_image_stay_together(items):
    chain = ["n0", "d3", "l5", "n7", "d9", "n11"]
    for one, other in itertools.pairwise(chain):
        items += [item(p, "copy", LABELS["n"], sha256=f"{one}{other}") for p in (one, other)]
    for seed in range(10):
        splits = split_by_patient(items, seed=seed)
        assert len([name for name, part in splits.items() if patients(part) & set(chain)]) == 1


def test_empty_slices_do_not_tie_patients_together(items):
    splits = split_by_patient([{**i, "sha256": ""} for i in items])
    assert {n: patients(p) for n, p in splits.items()} == {n: patients(p) for n, p in split_by_patient(items).items()}


@pytest.mark.parametrize("fractions", [(0.8, 0.2), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (0, 0.5, 0.5)])
def test_fractions_that_do_not_fit(items, fractions):
    with pytest.raises(DatasetError, match="three shares that add up to 1"):
        split_by_patient(items, fractions)


def test_splits_of_the_source_are_kept_and_checked():
    own = [item("a", 0, [0, -1], split="training"), item("b", 0, [0, -1], split="test")]
    splits = split_by_patient(own)
    assert [len(part) for part in splits.values()] == [1, 0, 1]
    with pytest.raises(DatasetError, match=r"1 patient values stand in two splits, a in training and test"):
        split_by_patient([*own, item("a", 1, [0, -1], split="test")])


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ({"patient": "p", "image": "a"}, {"patient": "p", "image": "b"}, "patient"),
        ({"patient": "p", "image": "a"}, {"patient": "q", "image": "a"}, "image"),
        ({"patient": "p", "image": "a", "sha256": "x"}, {"patient": "q", "image": "b", "sha256": "x"}, "sha256"),
    ],
)
def test_leakage_is_refused(one, other, key):
    with pytest.raises(DatasetError, match=f"1 {key} values stand in two splits"):
        check_no_leakage({"training": [one], "test": [other]})
    check_no_leakage({"training": [one, other], "test": []})


def test_manifest_repeats_the_split(tmp_path, items):
    path = tmp_path / "run" / "split.json"
    made = make_splits(items, path, seed=3)
    record = json.loads(path.read_text())
    assert record["splits"]["test"]["slices"] == count_classes(made["test"])
    assert record["splits"]["test"]["patients"] == sorted(patients(made["test"]))
    for again in (make_splits(items, path, seed=3), read_splits(items, path)):
        assert {name: [i["image"] for i in part] for name, part in again.items()} == {
            name: [i["image"] for i in part] for name, part in made.items()
        }
    moved = [{**i, "image": f"/elsewhere/{i['image']}"} for i in items]
    assert patients(read_splits(moved, path)["test"]) == patients(made["test"])
    assert [p.name for p in path.parent.iterdir()] == ["split.json"]


def test_manifest_of_another_training_is_refused(tmp_path, items):
    path = tmp_path / "split.json"
    make_splits(items, path)
    with pytest.raises(DatasetError, match="was made with seed 0, not 1; use another output_dir"):
        make_splits(items, path, seed=1)
    with pytest.raises(DatasetError, match=r"was made with fractions \[0\.8, 0\.1, 0\.1\], not \[0\.6, 0\.2, 0\.2\]"):
        make_splits(items, path, fractions=(0.6, 0.2, 0.2))
    relabelled = [{**items[0], "label": np.array([1, 0])}, *items[1:]]
    for other in (items[1:], relabelled, [{**i, "patient": f"x{i['patient']}"} for i in items]):
        with pytest.raises(DatasetError, match="was made of other slices or labels"):
            make_splits(other, path)


def test_manifest_of_some_of_the_slices(tmp_path, items):
    path = tmp_path / "split.json"
    kept = [item for item in items if item["patient"] != items[0]["patient"]][1:]
    made = make_splits(kept, path)
    with pytest.raises(DatasetError, match="other slices"):
        read_splits(items, path)
    splits = read_splits(items, path, same_slices=False)
    for name, split in splits.items():
        patients = {item["patient"] for item in made[name]}
        assert [item for item in items if item["patient"] in patients] == split
    with pytest.raises(DatasetError, match="is missing; give"):
        read_splits([item for item in items if item["patient"] != kept[-1]["patient"]], path, same_slices=False)


def test_manifest_that_leaks_is_refused(tmp_path, items):
    path = tmp_path / "split.json"
    splits = make_splits(items, path)
    record = json.loads(path.read_text())
    record["splits"]["test"]["patients"].append(splits["training"][0]["patient"])
    path.write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="stand in two splits"):
        read_splits(items, path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"dataset_sha256": 1, "seed": 0, "fractions": [], "splits": {}}']
)
def test_damaged_manifest_is_refused(tmp_path, items, content):
    path = tmp_path / "split.json"
    with pytest.raises(DatasetError, match="does not exist; it is written by training"):
        read_splits(items, path)
    path.write_text(content)
    with pytest.raises(DatasetError, match="is not the record of a split"):
        read_splits(items, path)
    with pytest.raises(DatasetError, match="is not the record of a split"):
        make_splits(items, path)


def test_a_patient_belongs_to_its_rarest_class(items):
    mixed = [*items, item("s0", 9, LABELS["d"])]
    assert class_name(mixed[-1]) == "deep"
    for seed in range(5):
        assert sum(p[0] == "s" for p in patients(split_by_patient(mixed, seed=seed)["training"])) == 2
