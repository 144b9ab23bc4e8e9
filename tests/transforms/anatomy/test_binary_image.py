"""Each operation against the general one of scipy or skimage."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.morphology import disk

from ichmonai.transforms.anatomy.binary_image import (
    close,
    dilate,
    dilate_by_boxes,
    enlarge,
    erode,
    shrink,
    straight_runs,
)
from ichmonai.transforms.anatomy.hulls import hull_areas
from ichmonai.transforms.anatomy.pieces import Pieces, fill_holes
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


@pytest.mark.parametrize("count", [1, 8, 11])
def test_a_stack_is_its_images_one_by_one(count):
    stack = np.random.default_rng(3).random((count, 40, 50)) < np.linspace(0, 1, count)[:, None, None]
    stack[0, 10:14, 3:40] = True
    operations = (
        lambda mask: dilate(mask, 3),
        lambda mask: erode(mask, 2),
        lambda mask: close(mask, 4),
        lambda mask: straight_runs(mask, 15),
        lambda mask: enlarge(mask, 2),
        lambda mask: enlarge(mask, 3),
        fill_holes,
    )
    for operation in operations:
        np.testing.assert_array_equal(operation(stack), [operation(one) for one in stack])
    for step in (2, 3):
        blocks = np.pad(stack[-1], [(0, -side % step) for side in stack[-1].shape])
        blocks = blocks.reshape(blocks.shape[0] // step, step, -1, step)
        np.testing.assert_array_equal(shrink(stack[-1], step), blocks.any(axis=(1, 3)))
        np.testing.assert_array_equal(enlarge(stack[-1], step), np.kron(stack[-1], np.ones((step, step), bool)))


def test_pieces_of_a_stack_do_not_touch_across_images():
    stack = np.random.default_rng(4).random((9, 20, 30)) < 0.5
    stack[2] = stack[5] = False
    pieces, alone = Pieces(stack), [Pieces(one) for one in stack]
    np.testing.assert_array_equal(pieces.image, np.repeat(np.arange(9), [one.count for one in alone]))
    np.testing.assert_array_equal(pieces.sizes, np.concatenate([one.sizes for one in alone]))
    np.testing.assert_array_equal(pieces.is_first(), np.diff(pieces.image, prepend=-1) > 0)
    other = np.random.default_rng(5).random(stack.shape) < 0.3
    inside = [one.inside(mask) for one, mask in zip(alone, other, strict=True)]
    np.testing.assert_array_equal(pieces.inside(other), np.concatenate(inside))
    chosen = np.arange(pieces.count) % 3 == 0
    places, owner = pieces.pixels(chosen)
    np.testing.assert_array_equal(places, np.nonzero(pieces.paint(chosen)))
    np.testing.assert_array_equal(np.bincount(owner, minlength=pieces.count), np.where(chosen, pieces.sizes, 0))
    first, last = pieces.ends()
    assert stack[tuple(first)].all()
    assert stack[tuple(last)].all()
    assert (last[2] - first[2] + 1).sum() == stack.sum()


def test_hull_areas():
    stack = np.random.default_rng(6).random((6, 30, 40)) < np.array([0.002, 0.01, 0.1, 0.9, 0.01, 0.05])[:, None, None]
    stack[4], stack[5, :, 7:] = False, False
    areas = []
    for one in stack:
        corners = np.argwhere(one)[:, None] + np.argwhere(np.ones((2, 2)))[None]
        areas.append(ConvexHull(corners.reshape(-1, 2)).volume if one.any() else 0)
    np.testing.assert_allclose(hull_areas(stack), areas)
