"""Convex hulls of binary images, of all images of a stack (S, H, W) at once."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ichmonai.transforms.anatomy.binary_image import Mask

TURNS = np.arange(128) * np.pi / 64
NORMALS = np.column_stack([np.sin(TURNS), np.cos(TURNS)]).astype(np.float32)  # to (row, column)


def hull_reaches(masks: Mask) -> NDArray[np.float32]:
    """How far masks reach in each of NORMALS, (S, 128): their convex hulls, but for a fraction of a pixel."""
    reach = np.zeros((len(masks), len(NORMALS)), np.float32)
    image, row, first, last = row_ends(masks)
    bounds = np.searchsorted(image, np.arange(len(masks) + 1))
    for index, (low, high) in enumerate(pairwise(bounds)):
        if low < high:
            ends = np.array([np.tile(row[low:high], 2), np.concatenate([first[low:high], last[low:high]])], np.float32)
            reach[index] = (NORMALS @ ends).max(axis=1)
    return reach


def hull_distances(reaches: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Distance of pixels, (3, N) image by image, to the hull of their image, (N,); negative inside."""
    distances = np.empty(places.shape[1], np.float32)
    bounds = np.searchsorted(places[0], np.arange(len(reaches) + 1))
    for hull, (low, high) in zip(reaches, pairwise(bounds), strict=True):
        if low < high:
            distances[low:high] = (NORMALS @ places[1:, low:high].astype(np.float32) - hull[:, None]).max(axis=0)
    return distances


def row_ends(masks: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Image, row, first and last column, (N,) each, of all rows of a stack (S, H, W) in which there is something."""
    image, row = np.nonzero(masks.any(axis=2))
    numbers = np.arange(masks.shape[2], dtype=np.uint16)
    first, last = masks.argmax(axis=2), (masks * numbers).max(axis=2)
    return image, row, first[image, row], last[image, row].astype(np.int64)


def hull_areas(masks: Mask) -> NDArray[np.float64]:
    """Area of the convex hull of each mask of a stack (S, H, W) in pixels: (S,)."""
    image, row, first, last = row_ends(masks)
    areas = np.zeros(len(masks))
    for reach in (last + 1, -first):  # to the right, and to the left
        corners = np.full((len(masks), masks.shape[1] + 1), -masks.shape[2] - 1)
        for below in (0, 1):
            corners[image, row + below] = np.maximum(corners[image, row + below], reach)
        images, rows = np.nonzero(corners >= -masks.shape[2])
        columns, stands_out = corners[images, rows], np.zeros(1, bool)
        while not stands_out.all():  # what does not, between its neighbours, is no corner of the hull
            (y0, y1, y2), (x0, x1, x2) = ((side[:-2], side[1:-1], side[2:]) for side in (rows, columns))
            stands_out = np.ones(len(rows), bool)
            stands_out[1:-1] = (images[:-2] != images[2:]) | ((x1 - x0) * (y2 - y0) > (x2 - x0) * (y1 - y0))
            images, rows, columns = images[stands_out], rows[stands_out], columns[stands_out]
        strips = np.diff(rows) * (columns[1:] + columns[:-1]) / 2
        np.add.at(areas, images[1:], np.where(images[1:] == images[:-1], strips, 0))
    return areas
