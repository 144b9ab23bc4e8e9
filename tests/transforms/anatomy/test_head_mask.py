import numpy as np
import pytest
import torch

from ichmonai.transforms.anatomy.head_mask import head_mask

SIZES = [(512, 512), (256, 256), (400, 640), (768, 701)]


def clip(hu: np.ndarray) -> np.ndarray:
    """The HU that an 8-bit image of the 0..80 HU window gives back."""
    return np.round(np.clip(hu, 0, 80) * 255 / 80) * np.float32(80 / 255)


def check(mask: np.ndarray, truth: np.ndarray, holder: np.ndarray) -> None:
    assert mask.dtype == bool
    assert (mask & truth).sum() == truth.sum()
    assert not (mask & holder).any()
    assert mask.sum() < 1.06 * truth.sum()  # and not much beside the head


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window", [np.asarray, clip])
def test_table_below(head, size, window):
    hu, truth = head(*size)
    table = np.zeros_like(truth)
    table[-size[0] // 20 : -size[0] // 30] = True
    hu[table] = 60
    check(head_mask(window(hu)), truth, table)


@pytest.mark.parametrize("window", [np.asarray, clip])
@pytest.mark.parametrize("opening", [0.0, 0.4])
def test_brace_around_the_head(head, brace, window, opening):
    hu, truth = head(512, 512, 0.7)  # the brace is drawn for a head of full size: about 90 px away
    check(head_mask(window(hu)), truth, brace(hu, 20, opening))


def test_brace_that_touches_the_head_is_cut(head):
    hu, truth = head(512, 512)
    columns = slice(40, 472)  # a plate tangent to the back of the head, far out on both sides
    top = int(np.flatnonzero(truth.any(1))[-1])
    plate = np.zeros_like(truth)
    plate[top : top + 4, columns] = True
    plate &= ~truth
    hu[plate] = 60
    mask = head_mask(hu)
    assert mask[truth].mean() > 0.998
    assert mask[plate].mean() < 0.25


def test_foreground_in_the_corner(head):
    hu, truth = head(512, 512)
    corner = np.zeros_like(truth)
    corner[:12, :12] = True
    hu[corner] = 80
    check(head_mask(hu), truth, corner)


def test_head_cut_by_the_edge_of_the_image(head):
    hu, truth = head(512, 512)
    check(head_mask(hu[60:]), truth[60:], np.zeros_like(truth[60:]))


def test_upside_down(head):
    hu, truth = head(512, 512)
    hu[-20:-12] = 60
    table = np.zeros_like(truth)
    table[-20:-12] = True
    check(head_mask(np.ascontiguousarray(hu[::-1])), truth[::-1], table[::-1])


@pytest.mark.parametrize("shape", [(512, 512), (64, 48), (128, 128, 5)])
@pytest.mark.parametrize("value", [-1000.0, 0.0, 40.0])
def test_uniform_image_has_no_head(shape, value):
    assert not head_mask(np.full(shape, value)).any()


def test_noisy_air_has_no_head():
    air = np.random.default_rng(0).normal(-1000, 30, (256, 256))
    assert not head_mask(air).any()


def test_holder_alone_has_no_head(head, brace):
    hu = np.full((512, 512), -1000.0)
    brace(hu, 20, 0.4, thickness=10)
    assert not head_mask(hu).any()


def test_volume_agrees_with_slices_and_drops_what_only_looks_like_a_head(head):
    slices = [head(512, 512, scale) for scale in (1.0, 0.95, 0.8, 0.5)]
    hu = np.stack([one for one, _ in slices] + [np.full((512, 512), -1000.0)], axis=-1)
    hu[450:470, 200:300, 4] = 40  # a cushion above the head
    mask = head_mask(hu)
    for k, (one, _) in enumerate(slices):
        np.testing.assert_array_equal(mask[..., k], head_mask(one))
    assert not mask[..., 4].any()
    assert head_mask(np.ascontiguousarray(hu[..., 4])).any()


def test_plate_that_stands_free_in_other_slices_is_cut_where_it_touches_the_head(head):
    slices = [head(512, 512, scale) for scale in [1.0] * 2 + [0.8] * 8]
    hu, truth = (np.stack(images, axis=-1) for images in zip(*slices, strict=True))
    plate = np.zeros_like(truth)
    plate[200:400, 402:408] = True  # tangent to the largest slices
    plate &= ~truth
    hu[plate] = 70
    assert (head_mask(hu[..., :2]) & plate[..., :2]).any()  # few slices leave it open
    mask = head_mask(hu)
    assert mask[truth].mean() > 0.999
    assert not (mask & plate).any()


@pytest.mark.parametrize("length", [20, 40])
def test_ear_on_a_plate_that_stands_free_in_other_slices_stays(head, length):
    shapes = [head(512, 512, scale) for scale in [1.0] * 2 + [0.8] * 8]
    hu, truth = (np.stack(images, axis=-1) for images in zip(*shapes, strict=True))
    side = int(np.flatnonzero(truth[..., 0].any(0))[-1])
    ear = np.zeros_like(truth)
    ear[230 : 230 + length // 2, side - 3 : side + length, :2] = True
    hu[ear] = 30
    truth |= ear
    plate = np.zeros_like(truth)
    plate[150:500, side + length : side + length + 6] = True
    hu[plate] = 70
    mask = head_mask(clip(hu))
    alone = head_mask(np.ascontiguousarray(clip(hu)[..., 0]))
    assert (truth[..., 0] & ~alone).any() or (plate[..., 0] & alone).any()  # a slice leaves it open
    assert mask[truth].mean() > 0.999
    assert not (mask & plate).any()


def test_volume_keeps_the_top_of_the_head(head):
    large, _ = head(512, 512)
    cap = np.full((512, 512), -1000.0, np.float32)
    cap[225:235, 250:262] = 40  # too thin for a slice on its own
    mask = head_mask(np.stack([large, cap], axis=-1))
    assert mask[225:235, 250:262, 1].all()
    assert not head_mask(cap).any()


def test_tensor_in_tensor_out(head):
    hu, _ = head(128, 128)
    mask = head_mask(torch.from_numpy(hu))
    assert type(mask) is torch.Tensor
    assert mask.dtype == torch.bool
    np.testing.assert_array_equal(mask.numpy(), head_mask(hu))


def test_wrong_shape_raises():
    with pytest.raises(ValueError, match="slice"):
        head_mask(np.zeros((1, 8, 8, 4)))
