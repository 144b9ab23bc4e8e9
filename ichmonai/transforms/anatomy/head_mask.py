"""Where the head is on a head CT: everything inside its outline, without the head holder.

The idea: holders, tables and cables are *thin*, a head is *dense*. In each slice the dense part is found first, then
every thin piece of tissue around it (skin, ears, nose; holder) is judged by its distance to the convex hull of that
part: skin hugs it, holders reach away from it. In a volume the neighbouring slices settle what one slice leaves open.
"""

from functools import reduce
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask, Pieces, close, dilate, erode, fill_holes, straight_runs

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
TURNS = np.arange(128) * np.pi / 64
NORMALS = np.column_stack([np.sin(TURNS), np.cos(TURNS)]).astype(np.float32)  # to (row, column)
MARGIN = 16  # more than any structuring element reaches; even, because every other pixel is looked at for density


class _Parts(NamedTuple):
    """One slice taken apart, on the working grid."""

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
    threshold = max(TISSUE_HU, float(image.min()) + ABOVE_BLACK_HU)
    step = max(1, round(max(image.shape[:2]) / GRID))
    tissue = _shrink(image > threshold, step)
    result = np.zeros_like(image, bool)  # laid out in memory as the image is
    if tissue.any():
        box = _box(tissue)
        slices = np.ascontiguousarray(np.moveaxis(np.atleast_3d(tissue[box]), -1, 0))
        parts = [_take_apart(one, threshold == TISSUE_HU) for one in slices]
        masks = _join_volume(parts)
        if len(parts) > STANDING:
            masks = _without_standing_plates(parts, masks, threshold == TISSUE_HU)
        full = result[tuple(slice(side.start * step, side.stop * step) for side in box)]
        for inside, target in zip(masks, np.moveaxis(np.atleast_3d(full), -1, 0), strict=True):
            target[:] = inside.repeat(step, axis=0).repeat(step, axis=1)[: target.shape[0], : target.shape[1]]
    return torch.from_numpy(result).to(hu.device) if isinstance(hu, torch.Tensor) else result


def _box(tissue: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the tissue of a slice or volume, with a margin; the first of each is even."""
    flat = np.logical_or.reduce(np.atleast_3d(tissue), axis=2)
    first_last = [np.flatnonzero(flat.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    rows, columns = (slice(max(0, low // 2 * 2 - MARGIN), high + 1 + MARGIN) for low, high in first_last)
    return rows, columns


def _take_apart(tissue: Mask, solid: bool) -> _Parts:
    """Split the tissue of a slice into the head, loose pieces and what is certainly neither.

    The tissue is solid where fat is part of it; in an image clipped at 0 HU the skin is a thin ring of its own.
    """
    thick = erode(tissue, PLATE)
    core = _dense_part(tissue, thick)
    rest = tissue & ~core
    pieces = Pieces(rest)
    if not core.any():  # nothing dense: all pieces are loose
        no = np.zeros(pieces.count, bool)
        return _Parts(tissue, np.zeros_like(core), pieces, no, no)
    attached = pieces.inside(dilate(core, 1)) > 0
    distance = _distance(_hull(core), rest)
    nearest, farthest = pieces.range_of(distance)
    head = core | pieces.paint(attached)
    away = np.zeros_like(rest)
    bearing = attached & (farthest >= FAR_ATTACHED)
    if bearing.any():
        away[rest] = distance >= FAR
        away &= pieces.paint(bearing)
    if solid or bearing.any():
        thin = tissue & ~dilate(erode(tissue, LEAF), LEAF)
        if solid:
            away |= _wings(thin, thick)
        if away.any():
            head = _without_plates(thin, head, core, away)
    far = farthest >= FAR
    keep = ~attached & ~far & (nearest + farthest < (CLEAR if solid else SPREAD))
    clear = keep & (nearest >= CLEAR)
    if clear.any():  # holders break into pieces, and JPEG surrounds them with specks
        beside = pieces.inside(dilate(pieces.paint(~attached & ~keep), CLOSING))
        keep &= ~clear | (beside < 0.15 * pieces.sizes)
    return _Parts(tissue, head, pieces, keep, attached | far)


def _dense_part(tissue: Mask, thick: Mask) -> Mask:
    """The bodies of a slice: head, jaw, neck; all False where nothing is thicker than a plate."""
    cores = Pieces(thick, diagonal=False)
    if not cores.count:
        return thick
    seeds = cores.inside(erode(thick, BODY - PLATE)) > 0
    if not seeds.any():
        seeds[cores.sizes.argmax()] = True
    # Half of the pixels are enough to count the share of tissue.
    share = ndimage.uniform_filter(tissue[::2, ::2].astype(np.float32), DENSITY_WINDOW // 2, mode="constant")
    dense = (share >= DENSITY).repeat(2, axis=0).repeat(2, axis=1)[: tissue.shape[0], : tissue.shape[1]]
    bodies = Pieces((dense & tissue) | dilate(thick, PLATE))
    return bodies.paint(bodies.inside(cores.paint(seeds)) > 0)


def _without_plates(thin: Mask, head: Mask, core: Mask, away: Mask) -> Mask:
    """Cut plates that touch the head: long straight runs of thin tissue that lead to pixels far away."""
    runs = Pieces(straight_runs(_leading_to(away, Pieces(thin)), RUN))
    plates = dilate(_leading_to(away, runs), 1)
    return _leading_to(erode(core, LEAF), Pieces(head & ~plates))


def _leading_to(goal: Mask, pieces: Pieces) -> Mask:
    return pieces.paint(pieces.inside(goal) > 0)


def _wings(thin: Mask, thick: Mask) -> Mask:
    """Long straight plates outside the hull of all that is thick: sides of a holder that the ears touch."""
    outside = thin.copy()
    outside[thin] = _distance(_hull(dilate(thick, PLATE)), thin) > LEAF - 0.5
    return straight_runs(outside, WING)


def _join_volume(parts: list[_Parts]) -> list[Mask]:
    """Outline all slices, from the largest head outwards; the slice before decides about loose pieces."""
    start = int(np.argmax([part.head.sum() for part in parts]))
    masks = {start: _outline(parts[start], parts[start].keep)}
    for order in (range(start + 1, len(parts)), range(start - 1, -1, -1)):
        for index in order:
            before = index - 1 if index > start else index + 1
            inside = masks[before]
            part = parts[index]
            if not (part.head & inside).any():
                part = part._replace(head=np.zeros_like(part.head))
            half = 0.5 * part.pieces.sizes
            in_head = ~part.never & (part.pieces.inside(dilate(inside, 2)) > half)
            in_holder = part.pieces.inside(dilate(parts[before].tissue & ~inside, 3)) > half
            masks[index] = _outline(part, in_head | (part.keep & ~in_holder & part.head.any()))
    return [masks[index] for index in range(len(parts))]


def _without_standing_plates(parts: list[_Parts], masks: list[Mask], solid: bool) -> list[Mask]:
    """Tell head and plate apart where they touch, by plates that stand free at the same place in other slices.

    Holders do not move: the plate is cut from the head, and an ear or skin that went with the plate comes back.
    """
    tissue = np.array([part.tissue for part in parts])
    kept = tissue & masks
    free = [~dilate(head, LEAF) for head in kept]
    standing = np.count_nonzero(tissue & free, axis=0) >= STANDING
    around, touching, beside = (dilate(standing, reach) for reach in (1, 2, 3))

    def hanging(mask: Mask) -> Mask:
        """What touches the plates and is more than their blurred edge."""
        pieces = Pieces(mask)
        beyond = pieces.sizes - pieces.inside(beside)
        return pieces.paint((beyond >= HANGING) & (pieces.inside(touching) > 0))

    result = list(masks)
    for index, part in enumerate(parts):
        head, holder = kept[index], tissue[index] & ~kept[index]
        plates = _leading_to(dilate(holder & standing, 1), Pieces(head & standing, diagonal=False))
        if plates.any():
            pieces = Pieces(head & ~plates)
            splinters = pieces.inside(dilate(plates, LEAF)) == pieces.sizes  # edges of the plate
            head = pieces.paint(~splinters)
        if head.any() and hanging(holder & ~around).any():
            freed = _take_apart(part.tissue & ~around, solid)
            back = hanging(holder & (freed.head | freed.pieces.paint(freed.keep)))
            back |= dilate(back, 1) & holder & ~standing
        else:
            back = np.zeros_like(head)
        if plates.any() or back.any():
            result[index] = _outline(part._replace(head=head | back), np.zeros(part.pieces.count, bool))
    return result


def _outline(part: _Parts, keep: Mask) -> Mask:
    """Inside of the outline of the head and the loose pieces to keep; no other tissue."""
    head = part.head | part.pieces.paint(keep)
    if not head.any():
        return head
    closed = dilate(close(head, CLOSING), 1)
    filled = fill_holes(closed)
    return filled & (head | ~part.tissue | erode(filled, CLOSING))


def _hull(mask: Mask) -> np.ndarray:
    """How far a mask reaches in each of NORMALS: its convex hull, but for a fraction of a pixel."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.array([np.tile(rows, 2), np.concatenate([first, last])], np.float32)
    return (NORMALS @ ends).max(axis=1, keepdims=True)


def _distance(hull: np.ndarray, mask: Mask) -> np.ndarray:
    """Distance of each pixel of a mask, in row-major order, to a hull; negative inside."""
    rows_columns = np.array(np.divmod(np.flatnonzero(mask), mask.shape[1]), np.float32)
    return (NORMALS @ rows_columns - hull).max(axis=0)


def _shrink(mask: Mask, step: int) -> Mask:
    """Is any pixel of each step x step block of a slice set?"""
    if step == 1:
        return mask
    mask = np.pad(mask, [(0, -side % step) for side in mask.shape[:2]] + [(0, 0)] * (mask.ndim - 2))
    rows = reduce(np.logical_or, [mask[offset::step] for offset in range(step)])
    return reduce(np.logical_or, [rows[:, offset::step] for offset in range(step)])
