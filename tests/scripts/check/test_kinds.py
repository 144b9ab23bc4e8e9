"""Networks with kinds and a mask are judged on patients that they have not seen."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from ichmonai.classes import KINDS
from ichmonai.networks import KIND_HEADS, create_network
from scripts import mixed_list
from scripts.check import kinds


def head(rng, size=64):
    """A grey disc in a bright ring, as an 8-bit slice of a head."""
    row, column = np.mgrid[:size, :size] - size / 2
    radius = np.hypot(row, column)
    image = np.where(radius < 24, 100 + rng.normal(0, 5, (size, size)), 0)
    return np.where((radius >= 24) & (radius < 28), 255, image).clip(0, 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for source in ("mbh", "ischaemic", "phe"):
        for folder in ("images", "masks"):
            (tmp_path / source / folder).mkdir(parents=True)
    masked = []
    for number in range(6):
        image, mask = head(rng), np.zeros((64, 64), np.uint8)
        mask[28:36, 28:36] = 2
        Image.fromarray(np.where(mask > 0, 70, image // 3).astype(np.uint8)).save(tmp_path / f"mbh/images/{number}.png")
        Image.fromarray(mask).save(tmp_path / f"mbh/masks/{number}.png")
        row = {"image": f"images/{number}.png", "mask": f"masks/{number}.png", "ich": 1, **dict.fromkeys(KINDS, 0)}
        masked.append({**row, "patient": f"{'ab'[number % 2]}{number // 2}", "intraparenchymal": 1})
    write(tmp_path / "mbh", masked)
    for source in ("ischaemic", "phe"):
        rows = []
        for number in range(8):
            Image.fromarray(head(rng)).save(tmp_path / source / f"images/{number}.png")
            row = {"image": f"images/{number}.png", "patient": number // 4, "slice": number % 4}
            rows.append({**row, "ich": 0, "ich_proxy": 0})
        write(tmp_path / source, rows)
    return tmp_path


def write(folder, rows):
    with (folder / "slices.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_folds_test_every_patient_of_the_masks_once(data, tmp_path, monkeypatch):
    tested = []
    for fold in (1, 2, 3):
        out = tmp_path / f"fold{fold}.csv"
        monkeypatch.setattr("sys.argv", ["", "--data", str(data), "--out", str(out), "--fold", f"{fold}/3"])
        mixed_list.main()
        rows = list(csv.DictReader(out.open()))
        by_split = {split: {row["patient"] for row in rows if row["split"] == split} for split in ("test", "training")}
        assert not by_split["test"] & by_split["training"]
        assert {row["source"] for row in rows if row["split"] == "test"} == {"mbh"}
        tested += by_split["test"]
    assert sorted(tested) == ["mbh-0", "mbh-1", "mbh-2"]  # a0 and b0 may be one patient


def test_patients_who_share_an_image_are_not_divided(tmp_path):
    rows = []
    for number, shared in enumerate("abbca"):
        image = tmp_path / f"{number}.png"
        image.write_text(shared)
        rows.append({"image": str(image), "patient": f"healthy-{number}", "source": "healthy"})
    assert mixed_list.groups(rows) == dict(
        zip(
            (f"healthy-{n}" for n in range(5)),
            ("healthy-0", "healthy-1", "healthy-1", "healthy-3", "healthy-0"),
            strict=True,
        )
    )


def test_slices_are_judged_by_the_network_that_has_not_seen_them(data, tmp_path, monkeypatch, capsys):
    networks = []
    for number, patients in enumerate((["mbh-0", "mbh-1"], ["mbh-2"])):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        torch.manual_seed(number)
        network = create_network("light", image_size=192, heads=KIND_HEADS, mask_classes=6)
        torch.save(network.state_dict(), folder / "model.pt")
        (folder / "split.json").write_text(json.dumps({"splits": {"test": {"patients": patients}}}))
        networks.append(str(folder))
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["", "--data", str(data), "--networks", *networks, "--out", str(out)])
    kinds.main()
    rows = list(csv.DictReader((out / "slices.csv").open()))
    assert {row["patient"]: row["network"] for row in rows} == {"mbh-0": "run0", "mbh-1": "run0", "mbh-2": "run1"}
    table = {(row["kind"], row["measure"]): row for row in csv.DictReader((out / "kinds.csv").open())}
    there = sum(int(row["intraparenchymal_there"]) for row in rows)
    common = sum(int(row["intraparenchymal_common"]) for row in rows)
    found = sum(int(row["intraparenchymal_found"]) for row in rows)
    assert there > 0
    assert float(table["intraparenchymal", "pooled_dice"]["value"]) == pytest.approx(2 * common / (found + there))
    assert table["epidural", "mean_dice"]["slices"] == "0"
    assert (out / "masks.png").exists()
    assert "slices without a haemorrhage make the level" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["", "--data", str(data), "--networks", *networks, networks[0], "--out", str(out)])
    with pytest.raises(SystemExit, match="test the same slice"):
        kinds.main()
