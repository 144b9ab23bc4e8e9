"""The pictures of the report."""

import io

import numpy as np
from PIL import Image

from ichmonai.prediction.pictures import Pictures
from ichmonai.prediction.report.drawing import draw


def test_sides_are_marked_where_they_are_known_and_nowhere_else():
    slices = np.full((3, 200, 200), 90, np.uint8)
    mask = np.zeros((3, 200, 200), np.uint8)
    mask[1, 90:110, 90:110] = 1
    for placed in (True, False):
        pictures = Pictures(slices, np.full((32, 32), 90, np.uint8), (1.0, 1.0), placed)
        drawn = draw(pictures, {"leading_slice": "1"}, mask)
        bright = {
            name: np.asarray(Image.open(io.BytesIO(content)).convert("L")) > 200 for name, content in drawn.items()
        }
        for name in ("slice.jpg", "marked.jpg"):
            for side in (bright[name][:, :60], bright[name][:, -60:]):
                assert side.any() == placed, name
            assert not bright[name][:300].any(), "nothing hides the image"
        for name in ("small.jpg", "seen.jpg", "strip.jpg"):
            assert not bright[name].any(), name


def test_right_is_on_the_left():
    drawn = draw(
        Pictures(np.full((1, 200, 200), 90, np.uint8), np.zeros((8, 8), np.uint8), (1.0, 1.0), True),
        {"leading_slice": "0"},
    )
    picture = np.asarray(Image.open(io.BytesIO(drawn["slice.jpg"]))) > 200
    right, left = picture[:, :60], picture[:, -60:]
    assert right.sum() > 1.3 * left.sum()  # an R has more strokes than an L
