"""Where the head is on a head CT: everything inside its outline, without the head holder.

The idea: holders, tables and cables are *thin*, a head is *dense*. In each slice the dense part is found first, then
every thin piece of tissue around it (skin, ears, nose; holder) is judged by its distance to the convex hull of that
part: skin hugs it, holders reach away from it. In a volume the neighbouring slices settle what one slice leaves open.
"""

from typing import NamedTuple, TypeVar

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

Image = TypeVar("Image", np.ndarray, torch.Tensor)

# Lengths are in pixels of the working grid, on which the longer side of a slice has about GRID pixels: 1 mm each for
# the usual field of view of 250 mm. They were chosen on 55 studies with holders of several makes.
GRID = 256
TISSUE_HU = -350.0  # between foam pads (below -700) and fat (-100), near the half height of an edge of air and skin
ABOVE_BLACK_HU = 2.5  # what an image clipped at 0 HU shows above its black; above the ringing of JPEG
PLATE = 4  # half the thickness of the thickest holder; every slice but the topmost has something thicker
BODY = 8  # half the thickness that a second part of the head (jaw, neck) must reach
DENSITY_WINDOW = 30
DENSITY = 0.25  # share of tissue in the window around a pixel of a body; a plate in air stays below
FAR = 30.0  # no detached skin reaches this far from the hull of the dense part
FAR_ATTACHED = 33.0  # nor does anything that hangs on the head, such as an ear
SPREAD = 44.0  # nearest plus farthest distance of a detached piece of skin or ear
CLEAR = 6.0  # what begins farther from the hull may be a piece of the holder that lies next to it
LEAF = 2  # half the thickness of the plates that touch the head
RUN = 15  # shortest straight run of such a plate
WING = 30  # straight run outside the hull that no ear has; in HU, where skin is not thin
CLOSING = 6  # half the widest gap of the outline that is bridged
DIRECTIONS = ((0, 1), (1, 3), (1, 2), (2, 3), (1, 1), (3, 2), (2, 1), (3, 1), (1, 0))
EIGHT = np.ones((3, 3), bool)


class _Parts(NamedTuple):
    """One slice taken apart, on the working grid."""

    tissue: np.ndarray
    head: np.ndarray  # what certainly is head
    loose: np.ndarray  # labels of the pieces that hang on nothing
    keep: np.ndarray  # by label: does the piece look like head?
    far: np.ndarray  # by label: the piece reaches too far to be head, whatever the neighbouring slices say


def head_mask(hu: Image) -> Image:
    """Find the head in a slice or a volume.

    Works on HU, and on HU read back from 8-bit images that are clipped to a window (fat and air are both 0 there). What
    counts is the inside of the outline: skin, fat, ears, nose and the air in them. A volume is judged as a whole:
    neighbouring slices decide about detached pieces and about the topmost slices. On its own, a slice in which nothing
    is thicker than 9 mm has no head.

    Args:
        hu: one slice (H, W) or a volume (H, W, S) in HU, any size, any numeric dtype.

    Returns:
        Boolean mask of the same shape, array for array and tensor for tensor (plain, on the same device); all False
        where there is no head.

    Raises:
        ValueError: if `hu` has neither two nor three dimensions.

    Example:
        >>> hu = np.full((64, 64), -1000.0)
        >>> hu[10:40, 20:50] = 40  # a head
        >>> hu[60, :] = 40  # a table
        >>> mask = head_mask(hu)
        >>> bool(mask[25, 35]), bool(mask[60].any())
        (True, False)
    """
    if hu.ndim not in (2, 3):
        raise ValueError(f"head_mask takes a slice (H, W) or a volume (H, W, S), not an image of shape {hu.shape}.")
    image = hu.detach().cpu().numpy() if isinstance(hu, torch.Tensor) else hu
    slices = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    threshold = max(TISSUE_HU, float(image.min()) + ABOVE_BLACK_HU)
    step = max(1, round(max(slices.shape[1:]) / GRID))
    solid = threshold == TISSUE_HU
    parts = [_take_apart(_shrink(one > threshold, step), solid) for one in slices]
    masks = _join_volume(parts) if len(parts) > 1 else [_outline(parts[0], parts[0].keep)]
    full = np.stack([mask.repeat(step, axis=0).repeat(step, axis=1) for mask in masks])
    full = full[:, : slices.shape[1], : slices.shape[2]]
    result = np.ascontiguousarray(full[0] if image.ndim == 2 else np.moveaxis(full, 0, -1))
    return torch.from_numpy(result).to(hu.device) if isinstance(hu, torch.Tensor) else result


def _take_apart(tissue: np.ndarray, solid: bool) -> _Parts:
    """Split the tissue of a slice into the head, loose pieces and what is certainly neither.

    The tissue is solid where fat is part of it; in an image clipped at 0 HU the skin is a thin ring of its own.
    """
    core = _dense_part(tissue)
    rest = tissue & ~core
    labels, count = ndimage.label(rest, EIGHT)
    hull = _hull(core)
    if hull is None:  # nothing dense: all pieces are loose
        no = np.zeros(count + 1, bool)
        return _Parts(tissue, np.zeros_like(core), labels, no, no)
    attached = _touched(labels, count, _dilate(core, 1))
    # Distance to the hull: negative inside.
    where = labels[rest]
    distance = (np.argwhere(rest) @ hull[:, :2].T + hull[:, 2]).max(axis=1)
    nearest, farthest = np.full(count + 1, np.inf), np.full(count + 1, -np.inf)
    nearest[0] = farthest[0] = 0
    np.minimum.at(nearest, where, distance)
    np.maximum.at(farthest, where, distance)
    bearing = attached & (farthest >= FAR_ATTACHED)
    head = core | attached[labels]
    away = np.zeros_like(rest)
    away[rest] = (distance >= FAR) & bearing[where]
    if solid:
        away |= _wings(tissue)
    if away.any():
        head = _without_plates(tissue, head, core, away)
    labels[attached[labels]] = 0
    far = farthest >= FAR
    keep = ~attached & ~far & (nearest + farthest < (CLEAR if solid else SPREAD))
    # Holders break into pieces, and JPEG surrounds them with specks.
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    beside = np.bincount(labels[_dilate(rest & ~keep[labels] & (labels > 0), CLOSING)], minlength=count + 1)
    keep &= (nearest < CLEAR) | (beside < 0.15 * sizes)
    return _Parts(tissue, head, labels, keep, far)


def _dense_part(tissue: np.ndarray) -> np.ndarray:
    """The bodies of a slice: head, jaw, neck; all False where nothing is thicker than a plate."""
    thick = _erode(tissue, PLATE)
    labels, count = ndimage.label(thick)
    if not count:
        return thick
    seeds = _touched(labels, count, _erode(thick, BODY - PLATE))
    if not seeds.any():
        seeds[1 + np.bincount(labels.ravel())[1:].argmax()] = True
    # Half of the pixels are enough to count the share of tissue.
    share = ndimage.uniform_filter(tissue[::2, ::2].astype(np.float32), DENSITY_WINDOW // 2, mode="constant")
    dense = (share >= DENSITY).repeat(2, axis=0).repeat(2, axis=1)[: tissue.shape[0], : tissue.shape[1]]
    dense &= tissue
    dense |= _dilate(thick, PLATE)
    bodies, count = ndimage.label(dense, EIGHT)
    chosen = _touched(bodies, count, seeds[labels])
    return chosen[bodies]


def _without_plates(tissue: np.ndarray, head: np.ndarray, core: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Cut plates that touch the head: long straight runs of thin tissue that lead to pixels far away."""
    thin = _thin(tissue)
    pieces, count = ndimage.label(thin, EIGHT)
    thin &= _touched(pieces, count, away)[pieces]
    labels, count = ndimage.label(_straight(thin, RUN), EIGHT)
    plates = _dilate(_touched(labels, count, away)[labels], 1)
    pieces, count = ndimage.label(head & ~plates, EIGHT)
    return _touched(pieces, count, _erode(core, LEAF))[pieces]


def _wings(tissue: np.ndarray) -> np.ndarray:
    """Long straight plates outside the hull of all that is thick: sides of a holder that the ears touch."""
    hull = _hull(_dilate(_erode(tissue, PLATE), PLATE))
    if hull is None:
        return np.zeros_like(tissue)
    outside = _thin(tissue)
    outside[outside] = (np.argwhere(outside) @ hull[:, :2].T + hull[:, 2]).max(axis=1) > LEAF
    return _straight(outside, WING)


def _thin(tissue: np.ndarray) -> np.ndarray:
    return tissue & ~_dilate(_erode(tissue, LEAF), LEAF)


def _join_volume(parts: list[_Parts]) -> list[np.ndarray]:
    """Outline all slices, from the largest head outwards; the slice before decides about loose pieces."""
    start = int(np.argmax([part.head.sum() for part in parts]))
    masks = {start: _outline(parts[start], parts[start].keep)}
    for order in (range(start + 1, len(parts)), range(start - 1, -1, -1)):
        for index in order:
            before = index - 1 if index > start else index + 1
            inside = masks[before]
            removed = _dilate(parts[before].tissue & ~inside, 3)
            part = parts[index]
            if not (part.head & inside).any():
                part = part._replace(head=np.zeros_like(part.head))
            sizes = np.bincount(part.loose.ravel(), minlength=len(part.keep))
            in_head = np.bincount(part.loose[_dilate(inside, 2)], minlength=len(part.keep)) > 0.5 * sizes
            in_head &= ~part.far
            in_holder = np.bincount(part.loose[removed], minlength=len(part.keep)) > 0.5 * sizes
            masks[index] = _outline(part, in_head | (part.keep & ~in_holder & part.head.any()))
    return [masks[index] for index in range(len(parts))]


def _outline(part: _Parts, keep: np.ndarray) -> np.ndarray:
    """Inside of the outline of the head and the loose pieces to keep; no other tissue."""
    keep[0] = False
    head = part.head | keep[part.loose]
    if not head.any():
        return head
    closed = _erode(_dilate(np.pad(head, CLOSING), CLOSING), CLOSING)[CLOSING:-CLOSING, CLOSING:-CLOSING]
    closed = _dilate(closed | head, 1)
    outside, _ = ndimage.label(np.pad(~closed, 1, constant_values=True))
    filled = (outside != outside[0, 0])[1:-1, 1:-1]
    return filled & (head | ~part.tissue | _erode(filled, CLOSING))


def _hull(mask: np.ndarray) -> np.ndarray | None:
    """Half-planes (n, 3) whose intersection is the convex hull of a mask: normal to (row, column), offset."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    if len(rows) < 3:
        return None
    try:
        return ConvexHull(np.column_stack([np.tile(rows, 2), np.concatenate([first, last])])).equations
    except QhullError:
        return None


def _touched(labels: np.ndarray, count: int, mask: np.ndarray) -> np.ndarray:
    """Which labels occur inside a mask, as a boolean table by label; never the background."""
    table = np.zeros(count + 1, bool)
    table[labels[mask]] = True
    table[0] = False
    return table


def _shrink(mask: np.ndarray, step: int) -> np.ndarray:
    """Is any pixel of each step x step block set?"""
    if step == 1:
        return mask
    mask = np.pad(mask, [(0, -side % step) for side in mask.shape])
    rows = np.logical_or.reduce([mask[offset::step] for offset in range(step)])
    return np.logical_or.reduce([rows[:, offset::step] for offset in range(step)])


def _dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """Dilate by a square of side 2 * radius + 1, by shifts of doubling length (faster than scipy's filters)."""
    height, width = mask.shape
    grown = np.pad(mask, radius)
    reach = 1
    while reach <= 2 * radius:
        step = min(reach, 2 * radius + 1 - reach)
        grown[:-step] |= grown[step:]
        grown[:, :-step] |= grown[:, step:]
        reach += step
    return grown[:height, :width]


def _erode(mask: np.ndarray, radius: int) -> np.ndarray:
    """Erode by a square of side 2 * radius + 1; what lies outside the image does not erode."""
    return ~_dilate(~mask, radius)


def _straight(mask: np.ndarray, length: int) -> np.ndarray:
    """Pixels that lie on a straight run of this many pixels within the mask, in sixteen directions."""
    result = np.zeros_like(mask)
    labels, _ = ndimage.label(mask, EIGHT)
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        if max(side.stop - side.start for side in window) >= 0.7 * length:
            piece = labels[window] == number
            result[window] |= _runs(piece, length) | _runs(piece[:, ::-1], length)[:, ::-1]
    return result


def _runs(mask: np.ndarray, length: int) -> np.ndarray:
    """Open by runs in the directions from right to down."""
    height, width = mask.shape
    result = np.zeros_like(mask)
    for down, right in DIRECTIONS:
        count = int(np.ceil(length / np.hypot(down, right)))
        line = np.pad(mask, ((0, down * count), (0, right * count)))
        for erosion in (True, False):
            reach = 1
            while reach < count:
                rows, columns = (min(reach, count - reach) * shift for shift in (down, right))
                near = line[: len(line) - rows, : line.shape[1] - columns]
                far = line[rows:, columns:]
                if erosion:
                    near &= far
                else:
                    far |= near.copy()
                reach += min(reach, count - reach)
        result |= line[:height, :width]
    return result
