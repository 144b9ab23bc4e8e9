import numpy as np
import pytest
import torch

from ichmonai.transforms import RemoveHeadHolder, RemoveHeadHolderAsPublished, WindowHU
from ichmonai.transforms.anatomy.head_mask import head_mask


def test_head_stays_and_table_goes(head):
    hu, truth = head(512, 512)
    hu[490:496] = 60
    result = RemoveHeadHolder()(hu[None])
    assert result.dtype == torch.float32
    np.testing.assert_array_equal(result[0].numpy()[truth], hu[truth])
    assert (result[0, 480:] == -1000).all()


def test_window_of_a_clipped_image_does_not_see_the_fill(head):
    hu, _ = head(256, 256)
    clipped = torch.from_numpy(np.clip(hu, 0, 80))[None]
    torch.testing.assert_close(WindowHU()(RemoveHeadHolder()(clipped)), WindowHU()(clipped))


def test_second_time_changes_nothing(head):
    hu, _ = head(512, 512)
    hu[490:496] = 60
    once = RemoveHeadHolder()(hu[None])
    torch.testing.assert_close(RemoveHeadHolder()(once), once)


@pytest.mark.parametrize("low", [0.0, 20.0])
def test_slice_without_0_or_80_hu(low):
    hu = np.full((256, 256), low, np.float32)
    hu[60:180, 60:180] = 45
    hu[240:244, 20:236] = 45
    result = RemoveHeadHolder(fill=low)(hu[None])[0]
    assert (result[60:180, 60:180] == 45).all()
    assert (result[235:] == low).all()


def test_as_published_on_its_good_case():
    hu = np.full((256, 256), -1000.0, np.float32)
    hu[60:180, 60:180] = 40
    hu[100, 100] = 80  # min-max then spans 0..80 HU
    hu[240:244] = 60
    result = RemoveHeadHolderAsPublished()(hu[None])[0].numpy()
    assert not result[235:].any()
    inside = np.s_[63:177, 63:177]  # the disk rounds the corners off
    np.testing.assert_allclose(result[inside], hu[inside], atol=80 / 255)


def test_as_published_has_the_faults_of_the_original(head, brace):
    hu, truth = head(512, 512)
    thin_skin = truth & (hu == 30)
    lost = RemoveHeadHolderAsPublished()(hu[None])[0].numpy()
    assert not lost[thin_skin].all()

    small, _ = head(512, 512, 0.6)
    ring = brace(small, 20, thickness=10)  # encloses the head: the largest contour
    assert RemoveHeadHolderAsPublished()(small[None])[0].numpy()[ring].mean() > 60
    assert not head_mask(small)[ring].any()

    dim = np.full((64, 64), 0.0, np.float32)
    dim[20:50, 20:50] = 10  # no 80 HU in the slice: min-max makes it white
    assert RemoveHeadHolderAsPublished()(dim[None]).max() == 80


@pytest.mark.data
def test_dtvit_images_keep_all_foreground(real_data):
    from PIL import Image

    images = sorted((real_data / "dtvit").rglob("*.jpg"))[::100]
    lost = []
    for path in images:
        hu = np.asarray(Image.open(path).convert("L"), np.float32) * 80 / 255
        lost.append(((hu > 20) & ~head_mask(hu)).sum() / (hu > 20).sum())
    assert np.mean(np.array(lost) > 0.005) < 0.05
