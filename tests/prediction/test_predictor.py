"""Prediction from Python gives what the command gives, whatever the image is handed over as."""

import csv
import subprocess
import sys

import itk
import nibabel as nib
import numpy as np
import pytest
from monai.data import MetaTensor

from ichmonai import Predictor, predict
from ichmonai.errors import InputError
from ichmonai.io import HeadCTReadError, load_head_ct
from tests.prediction.in_process import run


@pytest.fixture(scope="module")
def predictor(small_bundle):
    return Predictor(small_bundle.root, device="cpu", runtime="torch", trust=True)


@pytest.fixture
def file(volume):
    return volume("one")


def rounded(answer):
    return [one.probability and round(one.probability, 5) for one in answer.slices]


def test_the_answer_is_the_command_s(small_bundle, predictor, file, tmp_path):
    run(small_bundle, [file], tmp_path / "out")
    with (tmp_path / "out" / "studies.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    answer = predictor(file)
    assert {name: str(answer.row.get(name, "")) for name in row} == row
    assert (answer.outcome, answer.probability) == (row["outcome"], float(row["p_ich"]))
    assert set(answer.locations) == {"deep", "lobar", "subtentorial"}
    assert answer.slices[answer.leading_slice].probability == max(one.probability or 0 for one in answer.slices)


def test_a_file_an_array_and_images_of_itk_and_monai_are_one(predictor, file):
    whole = rounded(predictor(file))
    image = nib.load(file)
    hu = image.get_fdata(dtype=np.float32)
    assert rounded(predictor(hu, affine=image.affine)) == whole
    assert rounded(predictor(MetaTensor(hu[None], affine=image.affine))) == whole
    assert rounded(predictor(itk.imread(str(file)))) == whole
    shown = load_head_ct(file)[0].numpy()  # rows to posterior, columns to the left
    assert rounded(predictor(np.moveaxis(shown, -1, 0), spacing=(9, 2, 2))) == whole


def test_what_gets_no_answer_says_why(predictor, file, tmp_path):
    for wrong in (np.zeros((2, 2, 2, 2)), np.full((4, 4), np.nan), np.array([["a"]])):
        with pytest.raises(HeadCTReadError, match="no volume"):
            predictor(wrong)
    with pytest.raises(HeadCTReadError, match="give spacing or affine"):
        predictor(np.zeros((12, 96, 96)))
    with pytest.raises(HeadCTReadError, match="does not exist"):
        predictor(tmp_path / "absent.nii")
    (file.parent / "two.nii.gz").write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="holds 2 studies"):
        predictor(file.parent)
    with pytest.raises(InputError, match="no device cuda:63"):
        Predictor(device="cuda:63")


def test_a_slice_alone_and_the_figure(small_bundle, file):
    hu = load_head_ct(file)[0, :, :, 5].numpy()
    answer = predict(hu, bundle=small_bundle.root, device="cpu", runtime="torch", trust=True)
    assert len(answer.slices) == 1
    figure = answer.plot()
    assert "not for clinical use" in figure.get_suptitle()
    assert answer.outcome.replace("_", " ") in figure.axes[1].get_title()
    assert figure.axes[0].images[0].get_array().shape == hu.shape


def test_importing_the_package_does_not_wait_for_monai():
    code = "import sys, ichmonai; assert 'monai' not in sys.modules; assert callable(ichmonai.predict)"
    subprocess.run([sys.executable, "-c", code], check=True)
