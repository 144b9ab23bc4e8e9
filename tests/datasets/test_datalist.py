import json
import logging

import numpy as np
import pytest
from PIL import Image

from ichmonai.datasets import DatasetError, count_classes, drop_unreadable, load_datalist, require_all_classes
from ichmonai.datasets.datalist import patient_of_file
from ichmonai.datasets.item import class_name
from ichmonai.errors import InputError

ROWS = "image,patient,ich,location\nimages/a.jpg,p1,0,\nimages/b.jpg,p2,1,Deep\nc.jpg,p3,1,subtentorial\nd.jpg,p3,1,\n"
LABELS = [[0, -1], [1, 0], [1, 2], [1, -1]]


def write_csv(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slices.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv(tmp_path, encoding):
    (tmp_path / "slices.csv").write_text(ROWS, encoding=encoding)
    for source in (tmp_path, str(tmp_path), tmp_path / "slices.csv"):
        items = load_datalist(source)
        assert [item["image"] for item in items] == [
            str(tmp_path / n) for n in ("images/a.jpg", "images/b.jpg", "c.jpg", "d.jpg")
        ]
        assert [item["patient"] for item in items] == ["p1", "p2", "p3", "p3"]
        assert [item["label"].tolist() for item in items] == LABELS
        assert {item["label"].dtype for item in items} == {np.dtype("int64")}
    assert [class_name(item) for item in items] == ["normal", "deep", "subtentorial", "ich"]
    assert count_classes(items) == {"normal": 1, "deep": 1, "lobar": 0, "subtentorial": 1, "ich": 1}


def test_csv_with_the_places_of_the_slices(tmp_path):
    header = "image,patient,ich,location,study,slice\n"
    items = load_datalist(write_csv(tmp_path, header + "a.jpg,p1,0,,s1,0\nb.jpg,p1,0,,s2,07\n"))
    assert [(item["study"], item["slice"]) for item in items] == [("s1", 0), ("s2", 7)]
    for row, said in (("s1,", "has slice ''"), ("s1,1.5", "has slice '1.5'"), (",1", "has study ''")):
        with pytest.raises(DatasetError, match=said):
            load_datalist(write_csv(tmp_path, f"{header}a.jpg,p1,0,,{row}\n"))


def test_folder_that_holds_a_dtvit_folder(tmp_path):
    write_csv(tmp_path / "dtvit", ROWS)
    assert len(load_datalist(tmp_path)) == 4


def test_published_folders(tmp_path):
    files = (
        "no/0001-2024p0001.jpg",
        "yes/Deep/0002-2018-2p0007.JPG",
        "yes/Lobar/0003-2018-1p0007.png",
        "yes/Subtentorial/0004-x.dcm",
    )
    for name in (*files, "yes/Deep/Thumbs.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    items = load_datalist(tmp_path)
    assert [item["image"] for item in items] == [str(tmp_path / name) for name in files]
    assert [item["label"].tolist() for item in items] == [[0, -1], [1, 0], [1, 1], [1, 2]]
    assert [item["patient"] for item in items] == ["2024p0001", "2018-p0007", "2018-p0007", "x"]


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("0012-2018_filtered-2p0007.jpg", "2018_filtered-p0007"),
        ("0001-p3.jpg", "p3"),
        ("p3.jpg", "p3"),
        ("7-1p3.png", "p3"),
    ],
)
def test_patient_of_file(name, patient):
    assert patient_of_file(name) == patient


def test_names_with_the_same_hospital_number_are_one_patient(tmp_path, caplog):
    names = ["no/0001-1a.jpg", *(f"yes/Deep/000{k}-{name}.jpg" for k, name in enumerate(DTVIT_NAMES, 2))]
    for name in (*names, "yes/Lobar/0009-2019_filtered-1d-100003.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patients = [item["patient"] for item in load_datalist(tmp_path)]
    b, unnamed = "2018_filtered-b-100001", "2019_filtered-1-100002"
    assert patients == ["a", b, b, unnamed, unnamed, "2019_filtered-d-100003"]
    (said,) = caplog.messages
    assert said == "2 hospital numbers stand under several names; each is taken for one patient."


DTVIT_NAMES = ["2018_filtered-1b-100001", "2019_filtered-2c-100001", "2019_filtered-1-100002", "2019_filtered-2-100002"]
"""As the public files have them: year, number of the study, perhaps a name, hospital number."""


def entry(label, **more):
    return {"image": "a.jpg", "patient": 7, "label": label, **more}


def test_monai_datalist(tmp_path):
    path = tmp_path / "datalist.json"
    path.write_text(json.dumps({"training": [entry(label, note="dropped") for label in LABELS]}))
    items = load_datalist(path)
    assert [item["label"].tolist() for item in items] == LABELS
    assert all(item.keys() == {"image", "patient", "label"} for item in items)  # not yet split
    assert items[0]["image"] == str(tmp_path / "a.jpg")
    assert items[0]["patient"] == "7"
    path.write_text(json.dumps({"training": [entry([0, -1])], "test": [entry([1, 1])]}))
    assert [item["split"] for item in load_datalist(path)] == ["training", "test"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("image,patient,location\na,p,deep\n", r"lacks the columns ich; it needs"),
        ("", "lacks the columns image, patient, ich; it needs"),
        ("image,patient,ich,location\n", "lists no image"),
        ("image,patient,ich,location\na,p,2,\n", "row 2 has ich '2'; it must be 0"),
        ("image,patient,ich,location\na,p,0,\nb,p,1,pons\n", "row 3 has location 'pons'; it must be one of deep"),
        ("image,patient,ich,location\na,p,0,deep\n", "row 2 is normal .* but has location 'deep'"),
        ("image,patient,ich,location\na,,0,\n", "row 2 lacks the image or the patient"),
        ("image,patient,ich,location\na,p\n", "row 2 has ich ''"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, rows, message):
    with pytest.raises(DatasetError, match=message):
        load_datalist(write_csv(tmp_path, rows))


def test_csv_that_is_not_text(tmp_path):
    (tmp_path / "slices.csv").write_bytes(b"image,patient,ich,location\n\xff\xfe\x00,p,0,\n")
    with pytest.raises(DatasetError, match="not a readable csv file"):
        load_datalist(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a MONAI datalist"),
        ("[1]", "is not a MONAI datalist"),
        ('{"training": 3}', "is not a MONAI datalist"),
        ('{"training": []}', "lists no image"),
        ('{"training": ["a.jpg"]}', r"training\[0\] lacks one of image, label, patient"),
        ('{"training": [{"image": "a", "label": [0, -1]}]}', "lacks one of image, label, patient"),
        *[
            (json.dumps({"training": [entry(label)]}), "has label .*must be")
            for label in (None, 0, [0], [1, 3], [1, 0, 0], ["1", "0"])
        ],
        (json.dumps({"training": [entry([2, -1])]}), r"training\[0\] has ich '2'"),
        (json.dumps({"training": [entry([0, 1])]}), r"training\[0\] is normal .* but has location 'lobar'"),
    ],
)
def test_json_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "datalist.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=message):
        load_datalist(path)


def test_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="does not exist; set it to"):
        load_datalist(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"has neither slices\.csv nor"):
        load_datalist(tmp_path)
    (tmp_path / "no").mkdir()
    with pytest.raises(DatasetError, match="lists no image"):
        load_datalist(tmp_path)
    assert issubclass(DatasetError, InputError)


def test_empty_class_is_refused():
    items = [{"label": np.array(label)} for label in ([0, -1], [1, 0], [1, 2])]
    with pytest.raises(DatasetError, match="training split has no slice of lobar"):
        require_all_classes(items, "training split")
    require_all_classes([*items, {"label": np.array([1, 1])}], "training split")


def test_of_blood_by_kind_no_location_need_be_known():
    normal, blood = ({"label": np.array([ich, -1]), "kinds": np.zeros(5)} for ich in (0, 1))
    require_all_classes([normal, blood], "training split")
    for alone, missing in ((normal, "deep, lobar, subtentorial"), (blood, "normal")):
        with pytest.raises(DatasetError, match=f"has no slice of {missing}"):
            require_all_classes([alone], "training split")


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    Image.open(tmp_path / "a.png").save(tmp_path / "same.bmp")
    for name in ("empty1", "empty2"):
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "b.png").read_bytes()[:40])
    return [{"image": str(path)} for path in sorted(tmp_path.iterdir())]


def test_unreadable_images_are_left_out_and_reported(images, caplog):
    with caplog.at_level(logging.WARNING):
        kept = drop_unreadable(images)
    assert [item["image"] for item in kept] == [i["image"] for i in images if "broken" not in i["image"]]
    assert "broken.png is not a readable image" in caplog.text
    assert "1 of 6 images cannot be read and are left out" in caplog.text
    a, b, empty1, empty2, same = (item["sha256"] for item in kept)
    assert a == same != b
    assert empty1 == empty2 == ""


def test_unreadable_images_stop_when_asked(images):
    with pytest.raises(DatasetError, match=r"1 of 6 images cannot be read; the first: .*broken\.png"):
        drop_unreadable(images, stop=True)
    broken = [item for item in images if "broken" in item["image"]]
    with pytest.raises(DatasetError, match="1 of 1 images cannot be read"):
        drop_unreadable(broken)
    assert drop_unreadable([]) == []
