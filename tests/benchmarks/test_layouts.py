"""Layouts that are not the published ones are refused or told of in one sentence."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from ichmonai.benchmarks import read_bhsd, read_cq500, read_ct_ich, read_rsna2019
from ichmonai.datasets.phantom import write_bhsd, write_cq500, write_ct_ich
from ichmonai.errors import InputError

LABELS = "hemorrhage_diagnosis_raw_ct.csv"


@pytest.fixture
def ct_ich(tmp_path, cohort):
    write_ct_ich(tmp_path, cohort)
    return tmp_path


@pytest.fixture
def cq500(tmp_path, cohort):
    write_cq500(tmp_path, cohort[:3])
    return tmp_path


def edit(path, line, column, cell):
    lines = [one.split(",") for one in path.read_text().splitlines()]
    lines[line][lines[0].index(column)] = cell
    path.write_text("\n".join(map(",".join, lines)) + "\n")


@pytest.mark.parametrize("read", [read_bhsd, read_cq500, read_ct_ich, read_rsna2019])
def test_an_empty_folder_is_refused(tmp_path, read):
    with pytest.raises(InputError, match=r"give the folder of|unpack the challenge's data"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("PatientNumber", "=1+1", "give a number"),
        ("PatientNumber", "49.5", "give a whole number from 0"),
        ("PatientNumber", "1e300", "give a whole number from 0"),
        ("SliceNumber", "0", "give a whole number from 1"),
        ("SliceNumber", "", "give a whole number from 1"),
        ("SliceNumber", "2", "again"),
        ("SliceNumber", "500", "labels slice 500 of 049.nii"),
        ("Epidural", "2", "give 0 or 1"),
        ("Epidural", "nan", "give 0 or 1"),
        ("No_Hemorrhage", "", "give 0 or 1"),
        ("Subdural", "<script>", "give a number"),
    ],
)
def test_odd_cells_of_ct_ich_are_refused_in_one_sentence(ct_ich, column, cell, said):
    edit(ct_ich / LABELS, 1, column, cell)
    with pytest.raises(InputError, match=said) as error:
        read_ct_ich(ct_ich)
    assert str(error.value).count("\n") == 0
    assert LABELS in str(error.value)


def test_a_column_that_lacks_is_named(ct_ich):
    path = ct_ich / LABELS
    path.write_text(path.read_text().replace("Epidural", "Extradural"))
    with pytest.raises(InputError, match="lacks the column Epidural"):
        read_ct_ich(ct_ich)


def test_missing_scans_are_named_and_extra_files_are_ignored(ct_ich):
    (ct_ich / "ct_scans" / "050.nii").unlink()
    shutil.copy(ct_ich / "ct_scans" / "051.nii", ct_ich / "ct_scans" / "999.nii")
    (ct_ich / "ct_scans" / "readme.txt").write_text("no scan")
    found = read_ct_ich(ct_ich)
    assert [path.name for path in found.inputs] == ["049.nii", "051.nii", "052.nii", "053.nii"]
    assert any(note.startswith("1 of 5 scans are missing") and "050.nii" in note for note in found.notes)


def test_no_scan_at_all_is_refused(ct_ich):
    shutil.rmtree(ct_ich / "ct_scans")
    with pytest.raises(InputError, match="None of the scans"):
        read_ct_ich(ct_ich)


def test_labels_that_are_counted_from_the_other_end_are_refused(ct_ich, cohort):
    path = ct_ich / LABELS
    lines = [line.split(",") for line in path.read_text().splitlines()]
    slices = {str(49 + k): study.hu.shape[2] for k, study in enumerate(cohort)}
    for cells in lines[1:]:
        cells[1] = str(slices[cells[0]] + 1 - int(cells[1]))
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    with pytest.raises(InputError, match="counted from the other end"):
        read_ct_ich(ct_ich)


def test_a_slice_with_a_mask_that_is_not_labelled_is_told_of(ct_ich):
    mask = nib.load(ct_ich / "masks" / "050.nii")
    blood = np.flatnonzero(np.asarray(mask.dataobj).any(axis=(0, 1)))
    path = ct_ich / LABELS
    lines = path.read_text().splitlines()
    line = lines.index(next(one for one in lines if one.startswith(f"50,{blood[0] + 1},")))
    for column in ("Intraventricular", "Intraparenchymal", "Subarachnoid", "Epidural", "Subdural"):
        edit(path, line, column, "0")
    edit(path, line, "No_Hemorrhage", "1")
    assert any("1 slices of 1 patients have blood in their mask" in note for note in read_ct_ich(ct_ich).notes)


def test_a_row_that_contradicts_itself_counts_as_haemorrhage(ct_ich):
    edit(ct_ich / LABELS, 1, "Epidural", "1")
    found = read_ct_ich(ct_ich)
    assert any("1 rows" in note and "line 2" in note for note in found.notes)
    assert found.volumes[str(ct_ich / "ct_scans" / "049.nii")].labels[0].tolist() == [1, 1, 0, 0, 0, 0]


def test_masks_of_other_values_are_refused(tmp_path, cohort):
    write_bhsd(tmp_path, cohort[:2])
    path = next(iter((tmp_path / "ground truths").iterdir()))
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.full(image.shape, 7, np.uint8), image.affine), path)
    with pytest.raises(InputError, match="has a voxel of 7; a mask has whole numbers from 0 to 5"):
        read_bhsd(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read as a mask"):
        read_bhsd(tmp_path)


def test_images_without_mask_and_masks_without_image_are_named(tmp_path, cohort):
    write_bhsd(tmp_path, cohort[:3])
    first, second, third = sorted(path.name for path in (tmp_path / "images").iterdir())
    (tmp_path / "ground truths" / first).unlink()
    (tmp_path / "images" / second).unlink()
    found = read_bhsd(tmp_path)
    assert [path.name for path in found.inputs] == [third]
    assert any(first in note for note in found.notes)
    assert any(second in note for note in found.notes)


def test_two_of_three_readers_are_the_truth(cq500):
    reads = cq500 / "reads.csv"
    for reader, cell in ((1, "0"), (2, "1"), (3, "1")):
        edit(reads, 1, f"R{reader}:SDH", cell)
    edit(reads, 2, "R1:ICH", "")
    edit(reads, 2, "R2:ICH", "0")
    found = read_cq500(cq500)
    assert found.studies["CQ500-CT-0"].tolist() == [0, 0, 0, 0, 0, 1]
    assert found.studies["CQ500-CT-1"][0] == -1
    assert any("no majority" in note and "CQ500-CT-1" in note for note in found.notes)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("name", "=cmd|' /C calc'!A0", "give CQ500-CT-0"),
        ("name", "CQ500-CT-1", "stands twice"),
        ("R1:ICH", "7", "0 or 1"),
    ],
)
def test_odd_cells_of_cq500_are_refused(cq500, column, cell, said):
    edit(cq500 / "reads.csv", 1 if column != "name" or "cmd" in cell else 3, column, cell)
    with pytest.raises(InputError, match=said):
        read_cq500(cq500)


def test_folders_of_cq500_may_be_one_level_down_or_zipped(cq500):
    (cq500 / "qct01").mkdir()
    (cq500 / "CQ500CT0 CQ500CT0").rename(cq500 / "qct01" / "CQ500CT0 CQ500CT0")
    shutil.make_archive(str(cq500 / "CQ500-CT-1"), "zip", cq500 / "CQ500CT1 CQ500CT1")
    shutil.rmtree(cq500 / "CQ500CT1 CQ500CT1")
    shutil.rmtree(cq500 / "CQ500CT2 CQ500CT2")
    found = read_cq500(cq500)
    assert [path.name for path in found.inputs] == ["CQ500CT0 CQ500CT0", "CQ500-CT-1.zip"]
    assert any("1 of 3 patients are missing" in note and "CQ500-CT-2" in note for note in found.notes)
