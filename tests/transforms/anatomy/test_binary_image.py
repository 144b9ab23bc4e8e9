"""Each operation against the general one of scipy or skimage."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import disk

from ichmonai.transforms.anatomy.binary_image import (
    Pieces,
    close,
    dilate,
    dilate_by_boxes,
    erode,
    fill_holes,
    straight_runs,
)
from ichmonai.transforms.chain.remove_head_holder_as_published import DISK_3

SHAPES = [(1, 1), (7, 40), (64, 64), (51, 83)]


@pytest.fixture(params=[(shape, share) for shape in SHAPES for share in (0.02, 0.5, 0.95)], ids=str)
def mask(request):
    shape, share = request.param
    return np.random.default_rng(0).random(shape) < share


@pytest.mark.parametrize("radius", [1, 4, 6])
def test_squares(mask, radius):
    square = np.ones((2 * radius + 1, 2 * radius + 1), bool)
    np.testing.assert_array_equal(dilate(mask, radius), ndimage.binary_dilation(mask, square))
    np.testing.assert_array_equal(erode(mask, radius), ndimage.binary_erosion(mask, square, border_value=1))
    around = np.pad(mask, 2 * radius)
    closed = ndimage.binary_closing(around, square)[2 * radius : -2 * radius, 2 * radius : -2 * radius]
    np.testing.assert_array_equal(close(mask, radius), closed)


def test_boxes_make_the_disk(mask):
    np.testing.assert_array_equal(dilate_by_boxes(mask, DISK_3), ndimage.binary_dilation(mask, disk(3)))


def test_fill_holes(mask):
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


@pytest.mark.parametrize("diagonal", [False, True])
def test_pieces(mask, diagonal):
    labels, count = ndimage.label(mask, ndimage.generate_binary_structure(2, 1 + diagonal))
    pieces = Pieces(mask, diagonal)
    assert pieces.count == count
    # A piece is known by its topmost pixel, the first in row-major order, in both.
    order = np.unique(labels[mask], return_index=True)[1].argsort()
    other = np.random.default_rng(1).random(mask.shape) < 0.3
    numbers = 1 + order
    np.testing.assert_array_equal(pieces.sizes, np.bincount(labels.ravel(), minlength=count + 1)[numbers])
    np.testing.assert_array_equal(pieces.inside(other), np.bincount(labels[other], minlength=count + 1)[numbers])
    chosen = np.arange(count) % 3 == 0
    np.testing.assert_array_equal(pieces.paint(chosen), np.isin(labels, numbers[chosen]))
    boxes = [ndimage.find_objects(labels)[number - 1] for number in numbers]
    areas = [(rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in boxes]
    np.testing.assert_array_equal(pieces.box_areas(), areas)
    values = np.random.default_rng(2).random(int(mask.sum()))
    lowest, highest = pieces.range_of(values)
    for number, low, high in zip(numbers, lowest, highest, strict=True):
        own = values[labels[mask] == number]
        assert (low, high) == (own.min(), own.max())


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1), (1, -1), (2, 1), (1, -3)])
def test_straight_runs(step):
    count = int(np.ceil(15 / np.hypot(*step)))
    line = np.zeros((60, 70), bool)
    for k in range(count):
        line[20 + k * step[0], 35 + k * step[1]] = True
    np.testing.assert_array_equal(straight_runs(line, 15), line)
    line[20, 35] = False
    assert not straight_runs(line, 15).any()


def test_straight_runs_end_at_the_edge():
    line = np.zeros((40, 40), bool)
    line[10, -8:] = line[11, :8] = True  # one row goes on in the next only in memory
    assert not straight_runs(line, 15).any()
