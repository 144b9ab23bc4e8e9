"""Images that are like another: the same, nearly the same, or just the nearest."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ALIKE = 0.95
"""Correlation of two pictures of 32x32 pixels from which they are compared in detail."""

SAME_DETAIL = 0.8
"""Correlation of the detail of two pictures of 128x128 pixels from which they are near duplicates.

On 5,132 slices of 342 patients the most alike slices of two persons reach 0.67, and copies that were compressed again
(JPEG quality 20), halved in size, shown in another window, brightened by a fifth or given noise 0.98 and more; copies
turned by one degree 0.83 and more. Copies that were shifted by two pixels of 512 (0.75) or enlarged by 2% are not
found.
"""

_BLUR = 2.0  # pixels of 128; what is coarser is alike in all heads
_BLOCK = 512  # rows of the correlation matrix that are held at once


class NearDuplicate(NamedTuple):
    """Two images, by their rows, whose detail correlates."""

    first: int
    second: int
    correlation: float


def identical_groups(sha256: Sequence[str]) -> list[list[int]]:
    """Rows of images with the same pixels, in groups of two and more; "" is the same as none."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(sha256):
        if digest:
            rows[digest].append(row)
    return [group for group in rows.values() if len(group) > 1]


def linked_patients(patients: Sequence[str], groups: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Number the patients (N,), with one number for those who share an image."""
    names, number = np.unique(patients, return_inverse=True)
    links = [(number[group[0]], number[row]) for group in groups for row in group[1:]]
    first, second = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), (first, second)), (len(names), len(names)))
    return connected_components(graph, directed=False)[1].astype(np.int64)[number]


def near_duplicates(
    small: NDArray[np.uint8], large: NDArray[np.uint8], sha256: Sequence[str], patients: Sequence[str]
) -> list[NearDuplicate]:
    """Find pairs of images of different patients that show the same, but not the same pixels.

    Pictures that look alike when coarse (`ALIKE`) are compared in their detail, that is what a blur takes away: noise,
    sulci, ventricles (`SAME_DETAIL`).

    Args:
        small: (N, 32, 32).
        large: (N, 128, 128).
        sha256: N digests; identical images are left out.
        patients: N names.

    Returns:
        The pairs, the most alike first.
    """
    coarse = _standardised(small)
    _, patient = np.unique(patients, return_inverse=True)
    _, pixels = np.unique(sha256, return_inverse=True)
    found = []
    for start in range(0, len(coarse), _BLOCK):
        rows = slice(start, start + _BLOCK)
        alike = np.argwhere(coarse[rows] @ coarse[start:].T >= ALIKE) + start
        first, second = alike[alike[:, 0] < alike[:, 1]].T
        candidates = (patient[first] != patient[second]) & (pixels[first] != pixels[second])
        for pairs in _blocks(np.column_stack([first, second])[candidates]):
            one, other = (_detail(large[side]) for side in pairs.T)
            correlation = np.einsum("ij,ij->i", one, other)
            same = correlation >= SAME_DETAIL
            found += [
                NearDuplicate(int(a), int(b), float(c))
                for (a, b), c in zip(pairs[same], correlation[same], strict=True)
            ]
    return sorted(found, key=lambda pair: (-pair.correlation, pair))


def nearest(small: NDArray[np.uint8], group: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The most correlated other image of each, of all and of those of other groups.

    Args:
        small: (N, 32, 32).
        group: (N,) number of the patient; two groups at least.

    Returns:
        Two times (N,) rows.
    """
    coarse = _standardised(small)
    of_all, of_others = [], []
    for start in range(0, len(coarse), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(coarse)))
        correlation = coarse[rows] @ coarse.T
        correlation[np.arange(len(rows)), rows] = -np.inf
        of_all.append(correlation.argmax(axis=1))
        correlation[group[rows][:, None] == group] = -np.inf
        of_others.append(correlation.argmax(axis=1))
    return np.concatenate(of_all), np.concatenate(of_others)


def _detail(large: NDArray[np.uint8]) -> NDArray[np.float32]:
    pictures = large.astype(np.float32)
    return _standardised(pictures - gaussian_filter(pictures, (0, _BLUR, _BLUR)))


def _standardised(pictures: NDArray) -> NDArray[np.float32]:
    """Rows (N, pixels) whose products are correlations; zero for a picture of one value."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _blocks(pairs: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(pairs), _BLOCK):
        yield pairs[start : start + _BLOCK]
