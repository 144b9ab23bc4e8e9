"""The phantom in the layouts of public sets."""

import csv

import nibabel as nib
import numpy as np
import pydicom
import pytest

from ichmonai.classes import KINDS
from ichmonai.datasets.phantom import make_study, write_bhsd, write_cq500, write_ct_ich


@pytest.fixture(scope="module")
def cohort():
    kinds = ("normal", "subdural", "deep", "intraventricular")
    return [make_study(i, kind, 64, patient=f"1p{i:04d}") for i, kind in enumerate(kinds, start=1)]


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_ct_ich_labels_are_those_of_its_masks(tmp_path, cohort):
    truth = rows(write_ct_ich(tmp_path, cohort))
    labels = rows(tmp_path / "hemorrhage_diagnosis_raw_ct.csv")
    assert len(labels) == len(truth) == sum(study.hu.shape[2] for study in cohort)
    assert labels[0]["SliceNumber"] == "1"
    for number, study in zip((49, 50, 51, 52), cohort, strict=True):
        scan = nib.load(tmp_path / "ct_scans" / f"{number:03d}.nii")
        mask = np.asarray(nib.load(tmp_path / "masks" / f"{number:03d}.nii").dataobj)
        np.testing.assert_array_equal(np.swapaxes(np.asarray(scan.dataobj), 0, 1), study.hu)
        own = [row for row in labels if row["PatientNumber"] == str(number)]
        assert [int(row["No_Hemorrhage"]) for row in own] == [int(not mask[..., k].any()) for k in range(mask.shape[2])]
        assert (mask > 0).any() == (study.kind.value != "normal")
        assert {int(row["Subdural"]) for row in own} == ({0, 1} if study.kind.value == "subdural" else {0})


def test_ct_ich_leaves_out_the_numbers_that_the_set_lacks(tmp_path, cohort):
    write_ct_ich(tmp_path, [cohort[0]] * 11)
    names = sorted(path.name for path in (tmp_path / "ct_scans").iterdir())
    assert names[9:] == ["058.nii", "066.nii"]


def test_cq500_has_two_series_and_three_readers(tmp_path, cohort):
    write_cq500(tmp_path, cohort)
    read = rows(tmp_path / "reads.csv")
    assert [row["name"] for row in read] == [f"CQ500-CT-{n}" for n in range(4)]
    for number, (row, study) in enumerate(zip(read, cohort, strict=True)):
        opinions = [int(row[f"R{r}:ICH"]) for r in (1, 2, 3)]
        assert (sum(opinions) >= 2) == (study.kind.value != "normal")
        assert (len(set(opinions)) == 2) == (number % 3 == 0)
        top = tmp_path / f"CQ500CT{number} CQ500CT{number}" / "Unknown Study"
        images = [pydicom.dcmread(path, stop_before_pixels=True) for path in top.glob("*/*.dcm")]
        assert len({image.SeriesInstanceUID for image in images}) == 2
        assert len({image.StudyInstanceUID for image in images}) == 1
        assert len({image.SOPInstanceUID for image in images}) == 2 * study.hu.shape[2]


def test_bhsd_masks_have_the_kinds(tmp_path, cohort):
    write_bhsd(tmp_path, cohort)
    for path, study in zip(sorted((tmp_path / "images").iterdir()), cohort, strict=True):
        mask = np.asarray(nib.load(tmp_path / "ground truths" / path.name).dataobj)
        for value, kind in enumerate(KINDS, 1):
            labels = [record.rsna[value] for record in study.truth]
            assert [int((mask[..., k] == value).any()) for k in range(mask.shape[2])] == labels, kind
        assert np.asarray(nib.load(path).dataobj).shape == mask.shape
