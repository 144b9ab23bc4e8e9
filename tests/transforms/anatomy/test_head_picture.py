import time

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.transform import rotate

from ichmonai.datasets.phantom import make_study
from ichmonai.io import Code
from ichmonai.transforms.chain.check_head_ct import check_pixels

PHOTOGRAPHS = [
    "astronaut",
    "brick",
    "camera",
    "cat",
    "cell",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "shepp_logan_phantom",
    "text",
    "checkerboard",
]


def window(hu, low=0.0, high=80.0):
    """What 8 bits leave of HU."""
    return np.round(255 * np.clip((hu - low) / (high - low), 0, 1)).astype(np.uint8)


def codes(picture):
    return [finding.code for finding in check_pixels(np.float32(80 / 255) * picture.astype(np.float32))]


def resized(picture, height, width):
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def study():
    return make_study(3, kind="deep", size=256)


@pytest.fixture(scope="module")
def brain(study):
    """Slices in HU from the skull base to near the vertex."""
    area = study.brain.sum(axis=(0, 1))
    return np.moveaxis(study.hu[..., area > 0.4 * area.max()].astype(np.float32), -1, 0)


@pytest.fixture(scope="module")
def middle(brain):
    return brain[len(brain) // 2]


def test_heads_pass(brain):
    assert len(brain) > 10
    assert [codes(window(hu)) for hu in brain] == [[]] * len(brain)
    assert [check_pixels(hu) for hu in brain] == [[]] * len(brain)


def test_heads_pass_at_any_size_and_angle(middle):
    picture = window(middle)
    for size in ((64, 64), (96, 70), (300, 411), (1024, 1024), (2048, 2048)):
        assert codes(resized(picture, *size)) == []
    for angle in (20, 90, 135, 180, 270):
        assert codes((255 * rotate(picture, angle)).astype(np.uint8)) == []
    assert codes(picture[:, ::-1]) == []


def test_cropped_heads_pass(study, middle):
    rows, columns = np.nonzero(study.head[..., study.hu.shape[-1] // 2])
    crop = window(middle)[rows.min() : rows.max(), columns.min() : columns.max()]
    assert codes(crop) == []
    assert codes(crop[4:-4, 4:-4]) == []  # through the scalp


def test_marks_and_other_windows_pass(middle):
    image = Image.fromarray(resized(window(middle), 512, 512))
    draw = ImageDraw.Draw(image)
    for row in (10, 30, 50):
        draw.text((8, row), "R 12:30 C40 W80", fill=255)
    draw.line((8, 400, 8, 500), fill=255, width=3)
    assert codes(np.asarray(image)) == []
    for low, high in ((-20, 180), (0, 100), (-10, 70), (0, 255), (-40, 120)):
        assert codes(window(middle, low, high)) == []


def test_opened_skulls_and_infants_pass(middle):
    rows, columns = np.indices(middle.shape)
    flap = (np.abs(rows - 128) < 30) & (columns > 128) & (middle > 100)
    assert codes(window(np.where(flap, 35, middle))) == []
    thin = np.where(ndimage.binary_erosion(middle > 200, iterations=1), middle, np.minimum(middle, 60))
    assert codes(window(thin)) == []


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_refused(name):
    picture = getattr(skimage.data, name)()
    if picture.dtype != np.uint8:
        picture = (255 * np.clip(picture.astype(float), 0, 1)).astype(np.uint8)
    assert codes(np.asarray(Image.fromarray(picture).convert("L"))) in ([Code.NOT_HEAD], [Code.NOT_HU])


@pytest.mark.parametrize("noise", [0, 4, 12])
def test_surfaces_are_refused(noise):
    rows, columns = np.mgrid[-1:1:200j, -1:1:200j]
    grain = np.random.default_rng(0).normal(0, noise, rows.shape)
    for grey in (
        0 * rows,
        0 * rows + 110,
        128 + 127 * rows,
        255 - 180 * np.hypot(rows, columns),
        60 + 400 * (rows > 0),
    ):
        picture = np.clip(grey + grain, 0, 255).astype(np.uint8)
        assert codes(picture) in ([Code.NOT_HEAD], [Code.NOT_HU])


def mr(hu, fluid, grey, white, fat):
    """The phantom with the contrast of MR: dark bone, bright fat."""
    smooth = ndimage.gaussian_filter(hu, 1)
    edges = [-200, -120, -60, -10, 8, 28, 36, 80, 160]
    value = np.interp(smooth, edges, [0, fat, fat, fluid, fluid, white, grey, grey, 0.03])
    return window(value + np.abs(np.random.default_rng(0).normal(0, 0.02, hu.shape)), 0, 1)


def radiograph(study):
    path = np.clip((study.hu + 1000.0) / 1000, 0, None).sum(axis=1).T[::-1]
    return window(ndimage.zoom(path, (8, 2), order=1), 0, np.percentile(path, 99.5))


def test_other_images_of_heads_are_refused(study, brain, middle):
    sheet = np.vstack([np.hstack([window(hu) for hu in brain[start : start + 3]]) for start in (2, 5, 8)])
    pair = np.hstack([window(middle), window(brain[2])])
    for picture in (
        mr(middle, 0.1, 0.45, 0.6, 1.0),
        mr(middle, 1.0, 0.55, 0.4, 0.7),
        mr(middle, 0.05, 0.6, 0.5, 0.35),
        radiograph(study),
        255 - window(middle),
        sheet,
        pair,
        np.pad(resized(window(middle), 40, 40), ((20, 440), (300, 160))),  # on a twelfth of the width
        resized(window(middle)[100:150, 105:150], 512, 512),  # brain alone
    ):
        assert codes(picture) in ([Code.NOT_HEAD], [Code.NOT_HU])


def test_inverted_heads_are_refused(brain):
    assert [codes(255 - window(hu)) for hu in brain] == [[Code.NOT_HEAD]] * len(brain)
    for seed in (1000, 1001, 1002):
        study = make_study(seed, size=256)
        for hu in np.moveaxis(study.hu[..., ::5], -1, 0):
            assert codes(255 - window(hu)) in ([Code.NOT_HEAD], [Code.NOT_HU])


@pytest.mark.parametrize("level_width", [(500, 2000), (600, 2800), (300, 1500), (450, 3000), (-600, 1500)])
def test_other_windows_are_refused(middle, level_width):
    level, width = level_width
    picture = window(middle, level - width / 2, level + width / 2)
    assert codes(picture) in ([Code.NOT_HU], [Code.NOT_HEAD])
    if level > 0:
        assert codes(picture) == [Code.NOT_HU]


def test_the_sentence_says_what_was_seen_and_what_to_do():
    photograph = np.float32(80 / 255) * skimage.data.camera().astype(np.float32)
    (finding,) = check_pixels(photograph, name="scan.png")
    assert finding.sentence.startswith("scan.png does not look like a head CT, with ")
    assert finding.sentence.endswith(("give one axial slice of a head.", "give CT in a brain window, 0 to 80 HU."))


def test_it_takes_little_time(middle):
    picture = np.float32(80 / 255) * resized(window(middle), 512, 512).astype(np.float32)
    seconds = []
    for _ in range(5):
        started = time.thread_time()
        check_pixels(picture)
        seconds.append(time.thread_time() - started)
    assert min(seconds) < 0.05
