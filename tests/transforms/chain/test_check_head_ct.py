import csv
from collections import defaultdict

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from ichmonai.datasets.phantom import make_study
from ichmonai.errors import InputError
from ichmonai.io import Code, HeadCTReadError, load_head_ct
from ichmonai.transforms import CheckHeadCT, CheckHeadCTd
from ichmonai.transforms.anatomy.intracranial import brain_content
from ichmonai.transforms.chain.check_head_ct import check_pixels
from ichmonai.transforms.chain.keep_brain_slices import MINIMUM

ROWS, COLUMNS = np.ogrid[-128:128:2, -128:128:2]  # mm, for 128 x 128 pixels of 2 mm


def ellipse(height, width, down=0.0, right=0.0):
    return ((ROWS - down) / height) ** 2 + ((COLUMNS - right) / width) ** 2 <= 1


def volume(*parts, slices=12, noise=8.0):
    hu = np.full((128, 128, slices), -1000.0, np.float32)
    for mask, value in parts:
        hu[mask] = value
    return np.random.default_rng(0).normal(0, noise, hu.shape).astype(np.float32) + hu


def codes(hu, spacing=(2.0, 2.0)):
    return [finding.code for finding in check_pixels(hu, spacing)]


@pytest.fixture(scope="module")
def head():
    return make_study(3, size=128).hu.astype(np.float32)


@pytest.mark.parametrize(
    "window",
    [(-1024, 3000), (0, 80), (-20, 180), (20, 60), (-150, 230), (-800, 2000), (0, 3000), (-1000, 80), (0, 100)],
)
def test_hu_passes_in_any_window(head, window):
    assert codes(np.clip(head, *window), None) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: np.maximum(hu, -1024) + 1024,  # stored values without their intercept
        lambda hu: hu + 500,
        lambda hu: hu - 500,
        lambda hu: np.clip(hu, 0, 80) / 80,
        lambda hu: np.clip(hu, 0, 80) * (255 / 80),
        lambda hu: (hu + 1024) / 4095,
        lambda hu: np.where(hu > 200, 50, np.clip(hu + 40, 0, None) * 5),  # like MR: dark bone, brain of hundreds
    ],
)
def test_other_values_are_not_hu(head, change):
    assert codes(change(head), None) == [Code.NOT_HU]


def test_one_slice_has_to_show_a_head(head):
    middle = head[..., head.shape[-1] // 2]
    assert codes(middle) == codes(np.clip(middle, 0, 80)) == []
    assert codes(np.maximum(middle, -1024) + 1024) == [Code.NOT_HU]
    assert codes(volume((ellipse(90, 110), 40))[..., 0]) == [Code.NOT_HEAD]


SPINE = (ellipse(20, 20, 60), 400.0)
RIBS = [(ellipse(8, 5, 95 * np.sin(a), 120 * np.cos(a)), 500.0) for a in np.linspace(0, 2 * np.pi, 16)]
BODIES = {
    "abdomen": [(ellipse(100, 125), 50.0), SPINE],
    "chest": [
        (ellipse(105, 126), 40.0),
        *((ellipse(70, 45, 0, side), -800.0) for side in (-60, 60)),
        SPINE,
        *RIBS,
    ],
    "knee": [(ellipse(65, 60), 30.0), (ellipse(35, 40), 1000.0), (ellipse(31, 36), -60.0)],
    "water in acrylic": [(ellipse(100, 100), 120.0), (ellipse(90, 90), 0.0)],
    "water in a wall like bone": [(ellipse(110, 110), 900.0), (ellipse(106, 106), 0.0)],
    "wide ring": [(ellipse(126, 126), 900.0), (ellipse(122, 122), 40.0)],
}


@pytest.mark.parametrize("body", BODIES)
def test_other_bodies_are_not_a_head(body):
    hu = volume(*BODIES[body])
    assert codes(hu) == [Code.NOT_HEAD]
    if body != "wide ring":  # a slice has no scale
        assert codes(hu[..., 0]) in ([Code.NOT_HEAD], [Code.NOT_HU])


def test_a_head_beyond_its_usual_shape_passes():
    skull, brain = (ellipse(90, 72), 900.0), (ellipse(84, 66), 35.0)
    assert codes(volume(skull, brain)) == []
    defect = (np.broadcast_to((ROWS < -40) & (COLUMNS > 0), (128, 128)) & ellipse(90, 72) & ~ellipse(84, 66), 40.0)
    open_skull = volume(skull, brain, defect)
    open_skull[..., 8:] = volume(skull, brain)[..., 8:]  # below the flap that was taken out
    assert codes(open_skull) == []
    newborn = volume((ellipse(45, 36), 500.0), (ellipse(42, 33), 25.0))
    assert codes(newborn) == []
    assert codes(newborn, (0.5, 0.5)) == [Code.NOT_HEAD]  # 2 cm wide


@pytest.mark.parametrize("hu", [np.full((64, 64, 4), -1000.0), np.full((64, 64), -1024.0), np.zeros((64, 64, 4))])
def test_nothing_is_not_a_head(hu):
    assert codes(hu.astype(np.float32)) == [Code.NOT_HEAD]


def test_a_window_in_which_bone_is_like_brain_is_not_asked_for_a_skull():
    assert codes(np.clip(volume((ellipse(90, 72), 35.0)), 0, 60)) == []


def test_findings_are_added_and_judged(head):
    reader = [["intercept_corrected", "It was mended."]]
    image = MetaTensor(torch.from_numpy(head)[None] + 1024, meta={"findings": reader, "filename_or_obj": "a.nii"})
    with pytest.raises(HeadCTReadError, match=r"^a\.nii is not in HU") as info:
        CheckHeadCT()(image)
    assert info.value.code is Code.NOT_HU
    accepted = CheckHeadCTd("image", accept=["not_hu", "not_head"])({"image": image})["image"]
    assert [code for code, _ in accepted.meta["findings"]] == ["intercept_corrected", "not_hu"]
    assert image.meta["findings"] == reader
    assert torch.equal(accepted, image)
    assert torch.equal(accepted.affine, image.affine)
    image.meta["findings"] = [["not_hu", "RescaleType EDW."]]
    with pytest.raises(HeadCTReadError, match="EDW"):
        CheckHeadCT()(image - 1024)


def test_arguments(head):
    with pytest.raises(InputError, match="cannot be accepted"):
        CheckHeadCT(accept=["undecodable"])
    for shape in ((2, 64, 64), (64, 64), (1, 64, 64, 4, 1)):
        with pytest.raises(ValueError, match="a slice"):
            CheckHeadCT()(torch.zeros(shape))
    assert CheckHeadCT()(head[None]).shape == (1, *head.shape)


@pytest.mark.data
def test_real_heads_pass(real_data):
    studies = defaultdict(list)
    with (real_data / "phe" / "slices.csv").open() as file:
        for row in csv.DictReader(file):
            studies[row["patient"]].append((int(row["slice"]), real_data / "phe" / row["image"]))
    refused = []
    for patient, images in sorted(studies.items())[::5]:
        hu = np.stack([load_head_ct(path)[0].numpy() for _, path in sorted(images)], axis=-1)
        refused += [(patient, finding) for finding in check_pixels(hu)]
    assert len(studies) == 55
    assert refused == []
    pictures = sorted((real_data / "head_ct_200").glob("*.png"))
    for folder, step in (("healthy", 7), ("ischaemic", 1), ("mbh", 1), ("dtvit", 50)):
        pictures += sorted((real_data / folder / "images").iterdir())[::step]
    assert len(pictures) > 500
    refused = []
    for path in pictures:
        image = load_head_ct(path)
        hu = image[0].numpy()
        if (image.meta["findings"] or check_pixels(hu)) and not brain_content(hu)[0] < MINIMUM:
            refused.append(path.name)
    assert refused == []
    tilted = CheckHeadCT()(load_head_ct(real_data / "dicom" / "ge_tilted_head"))
    assert tilted.meta["findings"] == []
