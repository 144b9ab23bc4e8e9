"""Damage that shows in the slices beside: blocks, rows and shifts, in pixels without any compression."""

import csv
import re
from collections import defaultdict

import numpy as np
import pydicom
import pytest
from scipy.ndimage import gaussian_filter

from ichmonai.datasets.phantom import make_study
from ichmonai.io import load_head_ct
from ichmonai.io.formats.dicom.pixels.neighbours import odd_rows, row_steps
from tests.io.dicom_factory import write_slice

STORAGE = (16, 0, 1, -1024)
SIDE = 256
AT = 140 * 2 * SIDE
"""Offset of row 141, which goes through the brain."""


@pytest.fixture(scope="module")
def head():
    """Five slices (S, H, W)."""
    hu = make_study(0, "deep", size=SIDE).hu
    middle = hu.shape[2] // 2
    return np.ascontiguousarray(hu[:, :, middle - 2 : middle + 3].transpose(2, 0, 1)).astype(np.float32)


def found(slices):
    return odd_rows([row_steps(one) for one in slices])


def stored(hu):
    return bytearray((hu + 1024).astype("<u2").tobytes())


def zeros(pixels, other):
    pixels[AT : AT + 4096] = bytes(4096)


def half_a_row(pixels, other):
    pixels[AT : AT + 256] = bytes(256)


def noise(pixels, other):
    pixels[AT : AT + 4096] = np.random.default_rng(0).bytes(4096)


def foreign(pixels, other):
    pixels[AT : AT + 4096] = other[AT // 2 : AT // 2 + 4096]


def bytes_lost(pixels, other):
    pixels[AT:] = pixels[AT + 200 :] + bytes(200)


DAMAGES = (zeros, half_a_row, noise, foreign, bytes_lost)


def series_of(folder, slices, damage=None, index=0):
    paths = []
    for number, hu in enumerate(slices):
        place = (-110, -110, 5.0 * number)
        paths.append(write_slice(folder / f"{number}.dcm", place, spacing=(0.9, 0.9), storage=STORAGE, hu=hu))
    if damage:
        dataset = pydicom.dcmread(paths[index])
        pixels = stored(slices[index])
        damage(pixels, stored(slices[index - 2]))
        dataset.PixelData = bytes(pixels)
        dataset.save_as(paths[index])
    return paths


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("index", [0, 2, 4])
def test_damaged_rows_are_told(tmp_path, head, damage, index):
    image = load_head_ct(series_of(tmp_path, head, damage, index))
    ((code, sentence),) = image.meta["findings"]
    assert code == "damaged_pixels"
    assert f"{index}.dcm has " in sentence
    assert 140 <= int(re.search(r"row (\d+)", sentence)[1]) <= 150


@pytest.mark.parametrize("damage", [zeros, half_a_row, foreign, bytes_lost])
def test_the_slices_beside_tell_them(head, damage):
    for index in range(5):
        slices, pixels = head.copy(), stored(head[index])
        damage(pixels, stored(head[index - 2]))
        slices[index] = np.frombuffer(pixels, "<u2").reshape(SIDE, SIDE).astype(np.float32) - 1024
        rows = found(slices)
        assert 140 <= rows.pop(index) <= 150
        assert rows == [0] * 4


@pytest.mark.parametrize("count", [1, 2, 5])
def test_whole_slices_are_not(tmp_path, head, count):
    assert load_head_ct(series_of(tmp_path, head[:count])).meta["findings"] == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whole_studies_are_plausible(seed):
    assert not any(found(make_study(seed, size=SIDE).hu.transpose(2, 0, 1).astype(np.float32)))


@pytest.mark.parametrize("thick", [2, 6, 40])
def test_metal_is_plausible(head, thick):
    """A rod that lies along the rows of one slice, on and between pixels, as blurred as a sharp kernel has it."""
    for offset in range(2):
        fine = np.zeros((2 * SIDE, 2 * SIDE), np.float32)
        fine[200 + offset : 200 + offset + thick, 150:400] = 20_000
        metal = gaussian_filter(fine, 1.2).reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
        slices = head.copy()
        slices[2] = np.minimum(slices[2] + metal, 3071)
        assert found(slices) == [0] * 5


def test_what_other_slices_show_too_is_plausible(head):
    """Such as the sharp border of a padded image, which a tilted gantry moves from slice to slice."""
    slices = head.copy()
    for number, one in enumerate(slices):
        one[: 60 + 6 * number] = -1024
    assert found(slices) == [0] * 5
    alone = head.copy()
    alone[2, :100] = -1024
    assert found(alone) == [0, 0, 100, 0, 0]


def test_what_is_too_small_or_alone_is_not_compared(head):
    assert found(head[:1]) == [0]
    assert found(head[:, :16]) == found(head[:, :, :16]) == [0] * 5


@pytest.mark.data
def test_real_series_are_plausible(real_data):
    series = sorted(map(str, (real_data / "dicom" / "ge_tilted_head").iterdir()))
    assert load_head_ct(series).meta["findings"] == []


@pytest.mark.data
@pytest.mark.parametrize("name", ["phe", "dtvit", "mbh", "healthy"])
def test_real_slices_are_plausible(real_data, name):
    """Pictures are cut to a window, which makes every border sharper than it was, and head holders are in them."""
    with (real_data / name / "slices.csv").open(newline="") as file:
        images = defaultdict(list)
        for row in csv.DictReader(file):
            images[row["patient"]].append(row["image"])
    for names in list(images.values())[:: max(1, len(images) // 20)]:
        slices = [load_head_ct(str(real_data / name / one))[0].numpy() for one in sorted(names)]
        alike = [one for one in slices if one.shape == slices[0].shape]
        assert not any(found(alike)), names
