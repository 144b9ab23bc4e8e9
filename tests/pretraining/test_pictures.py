"""Pictures in class folders, and the photographs of scikit-image."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from ignite.engine import Engine
from PIL import Image

from ichmonai.errors import InputError
from ichmonai.pretraining import LoadPictured, PictureWriter, UnpairedDataset, load_class_folders, write_photographs
from ichmonai.pretraining.skimage_photographs import PHOTOGRAPHS


def picture(path: Path, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def test_class_folders_are_listed(tmp_path: Path) -> None:
    for name in ("train/cat/b.png", "train/cat/a.JPEG", "train/dog/c.png", "val/cat/d.png", "val/dog/e.png"):
        picture(tmp_path / name)
    splits = load_class_folders(tmp_path)
    assert [item["name"] for item in splits["training"]] == ["train/cat/a", "train/cat/b", "train/dog/c"]
    assert [item["label"].tolist() for item in splits["training"]] == [[0], [0], [1]]
    assert [item["image"] for item in splits["validation"]] == [
        str(tmp_path / f"val/{n}.png") for n in ("cat/d", "dog/e")
    ]


def test_folders_without_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no folder of pictures by class.*run `photographs`"):
        load_class_folders(tmp_path)
    picture(tmp_path / "train/cat/a.png")
    (tmp_path / "val/dog").mkdir(parents=True)
    with pytest.raises(InputError, match="dog"):
        load_class_folders(tmp_path)
    picture(tmp_path / "val/dog/a.png")
    with pytest.raises(InputError, match="class cat in only one"):
        load_class_folders(tmp_path)


def test_pictures_are_read_and_written(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    image = LoadPictured("image")({"image": str(path)})["image"]
    assert (image.shape, image.dtype) == ((3, 2, 3), torch.float32)
    assert image[:, 0, 1].mul(255).tolist() == pytest.approx([30, 40, 50])
    engine = Engine(lambda *_: {"pred": image[None]})
    PictureWriter(tmp_path / "out").attach(engine)
    engine.run([{"name": ["train/cat/a"]}])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/train/cat/a.png")), np.asarray(Image.open(path)))
    grey = LoadPictured("image")({"image": str(picture(tmp_path / "grey.png", "L"))})["image"]
    assert grey.shape == (3, 2, 3)
    assert torch.equal(grey[0], grey[2])
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"a\.png is no readable picture"):
        LoadPictured("image")({"image": str(path)})


def test_photographs_are_cut_without_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = np.zeros((40, 80, 3), np.uint8)
    marked[:, 60:] = 255
    monkeypatch.setattr(skimage.data, "coffee", lambda: marked)
    write_photographs(tmp_path / "one", size=16, training=3, validation=2)
    splits = load_class_folders(tmp_path / "one")
    assert {split: len(items) for split, items in splits.items()} == {"training": 30, "validation": 20}
    assert len({item["name"].split("/")[1] for item in splits["training"]}) == len(PHOTOGRAPHS)
    values = {
        split: {np.asarray(Image.open(item["image"])).mean() for item in items if "/coffee/" in item["name"]}
        for split, items in splits.items()
    }
    assert values == {"training": {0}, "validation": {255}}
    write_photographs(tmp_path / "two", size=16, training=3, validation=2)
    for item in splits["training"]:
        assert (tmp_path / "two" / f"{item['name']}.png").read_bytes() == Path(item["image"]).read_bytes()
    with pytest.raises(InputError, match="is not empty"):
        write_photographs(tmp_path / "one")


def test_every_photograph_meets_slices_at_random() -> None:
    photographs = [{"image": torch.full((1, 2, 2), float(k))} for k in range(3)]
    scans = [{"image": torch.full((1, 2, 2), 10.0 + k)} for k in range(4)]
    dataset = UnpairedDataset(photographs, scans)  # type: ignore[arg-type]  # lists serve as datasets
    torch.manual_seed(0)
    drawn = [tuple(dataset[k % 3][:, 0, 0].tolist()) for k in range(90)]
    assert len(dataset) == 3
    assert [first for first, _ in drawn] == [0, 1, 2] * 30
    assert {second for _, second in drawn[::3]} == {10, 11, 12, 13}
