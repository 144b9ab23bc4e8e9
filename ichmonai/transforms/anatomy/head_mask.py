"""Where the head is on a head CT: everything inside its outline, without the head holder.

The idea: holders, tables and cables are *thin*, a head is *dense*. In each slice the dense part is found first, then
every thin piece of tissue around it (skin, ears, nose; holder) is judged by its distance to the convex hull of that
part: skin hugs it, holders reach away from it. In a volume the neighbouring slices settle what one slice leaves open.
"""

from typing import NamedTuple, TypeVar

import numpy as np
import torch

from ichmonai.transforms.anatomy.binary_image import (
    Mask,
    close,
    dilate,
    enlarge,
    erode,
    interleaved,
    shrink,
    straight_runs,
)
from ichmonai.transforms.anatomy.hulls import hull_distances, hull_reaches
from ichmonai.transforms.anatomy.pieces import Pieces, fill_holes

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
FAR = 29.8  # no detached skin reaches this far from the hull of the dense part
FAR_ATTACHED = 32.8  # nor does anything that hangs on the head, such as an ear
SPREAD = 44.0  # nearest plus farthest distance of a detached piece of skin or ear
CLEAR = 6.0  # what begins farther from the hull may be a piece of the holder that lies next to it
LEAF = 2  # half the thickness of the plates that touch the head
RUN = 15  # shortest straight run of such a plate
WING = 30  # straight run outside the hull that no ear has; in HU, where skin is not thin
STANDING = 6  # slices in which a plate stands free where it touches the head in others
HANGING = 10  # pixels of an ear or of skin that touches such a plate; JPEG alone leaves fewer beside it
CLOSING = 6  # half the widest gap of the outline that is bridged
MARGIN = 16  # more than any structuring element reaches; even, because every other pixel is looked at for density


class _Parts(NamedTuple):
    """Slices taken apart, on the working grid: masks are (S, h, w)."""

    tissue: Mask
    head: Mask  # what certainly is head
    pieces: Pieces  # the tissue outside the dense part
    keep: Mask  # by piece: loose, and looks like head
    never: Mask  # by piece: head already, or reaches too far to be head, whatever the neighbouring slices say


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
    lowest = float(image[::32].min())
    if lowest > TISSUE_HU - ABOVE_BLACK_HU:  # else it does not matter how low
        lowest = float(image.min())
    threshold = max(TISSUE_HU, lowest + ABOVE_BLACK_HU)
    step = max(1, round(max(image.shape[:2]) / GRID))
    result = np.zeros_like(image, bool)  # laid out in memory as the image is
    volume = np.atleast_3d(image)
    leaps = interleaved(volume)  # truth values are an eighth or a quarter of HU to put in order
    over = np.moveaxis(volume > threshold, -1, 0).copy() if leaps else (one > threshold for one in _slices(volume))
    tissue = np.array([shrink(one, step) for one in over])
    if tissue.any():
        box = _box(tissue)
        parts = _take_apart(np.ascontiguousarray(tissue[:, box[0], box[1]]), threshold == TISSUE_HU)
        masks = _join_volume(parts)
        if len(masks) > STANDING:
            masks = _without_standing_plates(parts, masks, threshold == TISSUE_HU)
        rows, columns = [slice(side.start * step, side.stop * step) for side in box]
        painted = np.zeros(_slices(volume).shape, bool) if leaps else _slices(result)
        for inside, target in zip(masks, painted, strict=True):
            part = target[rows, columns]
            part[:] = enlarge(inside, step)[: part.shape[0], : part.shape[1]]
        if leaps:
            _slices(result)[:] = painted
    return torch.from_numpy(result).to(hu.device) if isinstance(hu, torch.Tensor) else result


def _slices(volume: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.atleast_3d(volume), -1, 0)


def _box(tissue: Mask) -> tuple[slice, slice]:
    """Rows and columns of the tissue of a volume, with a margin; the first of each is even."""
    flat = np.logical_or.reduce(tissue)
    first_last = [np.flatnonzero(flat.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    rows, columns = (slice(max(0, low // 2 * 2 - MARGIN), high + 1 + MARGIN) for low, high in first_last)
    return rows, columns


def _take_apart(tissue: Mask, solid: bool) -> _Parts:
    """Split the tissue of slices, each for itself, into the head, loose pieces and what is certainly neither.

    The tissue is solid where fat is part of it; in an image clipped at 0 HU the skin is a thin ring of its own.
    """
    thick = erode(tissue, PLATE)
    core = _dense_part(tissue, thick)
    pieces = Pieces(tissue & ~core)
    in_dense = _any(core)[pieces.image]  # where nothing is dense, all pieces are loose
    attached = pieces.inside(dilate(core, 1)) > 0
    hulls = hull_reaches(core)
    farthest = np.full(pieces.count, -np.inf)
    for ends in pieces.ends():  # nothing between them is farther from what is convex
        np.maximum.at(farthest, pieces.of_run, hull_distances(hulls, ends))
    head = core | pieces.paint(attached)
    away = np.zeros_like(tissue)
    if (bearing := attached & (farthest >= FAR_ATTACHED)).any():
        places, _ = pieces.pixels(bearing)
        away[tuple(places[:, hull_distances(hulls, places) >= FAR])] = True
    if solid or away.any():
        thin = tissue & ~dilate(erode(tissue, LEAF), LEAF)
        if solid:
            away |= _wings(thin, thick)
        if (cut := _any(away)).any():
            head[cut] = _without_plates(thin[cut], head[cut], core[cut], away[cut])
    far = farthest >= FAR
    loose = in_dense & ~attached & ~far
    nearest = np.full(pieces.count, np.inf)
    places, owner = pieces.pixels(loose)
    np.minimum.at(nearest, owner, hull_distances(hulls, places))
    keep = loose & (nearest + farthest < (CLEAR if solid else SPREAD))
    clear = keep & (nearest >= CLEAR)
    if clear.any():  # holders break into pieces, and JPEG surrounds them with specks
        beside = pieces.inside(dilate(pieces.paint(~attached & ~keep), CLOSING))
        keep &= ~clear | (beside < 0.15 * pieces.sizes)
    return _Parts(tissue, head, pieces, keep, in_dense & (attached | far))


def _dense_part(tissue: Mask, thick: Mask) -> Mask:
    """The bodies of slices: head, jaw, neck; all False where nothing is thicker than a plate."""
    cores = Pieces(thick, diagonal=False)
    seeds = cores.inside(erode(thick, BODY - PLATE)) > 0
    for index in set(cores.image.tolist()) - set(cores.image[seeds].tolist()):
        own = np.flatnonzero(cores.image == index)
        seeds[own[cores.sizes[own].argmax()]] = True
    bodies = Pieces((_dense(tissue) & tissue) | dilate(thick, PLATE))
    return bodies.paint(bodies.inside(cores.paint(seeds)) > 0)


def _dense(tissue: Mask) -> Mask:
    """Where the share of tissue around is at least DENSITY; half of the pixels are enough to count it."""
    window = DENSITY_WINDOW // 2
    half = window // 2
    count = np.pad(tissue[:, ::2, ::2].view(np.uint8), [(0, 0), *2 * [(window - half, half)]])
    for axis in (1, 2):  # in 8 bits: sums wrap around, their differences do not, since 15 x 15 are below 256
        sums = np.moveaxis(np.cumsum(count, axis=axis, dtype=np.uint8), axis, 0)
        count = np.moveaxis(sums[window:] - sums[:-window], 0, axis)
    return enlarge(count >= DENSITY * window**2, 2)[:, : tissue.shape[1], : tissue.shape[2]]


def _without_plates(thin: Mask, head: Mask, core: Mask, away: Mask) -> Mask:
    """Cut plates that touch the head: long straight runs of thin tissue that lead to pixels far away."""
    runs = Pieces(straight_runs(_leading_to(away, Pieces(thin)), RUN))
    plates = dilate(_leading_to(away, runs), 1)
    return _leading_to(erode(core, LEAF), Pieces(head & ~plates))


def _leading_to(goal: Mask, pieces: Pieces) -> Mask:
    return pieces.paint(pieces.inside(goal) > 0)


def _wings(thin: Mask, thick: Mask) -> Mask:
    """Long straight plates outside the hull of all that is thick: sides of a holder that the ears touch."""
    outside = thin & _any(thick)[:, None, None]
    places = np.array(np.unravel_index(np.flatnonzero(outside), outside.shape))
    outside[outside] = hull_distances(hull_reaches(dilate(thick, PLATE)), places) > LEAF - 0.5
    return straight_runs(outside, WING)


def _join_volume(parts: _Parts) -> Mask:
    """Outline all slices, from the largest head outwards; the slice before decides about loose pieces.

    All slices are outlined at once, and then again those whose slice before turned out to be another, until none is:
    the result is that of one after the other.
    """
    tissue, pieces = parts.tissue, parts.pieces
    order = np.arange(len(tissue))
    start = int(np.argmax([np.count_nonzero(head) for head in parts.head]))
    before = order + np.sign(start - order)
    is_head, kept = np.ones(len(tissue), bool), parts.keep
    masks = _outline(parts.head | pieces.paint(kept), tissue)
    places, owner = pieces.pixels(~parts.never)
    half = 0.5 * pieces.sizes
    asked = order != start
    while asked.any():
        number = np.cumsum(asked) - 1  # of the slice among those that are asked
        inside = masks[before[asked]]
        here = asked[places[0]]
        at, own = (number[places[0, here]], *places[1:, here]), owner[here]
        in_head, in_holder = (
            np.bincount(own[around[at]], minlength=pieces.count) > half
            for around in (dilate(inside, 2), dilate(tissue[before[asked]] & ~inside, 3))
        )
        now_head, now_kept = is_head.copy(), kept.copy()
        now_head[asked] = _any(parts.head[asked] & inside)
        has_head = now_head & _any(parts.head)
        decided = (~parts.never & in_head) | (parts.keep & ~in_holder & has_head[pieces.image])
        now_kept[asked[pieces.image]] = decided[asked[pieces.image]]
        changed = (now_head != is_head) & _any(parts.head)
        changed[pieces.image[now_kept != kept]] = True
        is_head, kept = now_head, now_kept
        if changed.any():
            head = parts.head[changed] & is_head[changed, None, None]
            masks[changed] = _outline(head | pieces.paint(kept)[changed], tissue[changed])
        asked = changed[before] & (order != start)
    return masks


def _without_standing_plates(parts: _Parts, masks: Mask, solid: bool) -> Mask:
    """Tell head and plate apart where they touch, by plates that stand free at the same place in other slices.

    Holders do not move: the plate is cut from the head, and an ear or skin that went with the plate comes back.
    """
    tissue, head = parts.tissue, parts.tissue & masks
    holder = tissue & ~head
    standing = np.count_nonzero(tissue & ~dilate(head, LEAF), axis=0) >= STANDING
    around, touching, beside = (dilate(standing, reach) for reach in (1, 2, 3))

    def hanging(mask: Mask) -> Mask:
        """What touches the plates and is more than their blurred edge."""
        pieces = Pieces(mask)
        beyond = pieces.sizes - pieces.inside(np.broadcast_to(beside, mask.shape))
        return pieces.paint((beyond >= HANGING) & (pieces.inside(np.broadcast_to(touching, mask.shape)) > 0))

    plates = _leading_to(dilate(holder & standing, 1), Pieces(head & standing, diagonal=False))
    if (cut := _any(plates)).any():
        pieces = Pieces(head[cut] & ~plates[cut])
        splinters = pieces.inside(dilate(plates[cut], LEAF)) == pieces.sizes  # edges of the plate
        head[cut] = pieces.paint(~splinters)
    hung = _any(head) & _any(hanging(holder & ~around))
    if hung.any():
        freed = _take_apart(tissue[hung] & ~around, solid)
        back = hanging(holder[hung] & (freed.head | freed.pieces.paint(freed.keep)))
        back |= dilate(back, 1) & holder[hung] & ~standing
        head[hung] |= back
        hung[hung] = _any(back)
    if (changed := cut | hung).any():
        masks[changed] = _outline(head[changed], tissue[changed])
    return masks


def _outline(head: Mask, tissue: Mask) -> Mask:
    """Inside of the outline of the head; no other tissue."""
    filled = fill_holes(dilate(close(head, CLOSING), 1))
    return filled & (head | ~tissue | erode(filled, CLOSING))


def _any(masks: Mask) -> Mask:
    """Whether there is anything in each slice, (S,)."""
    return np.logical_or.reduce(masks, axis=(1, 2))
