import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.data import MetaTensor
from PIL import Image

from ichmonai.classes import KINDS, UNKNOWN
from ichmonai.datasets import load_datalist
from ichmonai.datasets.phantom import PhantomKind, PhantomStudy, make_study, write_nifti
from ichmonai.datasets.phantom.haemorrhage import COMPARTMENTS
from ichmonai.datasets.targets import LoadTargetsd
from ichmonai.errors import InputError
from ichmonai.io import load_head_ct
from ichmonai.monailabel.training_data import LabelledStudy, SliceLabel, read_label, write_training_data

BLEEDING = 1 + COMPARTMENTS.index("intraparenchymal")


@pytest.fixture(scope="module")
def phantom() -> PhantomStudy:
    return make_study(4, kind=PhantomKind.DEEP, size=96, patient="P", tilt=0)


@pytest.fixture(scope="module")
def image(phantom: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    write_nifti(folder, [phantom])
    return folder / "P.nii.gz"


@pytest.fixture(scope="module")
def volume(image: Path) -> MetaTensor:
    return load_head_ct(image)


def segmentation(phantom: PhantomStudy, image: Path, path: Path, value: int = 1, axes: str = "LPS") -> Path:
    """The phantom's bleeding as a reader would mark it, in whichever axes."""
    marks = np.swapaxes(phantom.blood == BLEEDING, 0, 1).astype(np.uint8) * value
    label = nib.Nifti1Image(marks, nib.load(image).affine)
    turn = nib.orientations.ornt_transform(nib.io_orientation(label.affine), nib.orientations.axcodes2ornt(tuple(axes)))
    nib.save(label.as_reoriented(turn), path)
    return path


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIR"])
def test_marked_slices_show_a_haemorrhage(axes, phantom, image, volume, tmp_path):
    label = segmentation(phantom, image, tmp_path / "label.nii.gz", 2, axes)
    labels = read_label(LabelledStudy("P", str(image), str(label)), volume)
    shown = (phantom.blood == BLEEDING).any(axis=(0, 1))
    assert 0 < shown.sum() < len(shown)
    assert labels == {i: SliceLabel(1, "lobar") if shows else SliceLabel(0) for i, shows in enumerate(shown)}


@pytest.mark.parametrize(
    ("names", "location"),
    [
        ([{"name": "Deep", "idx": 1}, {"name": "subtentorial", "idx": 2}], "subtentorial"),
        ([{"name": "haematoma", "idx": 2}], ""),
        ([], "lobar"),
    ],
)
def test_names_are_those_of_the_viewer(names, location, phantom, image, volume, tmp_path):
    label = segmentation(phantom, image, tmp_path / "label.nii.gz", 2)
    study = LabelledStudy("P", str(image), str(label), {"label_info": names, "ts": 1})
    assert {one for one in read_label(study, volume).values() if one.ich} == {SliceLabel(1, location)}


def test_most_of_the_marks_decide(phantom, image, volume, tmp_path):
    marks = np.zeros(nib.load(image).shape, np.uint8)
    marks[10:20, 10:20, 7] = 3
    marks[10:12, 10:12, 7] = 1
    nib.save(nib.Nifti1Image(marks, nib.load(image).affine), tmp_path / "label.nii.gz")
    labels = read_label(LabelledStudy("P", str(image), str(tmp_path / "label.nii.gz")), volume)
    assert labels.pop(7) == SliceLabel(1, "subtentorial")
    assert set(labels.values()) == {SliceLabel(0)}


def test_json_lists_what_it_knows(image, volume, tmp_path):
    path = tmp_path / "label.json"
    path.write_text(json.dumps({"slices": [{"slice": 4, "ich": 1, "location": "deep"}, {"slice": 9, "ich": 0}]}))
    assert read_label(LabelledStudy("P", str(image), str(path)), volume) == {4: SliceLabel(1, "deep"), 9: SliceLabel(0)}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", '{"slices": [{"slice": 400, "ich": 1}]}', "of slice 400"),
        ("a.json", '{"slices": [{"slice": 4, "ich": 0, "location": "deep"}]}', "of slice 4"),
        ("a.json", '{"slices": [{"slice": 4, "ich": 1, "location": "left"}]}', "one of deep, lobar, subtentorial"),
        ("a.json", "[]", "cannot be read"),
        ("a.txt", "deep", "neither a segmentation"),
        ("a.nii.gz", "x", "header"),
    ],
)
def test_labels_that_cannot_be_used(name, content, sentence, image, volume, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_label(LabelledStudy("P", str(image), str(tmp_path / name)), volume)


def test_label_of_another_image(image, volume, tmp_path):
    affine = nib.load(image).affine.copy()
    affine[:3, 3] += 5
    nib.save(nib.Nifti1Image(np.zeros(nib.load(image).shape, np.uint8), affine), tmp_path / "moved.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4)), tmp_path / "small.nii.gz")
    for name in ("moved", "small"):
        with pytest.raises(InputError, match="another grid"):
            read_label(LabelledStudy("P", str(image), str(tmp_path / f"{name}.nii.gz")), volume)


def test_dataset_is_one_that_the_training_reads(phantom, image, volume, tmp_path):
    label = segmentation(phantom, image, tmp_path / "label.nii.gz")
    empty = tmp_path / "empty.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(nib.load(image).shape, np.uint8), nib.load(image).affine), empty)
    studies = [LabelledStudy("sick", str(image), str(label)), LabelledStudy("well", str(image), str(empty))]
    folder = write_training_data(studies, tmp_path / "data")
    items = load_datalist(folder)
    shown = (phantom.blood == BLEEDING).any(axis=(0, 1))
    sick = {item["slice"]: item for item in items if item["patient"] == "sick"}
    well = [item for item in items if item["patient"] == "well"]
    assert {index for index, item in sick.items() if item["label"].tolist() == [1, 0]} == set(
        shown.nonzero()[0].tolist()
    )
    assert {tuple(item["label"]) for item in well} == {(0, -1)}
    assert 0 < len(well) == len(sick) < volume.shape[-1]  # without the slices that show no brain
    index = int(shown.nonzero()[0][0])
    head = phantom.head[..., index]
    written = load_head_ct(sick[index]["image"])[0].numpy()
    expected = np.clip(phantom.hu[..., index], 0, 80)
    assert np.abs(written - expected)[head].max() < 0.2  # half a step of 8 bits
    before = after = 0.0
    for index, item in sick.items():
        holder = phantom.holder[..., index]
        before += np.clip(phantom.hu[..., index], 0, 80)[holder].sum()
        after += load_head_ct(item["image"])[0].numpy()[holder].sum()
    assert after < before / 2
    with (folder / "slices.csv").open(newline="") as file:
        assert {row["study"] for row in csv.DictReader(file)} == {"sick", "well"}


def test_nothing_labelled(tmp_path):
    with pytest.raises(InputError, match="No study is labelled"):
        write_training_data([], tmp_path / "data")


@pytest.mark.parametrize(
    ("names", "value", "kind"),
    [([], 5, "subdural"), ([{"name": "Subdural", "idx": 2}], 2, "subdural"), ([{"name": "clot", "idx": 1}], 1, "")],
)
def test_a_corrected_mask_becomes_kinds_and_masks_to_train_on(names, value, kind, phantom, image, tmp_path):
    label = segmentation(phantom, image, tmp_path / "label.nii.gz", value)
    study = LabelledStudy("P", str(image), str(label), {"label_info": names})
    folder = write_training_data([study], tmp_path / "data", masks=True)
    with (folder / "slices.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    items = load_datalist(folder)
    shown = 0
    for row, item in zip(rows, items, strict=True):
        truth = phantom.blood[..., int(row["slice"])] == BLEEDING
        mask = np.asarray(Image.open(item["mask"]))
        np.testing.assert_array_equal(mask > 0, truth)
        assert mask.max() == (0 if not truth.any() else KINDS.index(kind) + 1 if kind else UNKNOWN)
        said = {name: row[name] for name in KINDS}
        assert (row["ich"], row["location"]) == (str(int(truth.any())), ""), "a kind is no location"
        if not truth.any():
            assert set(said.values()) == {"0"}
        else:
            shown += 1
            assert said == ({**dict.fromkeys(KINDS, "0"), kind: "1"} if kind else dict.fromkeys(KINDS, ""))
        loaded = LoadTargetsd("image")({**item, "image": load_head_ct(item["image"])})
        np.testing.assert_array_equal(loaded["mask"][0].numpy(), mask)
    assert shown > 2


def test_json_labels_beside_masks_have_none(phantom, image, tmp_path):
    (tmp_path / "label.json").write_text(json.dumps({"slices": [{"slice": 14, "ich": 1}, {"slice": 15, "ich": 0}]}))
    study = LabelledStudy("P", str(image), str(tmp_path / "label.json"))
    folder = write_training_data([study], tmp_path / "data", masks=True)
    assert [item["mask"] for item in load_datalist(folder)] == ["", ""]
