"""Whether one slice, as a grey picture of 0 to 80 HU, looks like a head CT.

What is asked for is what physics leaves of a head in a brain window, whatever the scanner, the size and the crop: bone
that saturates, in a ring that closes around soft tissue; dark air around it; and within, neither black nor white but
greys with noise. A window that somebody else chose may be wider, and bone then saturates no more: such a picture has
to show the rest more clearly. Skulls that were opened, vertex and skull base pass; a heap of thresholds would lose
them, so each is far from all real slices that were seen, see `scripts/check/pictures.py`.

It cannot tell other directions of a head from axial ones, nor a drawing with noise.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull

from ichmonai.io.findings import Code
from ichmonai.transforms.anatomy.binary_image import Mask, close, dilate, erode
from ichmonai.transforms.anatomy.pieces import Pieces

WINDOW = 80.0  # HU of white; 0 is black
GRID = 128  # pixels along the longer side of the working grid, about
DARKEST, BRIGHTEST = 2.0, 99.5  # percentiles between which grey runs from 0 to 1
CONTRAST = 0.1  # of the window, at least
BONE, SATURATED = 0.75, 0.97
BLACK, SOFT = 0.04, 0.08
BRIDGES = (1, 4, 10)  # half the widest gap of the ring that is bridged, in pixels of the grid; the narrowest that does
PIECES = 4  # of bone that are looked at, the largest first
THICKNESS, SCALP = 0.08, 0.12  # of skull and of scalp, as shares of the diameter
DIRECTIONS = 48
DARKER = 0.6  # what is darker than this share of the brain's grey is dark
AROUND = 0.05  # share of the picture from which on the surroundings are judged


class Limits(NamedTuple):
    """What a ring of bone has to reach; lengths and areas as shares."""

    ring: float = 0.6  # of directions in which there is bone
    bony: float = 0.25  # of the ring that is bone
    inner_bone: float = 1.0  # of the inside that is bone, at most
    between: float = 1.0  # of the head whose grey is between that of brain and bone, at most
    dark: float = 0.45  # of the surroundings


USUAL = Limits()
UNSATURATED = Limits(ring=0.9, bony=0.34, inner_bone=0.29, between=0.49, dark=0.8)
SATURATION = 0.36  # share of the bone that is white, below which bone does not saturate
SIZE = 0.025  # of the picture
EDGE = 0.6  # of the outermost pixels that are bright, at most; of heads that touch the edge less than a third
LEVEL = 0.71  # grey of the brain, at most
BLACK_INSIDE = 0.4  # of the inside, at most
WHOLE = 0.35  # of what is not dark in the picture has to belong to the head; the rest is holder, text and face
TWIN = 0.35  # of the area of the head, at most: a second ring beside it
FLAT = 0.28  # of the pixels inside that are equal to the next; CT has noise
FLAT_RANGE = 0.065  # between the 10th and 90th percentile inside, where bone does not saturate


class Ring(NamedTuple):
    """What a slice shows within and around its ring of bone."""

    size: float
    ring: float
    bony: float
    around: float  # share of the picture outside of the head
    dark: float
    saturation: float
    inner_bone: float
    between: float
    level: float
    black: float
    spread: float
    flat: float
    twin: float
    edge: float  # of the picture that is bright
    whole: float  # share of all that is not dark that belongs to the head


def why_no_head(hu: NDArray[np.floating]) -> tuple[Code, str] | None:
    """Why a slice does not look like a head CT, or None.

    Args:
        hu: (H, W), from 64 to 2048 pixels a side.

    Returns:
        `NOT_HEAD` or `NOT_HU`, and what was seen.
    """
    found = Code.NOT_HEAD, "hardly any contrast"
    for number, ring in enumerate(rings(hu)):
        reason = (Code.NOT_HEAD, "no ring of bone") if ring is None else fails(ring)
        if reason is None:
            return None
        found = found if number else reason
    return found


def rings(hu: NDArray[np.floating]) -> Iterator[Ring | None]:
    """The ring of bone of a slice (H, W) for each width of gaps that is bridged; nothing where there is no contrast."""
    picture = np.clip(np.asarray(hu, np.float32) * np.float32(1 / WINDOW), 0, 1)
    grey, step = _shrink(picture)
    low, high = np.percentile(grey, [DARKEST, BRIGHTEST])
    if high - low < CONTRAST:
        return
    for bridge in BRIDGES:
        yield _ring(picture, (grey - low) / (high - low), step, bridge)


def fails(ring: Ring) -> tuple[Code, str] | None:
    """Why a ring is not that of a skull, or None."""
    limits = UNSATURATED if ring.saturation < SATURATION else USUAL
    if ring.flat > FLAT or (limits is UNSATURATED and ring.spread < FLAT_RANGE):
        return Code.NOT_HU, "soft tissue without the greys and the noise of a brain window"
    if ring.around >= AROUND and ring.dark < limits.dark:
        return Code.NOT_HEAD, f"only {ring.dark:.0%} of what surrounds its brightest part dark"
    if ring.edge > EDGE:
        return Code.NOT_HEAD, f"{ring.edge:.0%} of its edge bright"
    if ring.size < SIZE or ring.whole < WHOLE:
        return (
            Code.NOT_HEAD,
            f"a ring of bone around {ring.whole:.0%} of what there is, on {ring.size:.1%} of the picture",
        )
    if ring.ring < limits.ring or ring.bony < limits.bony:
        return Code.NOT_HEAD, "no ring of bone that encloses soft tissue"
    if ring.inner_bone > limits.inner_bone or ring.between > limits.between or ring.level > LEVEL:
        return Code.NOT_HEAD, "bright tissue that does not differ from bone"
    if ring.black > BLACK_INSIDE:
        return Code.NOT_HEAD, f"{ring.black:.0%} of the inside of its ring black"
    if ring.twin > TWIN:
        return Code.NOT_HEAD, "several heads"
    return None


def _ring(picture: NDArray[np.float32], grey: NDArray[np.float32], step: int, bridge: int) -> Ring | None:
    """The ring of bone that encloses most soft tissue; gaps of twice the bridge and narrower do not open it."""
    is_bone = grey > BONE
    soft = ~is_bone & (grey > SOFT)
    pieces = Pieces(close(np.pad(is_bone, bridge), bridge)[bridge:-bridge, bridge:-bridge])
    found = []
    for index in np.argsort(-pieces.box_areas())[:PIECES]:
        bone = pieces.paint(np.arange(pieces.count) == index) & is_bone
        head = _hull(bone)
        tissue = np.count_nonzero(head & soft)
        found.append((tissue - np.count_nonzero(head & (grey < SOFT)) / 2, tissue, bone, head))
    if not found:
        return None
    _, _, bone, head = max(found, key=lambda one: one[0])
    area = np.count_nonzero(head)
    beside = [(tissue, np.count_nonzero(one)) for _, tissue, _, one in found if not (one & head).any()]
    twin = max([0, *(int(size) for tissue, size in beside if tissue > TWIN * size)])
    diameter = float(np.sqrt(4 * area / np.pi))
    inside = erode(np.pad(head, 1), max(1, round(THICKNESS * diameter)))[1:-1, 1:-1]
    outside = ~dilate(head, max(2, round(SCALP * diameter)))
    skull = head & ~inside
    brain = inside & soft
    if not brain.any():
        return None
    lowest, level, highest = np.percentile(grey[brain], [10, 50, 90])
    rows, columns = np.nonzero(skull & is_bone)
    centre = [float(side.mean()) for side in np.nonzero(head)]
    turns = (np.arctan2(rows - centre[0], columns - centre[1]) / (2 * np.pi) + 0.5) * (DIRECTIONS - 0.01)
    return Ring(
        size=area / head.size,
        ring=len(np.unique(turns.astype(int))) / DIRECTIONS,
        bony=len(rows) / np.count_nonzero(skull),
        around=float(outside.mean()),
        edge=float(np.concatenate([is_bone[[0, -1]].ravel(), is_bone[1:-1, [0, -1]].ravel()]).mean()),
        whole=_share(~outside, grey >= max(DARKER * level, SOFT)),
        dark=_share(grey < max(DARKER * level, SOFT), outside),
        saturation=_share(grey > SATURATED, bone),
        inner_bone=_share(is_bone, inside),
        between=_share((grey > BONE - 0.13) & (grey < BONE + 0.1), head),
        level=float(level),
        black=_share(grey < BLACK, inside),
        spread=float(highest - lowest),
        flat=_flat(picture, brain, step),
        twin=twin / area,
    )


def _share(mask: Mask, where: Mask) -> float:
    return float(np.count_nonzero(mask & where)) / max(int(np.count_nonzero(where)), 1)


def _flat(picture: NDArray[np.float32], brain: Mask, step: int) -> float:
    """Share of the pixels of the brain that are equal to the next in their row."""
    height, width = (side * step for side in brain.shape)
    rows = picture[:height:step, :width]  # one row of each block is enough
    where = brain.repeat(step, axis=1)
    both = where[:, 1:] & where[:, :-1]
    return _share(rows[:, 1:] == rows[:, :-1], both)


def _shrink(picture: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Means of blocks, and their side."""
    step = max(1, round(max(picture.shape) / GRID))
    height, width = (side // step for side in picture.shape)
    total = np.add.reduceat(picture[: height * step, : width * step], np.arange(0, height * step, step), axis=0)
    total = np.add.reduceat(total, np.arange(0, width * step, step), axis=1)
    return (total / step**2).astype(np.float32, copy=False), step


def _hull(mask: Mask) -> Mask:
    """Convex hull."""
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = [np.column_stack([np.r_[first - 0.4, last + 0.4], np.tile(rows + side, 2)]) for side in (-0.4, 0.4)]
    points = np.concatenate(ends)
    image = Image.new("1", mask.shape[::-1])
    corners = points[ConvexHull(points).vertices].round()
    ImageDraw.Draw(image).polygon([(int(x), int(y)) for x, y in corners], fill=1, outline=1)
    return np.asarray(image)
