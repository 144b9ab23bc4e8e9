import csv
import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch.distributed as dist

from ichmonai.classes import RSNA_LABELS
from ichmonai.datasets import (
    DatasetError,
    count_classes,
    label_prevalence,
    load_datalist,
    load_rsna,
    make_splits,
    read_splits,
    require_all_classes,
    rsna_index,
    with_neighbours,
)
from ichmonai.datasets.balancing import balancing_weights, replicated_indices
from ichmonai.datasets.phantom import PhantomKind, make_study, write_rsna
from ichmonai.datasets.readable import digest_image
from ichmonai.datasets.rsna import read_labels
from ichmonai.io import load_head_ct
from ichmonai.transforms import LoadNeighbouringSlicesd, SlicesToChannelsd

KINDS = (PhantomKind.NORMAL, PhantomKind.SUBDURAL)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rsna")
    write_rsna(folder, [make_study(k, kind, 64, f"patient{k}") for k, kind in enumerate(KINDS)])
    return folder


@pytest.fixture
def dataset(phantom: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(phantom, tmp_path / "data"))


def truth(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "truth.csv").open(newline="") as stream:
        return {Path(row["file"]).stem: row for row in csv.DictReader(stream)}


def edit(folder: Path, change) -> None:
    path = folder / "stage_2_train.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")


def test_items_are_those_of_the_phantom(phantom, tmp_path):
    items = load_rsna(phantom, tmp_path, workers=1)
    expected = truth(phantom)
    assert {Path(item["image"]).stem for item in items} == set(expected)
    pseudonyms = {}
    for item in items:
        row = expected[Path(item["image"]).stem]
        assert item["label"].tolist() == [float(row[name]) for name in RSNA_LABELS]
        assert item["label"].dtype == np.float32
        assert item["slice"] == int(row["slice"])
        assert pseudonyms.setdefault(row["patient"], item["patient"]) == item["patient"]
    assert len(set(pseudonyms.values())) == len(KINDS)
    assert len({item["series"] for item in items}) == len(KINDS)
    assert len({item["sha256"] for item in items if item["sha256"]}) > 1


def test_a_second_start_reads_the_index_and_no_image(dataset, monkeypatch):
    first = load_datalist(dataset)  # by its layout

    def forbidden(*_):
        raise AssertionError("an image was read again")

    monkeypatch.setattr(rsna_index, "digest_image", forbidden)
    second = load_rsna(dataset)
    assert [item["image"] for item in second] == [item["image"] for item in first]
    for one, two in zip(first, second, strict=True):
        assert {k: v for k, v in one.items() if k != "label"} == {k: v for k, v in two.items() if k != "label"}


def test_a_killed_run_goes_on_where_it_was(dataset, monkeypatch):
    whole = load_rsna(dataset, workers=1)
    (index,) = dataset.glob("ichmonai_index_*.tsv")
    text = index.read_text()
    lines = text.splitlines(keepends=True)
    index.unlink()
    index.with_name(f"{index.name}.partial").write_text("".join(lines[:11]) + lines[11][: len(lines[11]) // 2])
    read = []
    monkeypatch.setattr(rsna_index, "digest_image", lambda item: read.append(item) or digest_image(item))
    assert [item["patient"] for item in load_rsna(dataset, workers=1)] == [item["patient"] for item in whole]
    assert len(read) == len(whole) - 10
    kept = {line.removesuffix("~") for line in index.read_text().splitlines()}  # files were new at first
    assert {line.removesuffix("~") for line in text.splitlines()} <= kept


def test_an_image_that_changed_under_its_name_is_read_again(dataset):
    before = {item["image"]: item["sha256"] for item in load_rsna(dataset, workers=1)}
    changed = next(image for image, sha256 in before.items() if sha256)
    header = pydicom.dcmread(changed)
    header.PixelData = np.roll(header.pixel_array, 3).tobytes()
    header.save_as(changed)
    after = {item["image"]: item["sha256"] for item in load_rsna(dataset, workers=1)}
    assert [image for image in before if before[image] != after[image]] == [changed]


def test_several_processes_give_what_one_gives(phantom, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = load_rsna(phantom, tmp_path / "one", workers=1)
    two = load_rsna(phantom, tmp_path / "two", workers=2)
    assert [item["sha256"] for item in one] == [item["sha256"] for item in two]


def test_two_ranks_share_one_reading(dataset, on_two_ranks):
    def run():
        items = load_rsna(dataset, workers=1)
        return dist.get_rank(), [(item["image"], item["patient"]) for item in items]

    (first, one), (second, two) = on_two_ranks(run)
    assert (first, second) == (0, 1)
    assert one == two


def test_nothing_written_or_logged_names_a_patient(dataset, caplog):
    with caplog.at_level(logging.DEBUG):
        items = load_rsna(dataset)
        make_splits(items, dataset / "split.json", (1.0, 0.0, 0.0))
    (index,) = dataset.glob("ichmonai_index_*.tsv")
    header = pydicom.dcmread(items[0]["image"], stop_before_pixels=True)
    written = index.read_text() + (dataset / "split.json").read_text() + caplog.text
    for identifier in ("patient0", "patient1", header.StudyInstanceUID, header.SeriesInstanceUID):
        assert identifier not in written


def test_without_patient_id_the_study_is_the_group(dataset):
    for file in (dataset / "stage_2_train").glob("*.dcm"):
        header = pydicom.dcmread(file)
        header.PatientID = ""
        header.save_as(file)
    items = load_rsna(dataset)
    expected = truth(dataset)
    groups = {(expected[Path(item["image"]).stem]["patient"], item["patient"]) for item in items}
    assert len(groups) == len(KINDS)


def test_headers_of_the_challenge_are_read_without_a_warning(dataset):
    files = sorted((dataset / "stage_2_train").glob("*.dcm"))
    for file in files:
        header = pydicom.dcmread(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header.SOPInstanceUID, header.StudyInstanceUID, header.SeriesInstanceUID = file.stem, "ID_s", "ID_t"
        header.save_as(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        items = load_rsna(dataset)
        load_head_ct(items[0]["image"])  # as the loaders do after it
    assert len(items) == len(files)


def test_an_image_whose_pixels_are_cut_short_is_left_out_and_reported(dataset, caplog):
    broken, *_ = sorted((dataset / "stage_2_train").glob("*.dcm"))
    header = pydicom.dcmread(broken)
    header.PixelData = header.PixelData[:1536]
    header.save_as(broken)
    for _ in range(2):  # as read, and as the index says
        caplog.clear()
        items = load_rsna(dataset)
        assert str(broken) not in {item["image"] for item in items}
        assert f"1 of {len(items) + 1} images cannot be read" in caplog.text
        assert broken.name in caplog.text
    with pytest.raises(DatasetError, match=r"1 of \d+ images cannot be read"):
        load_rsna(dataset, stop=True)


def test_missing_and_unlabelled_files_are_counted(dataset, caplog):
    one, two, *rest = sorted((dataset / "stage_2_train").glob("*.dcm"))
    one.unlink()
    edit(dataset, lambda lines: [line for line in lines if not line.startswith(two.stem)])
    assert len(load_rsna(dataset)) == len(rest)
    assert f"1 of {len(rest) + 1} images have no DICOM file" in caplog.text
    assert one.stem in caplog.text
    assert "1 DICOM files" in caplog.text
    with pytest.raises(DatasetError, match="have no DICOM file"):
        load_rsna(dataset, stop=True)


def write_labels(path: Path, rows: list[str]) -> Path:
    path.write_text("ID,Label\n" + "\n".join(rows) + "\n")
    return path


def rows_of(image: str, label: list[int]) -> list[str]:
    order = (*RSNA_LABELS[1:], "any")
    return [f"{image}_{name},{label[RSNA_LABELS.index(name)]}" for name in order]


def test_repeated_rows_count_once(tmp_path, caplog):
    rows = rows_of("ID_a", [1, 0, 1, 0, 0, 0]) * 2 + rows_of("ID_b", [0] * 6)
    labels = read_labels(write_labels(tmp_path / "l.csv", rows))
    assert {name: label.tolist() for name, label in labels.items()} == {"ID_a": [1, 0, 1, 0, 0, 0], "ID_b": [0] * 6}
    assert "6 rows" in caplog.text


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([*rows_of("ID_a", [0] * 6), "ID_a_any,1"], "contradict each other"),
        (rows_of("ID_a", [0] * 6)[:5], "lack some of their 6 labels"),
        (rows_of("ID_a", [1, 0, 0, 0, 0, 0]), "have an 'any'"),
        (rows_of("ID_a", [0, 0, 1, 0, 0, 0]), "have an 'any'"),
    ],
)
def test_images_without_usable_labels_are_left_out(tmp_path, rows, reason):
    said: list[str] = []
    labels = read_labels(write_labels(tmp_path / "l.csv", rows + rows_of("ID_b", [0] * 6)), said)
    assert list(labels) == ["ID_b"]
    (sentence,) = said
    assert sentence.startswith("1 of 2 images")
    assert reason in sentence
    assert "ID_a" in sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,ich\na,0\n", "does not begin with the columns ID, Label"),
        ("", "does not begin with"),
        ("ID,Label\n", "labels no image"),
        ("ID,Label\nID_a_fracture,1\n", "line 2 has label 'fracture' with value '1'; it must be one of any, epidural"),
        ("ID,Label\nID_a_any,0.5\n", "line 2 has label 'any' with value '0.5'"),
        ("ID,Label\nID_a_any\n", "not a readable csv"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "l.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_labels(path)


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(DatasetError, match=r"stage_2_train\.csv does not exist"):
        load_rsna(tmp_path)
    write_labels(tmp_path / "stage_2_train.csv", rows_of("ID_a", [0] * 6))
    with pytest.raises(DatasetError, match="stage_2_train does not exist"):
        load_rsna(tmp_path)
    (tmp_path / "stage_2_train").mkdir()
    with pytest.raises(DatasetError, match="No image that"):
        load_rsna(tmp_path)
    (tmp_path / "stage_2_train" / "ID_a.dcm").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="set index_dir"):
        load_rsna(tmp_path, tmp_path / "absent")
    with pytest.raises(DatasetError, match="None of the 1 images"):
        load_rsna(tmp_path)


def item(patient: str, *shown: str) -> dict:
    label = np.array([float(bool(shown)), *(float(name in shown) for name in RSNA_LABELS[1:])], dtype=np.float32)
    return {"image": f"{patient}{len(shown)}.dcm", "patient": patient, "label": label}


def test_splits_keep_patients_together_and_every_subtype_everywhere(tmp_path):
    kinds = [(), ("epidural",), ("epidural", "subdural"), ("intraventricular", "intraparenchymal")]
    items = [item(f"p{n:02d}", *kinds[n % 4][:k]) for n in range(40) for k in range(len(kinds[n % 4]) + 1)]
    splits = make_splits(items, tmp_path / "split.json", (0.6, 0.2, 0.2))
    assert sum(map(len, splits.values())) == len(items)
    for part in splits.values():
        counts = count_classes(part)
        assert set(counts) == {"normal", *RSNA_LABELS[1:]}
        assert all(counts[name] for name in ("normal", "epidural", "subdural", "intraventricular"))
    patients = [{one["patient"] for one in part} for part in splits.values()]
    assert len(set.union(*patients)) == sum(map(len, patients))
    again = read_splits(items, tmp_path / "split.json")
    assert {name: len(part) for name, part in again.items()} == {name: len(part) for name, part in splits.items()}


def test_balancing_of_several_labels():
    items = [*[item("n")] * 6, item("a", "epidural"), item("b", "epidural", "subdural")]
    weights = balancing_weights(items)
    assert weights.sum() == pytest.approx(1)
    # Each subtype has a tenth of the draws, of five; the three that are absent have theirs shared by all.
    assert weights[6:] * 0.7 == pytest.approx([0.05, 0.15])
    indices = replicated_indices(items, {"epidural": 2, "subdural": 3})
    assert np.bincount(indices).tolist() == [1] * 6 + [2, 3]


def test_a_missing_subtype_is_warned_of_and_no_haemorrhage_refused(caplog):
    require_all_classes([item("a"), item("b", "subdural")], "training split")
    assert "no slice of epidural, intraparenchymal, intraventricular, subarachnoid" in caplog.text
    for items in ([item("a")], [item("b", "subdural")]):
        with pytest.raises(DatasetError, match="has no slice of"):
            require_all_classes(items, "training split")


def test_prevalence():
    items = [item("a"), item("b", "subdural"), item("c", "subdural", "epidural"), item("d")]
    assert label_prevalence(items) == [0.5, 0.25, 0, 0, 0, 0.5]
    with pytest.raises(DatasetError, match="six labels"):
        label_prevalence([{"label": np.array([0, -1])}])


def test_neighbours_are_the_slices_below_and_above(phantom, tmp_path):
    items = with_neighbours(load_rsna(phantom, tmp_path))
    z = {name: float(row["z_mm"]) for name, row in truth(phantom).items()}
    series: dict[str, list] = {}
    for one in items:
        series.setdefault(one["series"], []).append(one)
    for members in series.values():
        members.sort(key=lambda one: z[Path(one["image"]).stem])
        paths = [one["image"] for one in members]
        padded = [paths[0], *paths, paths[-1]]
        assert [one["neighbours"] for one in members] == [padded[k : k + 3] for k in range(len(paths))]

    middle = members[len(members) // 2]
    loaded = LoadNeighbouringSlicesd("image")(middle)
    assert loaded["image"].shape == (1, 64, 64, 3)
    assert "neighbours" not in loaded
    assert loaded["image"].meta["filename_or_obj"] == middle["image"]
    channels = SlicesToChannelsd("image")(loaded)["image"]
    assert channels.shape == (3, 64, 64)
    for k, path in enumerate(middle["neighbours"]):
        assert np.array_equal(channels[k].numpy(), load_head_ct(path)[0].numpy())


def test_slices_without_position_are_their_own_neighbours(caplog):
    items = [
        {"image": f"{k}", "series": "s", "slice": k, "position": p} for k, p in enumerate([0.0, 5.0, float("nan")])
    ]
    neighbours = [one["neighbours"] for one in with_neighbours(items)]
    assert neighbours == [["0", "0", "1"], ["0", "1", "1"], ["2", "2", "2"]]
    assert "1 of 3 slices have no position" in caplog.text


def test_a_neighbour_of_another_size_is_replaced(dataset, tmp_path):
    paths = sorted(str(file) for file in (dataset / "stage_2_train").glob("*.dcm"))[:3]
    header = pydicom.dcmread(paths[2])
    header.Rows, header.PixelData = 32, header.PixelData[: 32 * 64 * 2]
    header.save_as(paths[2])
    image = LoadNeighbouringSlicesd("image")({"image": paths[1], "neighbours": paths})["image"]
    assert np.array_equal(image[..., 2].numpy(), image[..., 1].numpy())
    assert not np.array_equal(image[..., 0].numpy(), image[..., 1].numpy())
