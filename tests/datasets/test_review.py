"""What readers decide holds in the training list, whatever the rule says; what they left open is the rule's."""

import logging

import numpy as np
import pytest
from PIL import Image

from ichmonai.classes import KINDS
from ichmonai.datasets import DatasetError, drop_unreadable, filter_slices, load_datalist
from ichmonai.datasets.item import class_name
from ichmonai.datasets.review import COLUMNS, Decision, add_decisions, read_review
from tests.datasets.test_brain import draw


@pytest.fixture
def items(tmp_path):
    """Brain, neck, brain, neck, all said to be a deep bleeding, and a normal brain; no two alike."""
    rows = [draw(tmp_path / f"{k}.png", brain=k % 2 == 0, bleeds=k < 4) for k in range(5)]
    for k, item in enumerate(rows):
        pixels = np.array(Image.open(item["image"]))
        pixels[0, : k + 1] = 1 + k
        Image.fromarray(pixels).save(item["image"])
    return drop_unreadable(rows)


def decided(item, decision, reader="A"):
    return Decision(item["image"].rpartition("/")[2], item["sha256"], class_name(item), decision, reader)


def test_without_a_review_the_rule_decides(items):
    assert [item["patient"] for item in filter_slices(items, None, 0.15)] == ["0", "2", "4"]
    assert filter_slices(items, None) == items


def test_a_reader_rejects_keeps_and_relabels(items, tmp_path, caplog):
    file = tmp_path / "review.csv"
    add_decisions(file, [decided(items[0], "reject"), decided(items[1], "keep"), decided(items[2], "lobar")])
    add_decisions(file, [decided(items[4], "ich", "B")])
    with caplog.at_level(logging.INFO):
        kept = filter_slices(items, file, 0.15)
    # 1 shows no brain and was kept; 3, too, and nobody said anything of it.
    assert [(item["patient"], class_name(item)) for item in kept] == [("1", "deep"), ("2", "lobar"), ("4", "ich")]
    assert "left out 1 of 5 slices, kept 1 and relabelled 2; 0 decisions are on slices that are not here" in caplog.text
    assert [class_name(item) for item in items] == ["deep"] * 4 + ["normal"]  # the dataset's own are as they were


def test_the_last_decision_holds_and_can_be_taken_back(items, tmp_path):
    file = tmp_path / "review.csv"
    add_decisions(file, [decided(items[0], "reject"), decided(items[2], "reject")])
    add_decisions(file, [decided(items[0], "keep", "B"), decided(items[2], "open", "B")])
    assert [one.reader for one in read_review(file).values()] == ["B"]
    assert [item["patient"] for item in filter_slices(items, file, 0.15)] == ["0", "2", "4"]


def test_decisions_belong_to_pixels_and_not_to_names(items, tmp_path):
    file = tmp_path / "review.csv"
    add_decisions(file, [decided(items[0], "reject")])
    other = [{**items[1], "image": items[0]["image"]}, {**items[0], "image": "elsewhere/x.png", "patient": "x"}]
    assert [item["patient"] for item in filter_slices(other, file)] == ["1"]


def test_a_slice_of_one_value_is_known_by_its_name(tmp_path):
    (tmp_path / "a").mkdir()
    rows = [draw(tmp_path / "a" / f"{k}.png", brain=True) for k in range(2)]
    for item in rows:
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(item["image"])
    rows = drop_unreadable(rows)
    file = tmp_path / "review.csv"
    add_decisions(file, [Decision("a/0.png", "", "deep", "reject", "A")])
    assert [item["patient"] for item in filter_slices(rows, file)] == ["1"]


def test_kinds_and_mask_follow_the_label(items, tmp_path):
    kinds = np.array([0, 1, 1, np.nan, np.nan], np.float32)
    mixed = [{**item, "kinds": kinds, "mask": "m.png", "source": ""} for item in items[:3]]
    file = tmp_path / "review.csv"
    add_decisions(file, [decided(mixed[0], "normal"), decided(mixed[1], "ich"), decided(mixed[2], "lobar")])
    normal, ich, lobar = filter_slices(mixed, file)
    assert (normal["kinds"].tolist(), normal["mask"]) == ([0] * len(KINDS), "")
    np.testing.assert_array_equal(ich["kinds"], kinds)
    np.testing.assert_array_equal(lobar["kinds"], kinds)
    assert (ich["mask"], ich["label"].tolist(), lobar["label"].tolist()) == ("m.png", [1, -1], [1, 1])
    bleeds = {**mixed[0], "label": np.array([0, -1]), "kinds": np.zeros(5, np.float32)}
    add_decisions(file, [decided(bleeds, "deep")])
    (deep,) = filter_slices([bleeds], file)
    np.testing.assert_array_equal(deep["kinds"], np.array([np.nan, 1, np.nan, np.nan, np.nan], np.float32))


def test_the_file_is_private_and_has_no_formula(items, tmp_path):
    file = tmp_path / "new" / "review.csv"
    add_decisions(file, [Decision("=1.png", "ab", "deep", "keep", "@A, é")])
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().startswith(",".join(COLUMNS).encode() + b"\r\n'=1.png,ab,deep,keep,")
    (one,) = read_review(file).values()
    assert (one.image, one.reader) == ("=1.png", "@A, é")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image,decision\n", "lacks the columns sha256, label, reader, time"),
        (",".join(COLUMNS) + "\na.png,,deep,kept,A,t\n", "row 2 has decision 'kept' on image 'a.png'"),
        (",".join(COLUMNS) + "\n,ab,deep,keep,A,t\n", "row 2 has decision 'keep' on image ''"),
        ("\x00\xff", "is no readable review"),
    ],
)
def test_what_is_no_review_is_refused(items, tmp_path, text, sentence):
    file = tmp_path / "review.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=sentence):
        filter_slices(items, file)
    with pytest.raises(DatasetError, match="is no readable review"):
        filter_slices(items, tmp_path / "gone.csv")


def test_nothing_left_is_one_sentence(items, tmp_path):
    file = tmp_path / "review.csv"
    add_decisions(file, [decided(item, "reject") for item in items])
    with pytest.raises(DatasetError, match="leaves none of 5 slices"):
        filter_slices(items, file)


def test_a_full_disk_leaves_whole_rows(items, tmp_path, monkeypatch):
    file = tmp_path / "review.csv"
    add_decisions(file, [decided(items[0], "keep")])
    before = file.read_bytes()
    monkeypatch.setattr("ichmonai.datasets.review.os.fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        add_decisions(file, [decided(items[1], "keep")])
    assert file.read_bytes() == before


def test_the_configs_of_training_take_a_review(items, tmp_path, monkeypatch):
    from monai.bundle import ConfigParser

    from ichmonai.paths import bundle_root

    monkeypatch.chdir(bundle_root())
    rows = "".join(f"{i}.png,{item['patient']},{int(item['label'][0])}\n" for i, item in enumerate(items))
    (tmp_path / "slices.csv").write_text("image,patient,ich\n" + rows)
    file = tmp_path / "review.csv"
    add_decisions(file, [decided(items[0], "reject"), decided(items[1], "keep"), decided(items[2], "normal")])
    for name, patients in (("train", ["1", "2", "4"]), ("dtvit", ["1", "2", "3", "4"])):
        parser = ConfigParser()
        parser.read_config([str(bundle_root() / "configs" / f"{name}.json")])
        parser.update({"dataset_dir": str(tmp_path), "review": str(file)})
        readable = parser.get_parsed_content("readable")
        assert [item["patient"] for item in readable] == patients
        assert {item["patient"]: class_name(item) for item in readable}["2"] == "normal"
    assert len(load_datalist(tmp_path)) == 5
