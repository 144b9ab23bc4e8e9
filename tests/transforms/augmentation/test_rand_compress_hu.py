import io

import numpy as np
import pytest
import torch
from PIL import Image

from ichmonai.transforms import RandCompressHU


@pytest.fixture
def image() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(35, 6, (1, 64, 64)).astype(np.float32).clip(0, 80))


def test_is_what_pillow_reads_of_a_jpeg(image):
    file = io.BytesIO()
    Image.fromarray((image[0] * 255 / 80).round().byte().numpy()).save(file, "JPEG", quality=50)
    expected = np.asarray(Image.open(file), np.float32) * 80 / 255
    result = RandCompressHU((50, 50), prob=1)(image)
    assert np.abs(result[0].numpy() - expected).max() < 1e-4


def test_lower_quality_loses_more(image):
    losses = [(RandCompressHU((q, q), prob=1)(image) - image).abs().mean() for q in (95, 70, 30)]
    assert 0 < losses[0] < losses[1] < losses[2]


def test_stays_in_its_limits_and_its_qualities(image):
    compress = RandCompressHU((40, 60), (0, 80), prob=1).set_random_state(0)
    drawn = set()
    for _ in range(30):
        result = compress(image * 3 - 60)
        assert 0 <= result.min() <= result.max() <= 80
        drawn.add(compress.drawn)
    assert 40 <= min(drawn) < max(drawn) <= 60


@pytest.mark.parametrize("wrong", [{"quality": (0, 50)}, {"quality": (60, 50)}, {"limits": (80.0, 0.0)}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="RandCompressHU"):
        RandCompressHU(**wrong)
