"""Slices of several sources, of which not everything is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ichmonai.classes import UNKNOWN
from ichmonai.datasets import DatasetError, LoadTargetsd, load_datalist, split_by_patient
from ichmonai.datasets.balancing import source_weights
from ichmonai.datasets.item import load_image
from ichmonai.io import LoadHeadCTd

HEADER = "image,mask,patient,ich,location,epidural,subdural,window_level,window_width,source\n"


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slices.csv").write_text(text, encoding="utf-8")
    return folder


def picture(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def test_what_a_row_says_of_kinds(tmp_path: Path) -> None:
    rows = ["a.png,m.png,p1,1,,1,0,127.5,255,x", "b.png,,p2,0,,,,,,x", "c.png,,p3,1,deep,,,,,y", "d.png,,p3,1,,,,,,y"]
    items = load_datalist(write(tmp_path, HEADER + "\n".join(rows) + "\n"))
    unknown = np.nan
    kinds = [[1, unknown, unknown, unknown, 0], [0] * 5, [unknown, 1, *[unknown] * 3], [unknown] * 5]
    np.testing.assert_array_equal([item["kinds"] for item in items], kinds)
    assert [item["source"] for item in items] == ["x", "x", "y", "y"]
    assert [item["window"] for item in items] == [(127.5, 255.0), *[(40.0, 80.0)] * 3]
    assert [item["mask"] for item in items] == [str(tmp_path / "m.png"), "", "", ""]
    assert len({tuple(item) for item in items}) == 1, "or they could not be put into one batch"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,,p,0,,1,,,,x", "row 2 is normal .* but has epidural 1"),
        ("a.png,,p,1,,2,,,,x", "row 2 has epidural '2'"),
        ("a.png,,p,1,,,,40,,x", "row 2 has the window 40"),
        ("a.png,,p,1,,,,40,-80,x", "row 2 has the window 40 -80"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_datalist(write(tmp_path, HEADER + row + "\n"))


def test_a_split_may_stand_in_the_table(tmp_path: Path) -> None:
    text = "image,patient,ich,split\na.png,p,0,training\nb.png,q,1,test\n"
    assert [item["split"] for item in load_datalist(write(tmp_path / "one", text))] == ["training", "test"]
    with pytest.raises(DatasetError, match="row 3 has split 'tset'"):
        load_datalist(write(tmp_path / "two", text.replace("test", "tset")))


def test_datasets_become_one(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "image,patient,ich,location\na.png,p,1,lobar\n")
    two = write(tmp_path / "two", HEADER + "a.png,m.png,p,1,,1,0,127.5,255,\nb.png,,q,0,,,,,,\n")
    items = load_datalist([one, two])
    assert len({tuple(sorted(item)) for item in items}) == 1
    assert [item["patient"] for item in items] == ["one/p", "two/p", "two/q"]
    assert [item["source"].rstrip("/") for item in items] == ["one", "two", "two"]
    with pytest.raises(DatasetError, match="same name"):
        load_datalist([one, one])


def test_targets(tmp_path: Path) -> None:
    image = picture(tmp_path / "i.png", np.full((8, 9), 60))
    truth = np.zeros((8, 9))
    truth[2:4, 3:5], truth[0] = 5, UNKNOWN
    chain = [LoadHeadCTd("image"), LoadTargetsd("image")]
    found = []
    for label, mask in (([1, -1], str(picture(tmp_path / "m.png", truth))), ([1, -1], ""), ([0, -1], "")):
        item = {"image": str(image), "label": np.array(label), "mask": mask, "window": (127.5, 255.0)}
        for step in chain:
            item = step(item)
        assert float(item["image"].max()) == 60
        assert item["mask"].dtype == torch.uint8
        found.append(item)
    np.testing.assert_array_equal(found[0]["mask"][0].numpy(), truth)
    assert (found[1]["mask"] == UNKNOWN).all()
    assert np.isnan(found[1]["kinds"]).all()
    assert not found[2]["mask"].any()
    assert not found[2]["kinds"].any()


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    image = picture(tmp_path / "i.png", np.full((8, 9), 60))
    for values, message in ((np.zeros((8, 8)), "give one as large"), (np.full((8, 9), 6), "has the value 6")):
        item = {"image": str(image), "label": np.array([1, -1]), "mask": str(picture(tmp_path / "m.png", values))}
        with pytest.raises(DatasetError, match=message):
            LoadTargetsd("image")(LoadHeadCTd("image")(item))


def test_an_image_is_read_in_its_own_window(tmp_path: Path) -> None:
    image = str(picture(tmp_path / "i.png", np.full((8, 8), 51)))
    assert float(load_image({"image": image}).max()) == pytest.approx(16)
    assert float(load_image({"image": image, "window": (127.5, 255.0)}).max()) == pytest.approx(51)


def slices(source: str, labels: list[list[int]]) -> list[dict]:
    return [
        {"image": f"{source}{k}.png", "patient": f"{source}/{k}", "label": np.array(label), "source": source}
        for k, label in enumerate(labels)
    ]


BOTH = [[0, -1]] * 6 + [[1, 0]] * 3 + [[1, -1]] * 3


def test_every_split_has_every_source() -> None:
    items = slices("a", BOTH * 2) + slices("b", [[0, -1]] * 10)
    splits = split_by_patient(items, (0.8, 0.2, 0), seed=3)
    assert {item["source"] for item in splits["validation"]} == {"a", "b"}
    alone = split_by_patient([{**item, "source": ""} for item in slices("a", BOTH * 2)], (0.8, 0.2, 0), seed=3)
    for name in splits:
        mine = [item["patient"] for item in splits[name] if item["source"] == "a"]
        assert mine == [item["patient"] for item in alone[name]]


def test_sources_are_drawn_by_their_shares() -> None:
    items = slices("a", BOTH) + slices("b", [[0, -1]] * 40) + slices("c", [[1, -1]] * 2)
    weights = source_weights(items, {"a": 2, "b": 1, "c": 1})
    assert [weights[:12].sum(), weights[12:52].sum(), weights[52:].sum()] == pytest.approx([0.5, 0.25, 0.25])
    assert weights[:6].sum() == pytest.approx(0.25), "half of what a source has is normal"
    assert weights[6:9].sum() == pytest.approx(weights[9:12].sum())
    assert source_weights(items)[:12].sum() == pytest.approx(1 / 3)
    for shares in ({"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 1, "b": 1, "c": 0}):
        with pytest.raises(DatasetError, match="share above 0"):
            source_weights(items, shares)
