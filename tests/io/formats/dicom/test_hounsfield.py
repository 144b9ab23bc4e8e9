"""Stored values to HU: the odd ones."""

import numpy as np
import pytest

from ichmonai.datasets.phantom import make_study
from ichmonai.io import Code, HeadCTReadError, load_head_ct
from ichmonai.transforms import CheckHeadCT
from tests.io.dicom_factory import write_series, write_slice

TWELVE_BITS = (12, 0, 1, 0)


def wrapped(hu):
    """HU in 12 bits without sign: what is below zero is 4096 higher."""
    return np.where(hu < 0, hu + 4096, hu)


def as_published(stored):
    """The correction that participants of the RSNA 2019 challenge used, from its description."""
    return (stored + 1000) % 4096 - 1000


@pytest.fixture(scope="module")
def head():
    hu = make_study(4, size=64).hu
    return hu[..., hu.shape[-1] // 2].clip(-1000, 2000)


def test_values_without_their_sign_get_it_back(tmp_path, head):
    path = write_slice(tmp_path / "a.dcm", hu=wrapped(head), storage=TWELVE_BITS)
    image = load_head_ct(path)
    assert np.array_equal(image[0], head)
    assert np.array_equal(image[0], as_published(wrapped(head)))
    (code, sentence), *more = image.meta["findings"]
    assert code == Code.INTERCEPT_CORRECTED.value
    assert "a.dcm" in sentence
    assert not more
    assert CheckHeadCT()(image).meta["findings"] == image.meta["findings"]  # a warning


def test_scanners_go_down_to_1024(tmp_path, head):
    darkest = np.where(head < -990, -1024, head)
    assert np.array_equal(
        load_head_ct(write_slice(tmp_path / "a", hu=wrapped(darkest), storage=TWELVE_BITS))[0], darkest
    )


def test_corners_beyond_the_field_of_view_are_air(tmp_path, head):
    rows, columns = np.ogrid[-31.5:32, -31.5:32]
    beyond = rows**2 + columns**2 > 31**2
    metal = head.copy()
    metal[30:32, 30:32] = 2096  # what the corners are stored as
    stored = np.where(beyond, 4096 - 2000, wrapped(head))
    image = load_head_ct(write_slice(tmp_path / "a", hu=stored, storage=TWELVE_BITS))[0].numpy()
    assert np.array_equal(image, np.where(beyond, -1024, head))
    image = load_head_ct(write_slice(tmp_path / "b", hu=wrapped(metal), storage=TWELVE_BITS))[0].numpy()
    assert np.array_equal(image, metal)


@pytest.mark.parametrize("storage", [(12, 0, 1, -1024), (12, 1, 1, 0), (16, 0, 1, 0), (12, 0, 1, 0)])
def test_sound_values_stay(tmp_path, head, storage):
    hu = head.clip(0, 3000) if storage[3] == 0 and not storage[1] else head  # an image clipped at 0 HU
    image = load_head_ct(write_slice(tmp_path / "a", hu=hu, storage=storage))
    assert np.array_equal(image[0], hu)
    assert image.meta["findings"] == []


def test_corrected_slices_of_a_series_are_counted(tmp_path, head):
    write_series(tmp_path, (0, 5, 10), hu=wrapped(head), storage=TWELVE_BITS)
    write_series(tmp_path, (15, 20), hu=head, storage=(12, 0, 1, -1024))
    volume = load_head_ct(tmp_path)
    assert np.array_equal(volume[0], np.repeat(head[..., None], 5, axis=-1))
    ((code, sentence),) = volume.meta["findings"]
    assert code == "intercept_corrected"
    assert "(3 of the series.)" in sentence


def test_each_slice_has_its_own_slope_and_intercept(tmp_path, head):
    for number, (slope, intercept) in enumerate([(1, -1024), (0.5, -1000), (2, -1200)]):
        even = head // 2 * 2
        write_slice(tmp_path / f"{number}.dcm", (-10, -12, 5 * number), hu=even, storage=(16, 0, slope, intercept))
    assert np.array_equal(load_head_ct(tmp_path)[0], np.repeat(even[..., None], 3, axis=-1))


@pytest.mark.parametrize("windows", [["40", "600"], "35", []])
def test_windows_of_any_number_do_not_matter(tmp_path, head, windows):
    path = write_slice(tmp_path / "a", hu=head, WindowCenter=windows, WindowWidth=windows)
    assert np.array_equal(load_head_ct(path)[0], head)


def test_padding_that_is_tissue_is_not_believed(tmp_path):
    hu = np.array([[-1000, 0], [40, 80]])
    for padding in ({"PixelPaddingValue": 0}, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": 60}):
        path = write_slice(tmp_path / "a", hu=hu, storage=(16, 1, 1, 0), **padding)
        assert np.array_equal(load_head_ct(path)[0], hu)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"RescaleSlope": "-1"}, "RescaleSlope is -1"),
        ({"RescaleSlope": "1e30"}, "RescaleSlope is 1e"),
        ({"RescaleIntercept": "1e30"}, "RescaleIntercept is 1e"),
    ],
)
def test_absurd_rescaling_is_not_hu(tmp_path, attributes, message):
    with pytest.raises(HeadCTReadError, match=message) as info:
        load_head_ct(write_slice(tmp_path / "a", **attributes))
    assert info.value.code is Code.NOT_HU


@pytest.mark.parametrize(("kind", "codes"), [("HU", []), ("US", []), ("EDW", ["not_hu"]), ("HU_MOD", ["not_hu"])])
def test_rescale_type(tmp_path, head, kind, codes):
    image = load_head_ct(write_slice(tmp_path / "a", hu=head, RescaleType=kind))
    assert [code for code, _ in image.meta["findings"]] == codes
    if codes:
        with pytest.raises(HeadCTReadError, match=kind):
            CheckHeadCT()(image)
        assert CheckHeadCT(accept=["not_hu"])(image).meta["findings"] == image.meta["findings"]
