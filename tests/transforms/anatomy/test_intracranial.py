import csv

import numpy as np
import pytest
import torch
from scipy import ndimage

from ichmonai.datasets.phantom import make_study
from ichmonai.transforms.anatomy.intracranial import brain_content, intracranial_mask

ENOUGH = 0.05


def clip(hu: np.ndarray) -> np.ndarray:
    """The HU that an 8-bit image of the 0..80 HU window gives back."""
    return np.round(np.clip(hu, 0, 80) * 255 / 80) * np.float32(80 / 255)


@pytest.fixture(scope="module", params=[(1, "normal", 0.0), (3, "subdural", 18.0), (5, "subtentorial", 0.0)], ids=str)
def study(request):
    seed, kind, tilt = request.param
    return make_study(seed, kind, size=128, tilt=tilt)


@pytest.fixture(params=["hu", "clipped"])
def image(request, study):
    """HU with known spacing, and an 8-bit volume without."""
    hu = study.hu.astype(np.float32)
    return (hu, (study.spacing,) * 2) if request.param == "hu" else (clip(hu), None)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_mask_of_a_phantom(study, image):
    mask = intracranial_mask(*image)
    assert mask.shape == study.hu.shape
    assert mask.dtype == bool
    assert overlap(mask, study.brain) > 0.93
    assert (mask & ~study.brain).sum() < 0.02 * study.brain.sum()


def test_content_of_a_phantom(study, image):
    content = brain_content(*image)
    area = np.array([record.brain_mm2 for record in study.truth])
    head = study.head.sum(axis=(0, 1)) * study.spacing**2
    shows = area > 0.2 * head
    assert shows.sum() > 20
    assert (content[shows] >= ENOUGH).all()
    assert (content[area < 300] < ENOUGH).all()
    assert (area < 300).any()  # the study has neck and the bone of the vertex
    np.testing.assert_allclose(content[shows], area[shows] / head[shows], atol=0.12)


def test_blood_is_inside(study, image):
    shown = (study.blood > 0) & (study.hu < 76)  # not where it shares a voxel with bone; none in the normal study
    assert (intracranial_mask(*image) & shown).sum() >= 0.9 * shown.sum()
    blood = np.array([record.blood_mm2 for record in study.truth])
    assert (brain_content(*image)[blood > 50] >= ENOUGH).all()


def test_slices_alone_keep_what_the_volume_keeps(study, image):
    hu, spacing = image
    whole = brain_content(hu, spacing)
    alone = np.array([brain_content(hu[..., k], spacing)[0] for k in range(hu.shape[-1])])
    assert not (alone[whole > 0.1] < ENOUGH).any()
    assert (alone < ENOUGH).any()  # and something is refused


def test_craniectomy_keeps_all_slices(study, image):
    hu, spacing = image
    row, column, level = ndimage.center_of_mass(study.brain)
    rows, columns, levels = np.ogrid[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
    flap = study.head & (columns < column) & (abs(rows - row) < 50 / study.spacing) & (levels > level - 4)
    opened = np.where(flap & (hu > 76) & ~study.brain, np.float32(45), hu)
    opened[flap & (hu < 2)] = 40  # swollen scalp
    closed = brain_content(hu, spacing)
    assert (brain_content(opened, spacing)[closed > 0.2] >= ENOUGH).all()
    assert (intracranial_mask(opened, spacing) & study.brain).sum() > 0.9 * study.brain.sum()


def test_a_damaged_slice_does_not_end_the_search(study, image):
    hu, spacing = image
    widest = int(study.brain.sum(axis=(0, 1)).argmax())
    damaged = hu.copy()
    damaged[..., widest - 5] = hu.min()
    content = brain_content(damaged, spacing)
    assert content[widest - 5] == 0
    np.testing.assert_allclose(
        np.delete(content, widest - 5), np.delete(brain_content(hu, spacing), widest - 5), atol=0.05
    )


def test_saturated_blood_is_inside(head):
    hu, truth = head(512, 512)
    rows, columns = np.ogrid[:512, :512]
    hu[(rows - 230) ** 2 + (columns - 200) ** 2 < 40**2] = 95  # above the window
    mask = intracranial_mask(clip(hu))
    assert mask[200:260, 170:230].all()
    assert not mask[~truth].any()


def test_muscles_and_air_are_no_brain():
    hu = np.full((256, 256, 4), -1000.0, np.float32)
    hu[40:220, 60:200] = -100  # fat of the neck
    for column in (70, 100, 140, 170):
        hu[60:140, column : column + 25] = 55
    hu[150:190, 105:155] = 700  # a vertebra
    hu[162:178, 121:139] = 30  # and its canal
    for image in (hu, clip(hu)):
        assert (brain_content(image) < ENOUGH).all()
        assert brain_content(image[..., 0])[0] < ENOUGH
    assert not intracranial_mask(hu).any()


def test_vertex_of_bone_alone_is_no_brain(head):
    hu, _ = head(256, 256)
    hu[hu == 35] = 1000
    for image in (hu, clip(hu)):
        assert brain_content(image).tolist() == [0]


def test_bone_that_does_not_saturate_cannot_be_told(head):
    grey = np.stack([head(256, 256)[0]] * 3, axis=-1)
    grey = np.clip((grey + 400) / 1400, 0, 0.9) * 80  # a bone window, read as 0..80 HU
    assert np.isnan(brain_content(grey)).all()
    assert np.isnan(brain_content(grey[..., 0])).all()


def test_open_skull_of_a_single_slice_is_left_open(head):
    hu, _ = head(256, 256)
    hu[hu > 100] = 40
    assert np.isnan(brain_content(hu)[0])


@pytest.mark.parametrize("shape", [(64, 64), (64, 48, 5), (511, 300), (1, 1)])
@pytest.mark.parametrize("value", [-1000, 0])
def test_empty_image(shape, value):
    hu = np.full(shape, value, np.int16)
    assert not intracranial_mask(hu).any()
    assert brain_content(hu).tolist() == [0] * (shape[2] if len(shape) == 3 else 1)


@pytest.mark.parametrize("size", [(512, 512), (400, 640), (701, 768), (200, 200)])
def test_any_size(head, size):
    hu, _ = head(*size)
    mask = intracranial_mask(hu)
    assert overlap(mask, hu == 35) > 0.95
    assert 0.5 < brain_content(hu)[0] < 0.9


def test_tensor_in_tensor_out(head):
    hu, _ = head(128, 128)
    mask = intracranial_mask(torch.from_numpy(hu))
    assert type(mask) is torch.Tensor
    np.testing.assert_array_equal(mask.numpy(), intracranial_mask(hu))


def test_wrong_shape_raises():
    with pytest.raises(ValueError, match="slice"):
        intracranial_mask(np.zeros((1, 8, 8, 4)))


@pytest.mark.data
def test_no_real_slice_with_haemorrhage_is_lost(real_data):
    from PIL import Image

    with (real_data / "phe" / "slices.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    for patient in sorted({row["patient"] for row in rows})[::8]:
        ours = sorted((row for row in rows if row["patient"] == patient), key=lambda row: int(row["slice"]))
        pixels = [np.asarray(Image.open(real_data / "phe" / row["image"]).convert("L"), np.float32) for row in ours]
        content = brain_content(np.stack(pixels, axis=-1) * np.float32(80 / 255))
        lost = [
            row["image"] for row, share in zip(ours, content, strict=True) if row["ich_proxy"] == "1" and share < ENOUGH
        ]
        assert not lost


def test_the_lowest_value_may_be_in_any_row():
    hu = np.full((64, 64), -1000.0)
    hu[10:50, 10:50] = 900
    hu[13:47, 13:47] = -20
    hu[20, 20] = -40  # -20 is no fat beside it, whichever rows a quick look takes
    assert brain_content(hu)[0] > 0.3
