"""Cut bleedings out of slices by masks of their kinds, which may be rough."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.classes import KINDS
from ichmonai.transforms.anatomy.binary_image import Mask, bounding_box, dilate, erode
from ichmonai.transforms.anatomy.bleeding import brain_level, pixel_size, pixels, smooth_inside
from ichmonai.transforms.anatomy.inner_table import InnerTable, SkullFrame, skull_frame
from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.anatomy.pieces import Pieces
from ichmonai.transforms.counterfactual.bleeding import DENOISE, Bleeding, Layer, cut_with_halo, skull_box, skull_shape
from ichmonai.transforms.counterfactual.erase_bleeding import push_pull

# Lengths are in mm.
SHARP = 0.6  # standard deviation of the blur in which the edge of blood is looked for
ROUGH = 2.0  # how far that may lie outside of a mask
AROUND = 8.0  # ... and the brain that it is compared with
BRIGHTER = 6.0  # HU by which blood must be brighter than that, or the mask is taken as it is
TOO_LITTLE = 0.15  # share of a mask; if less is bright, the mask is taken as it is
SMALLEST = 12.0  # area in mm2 of a bleeding
SHORTEST = 15.0  # length of a layer
WITHIN = 0.7  # least share of a mask inside the skull
APART = 3.0  # pieces of one haematoma are nearer to each other
EDGE = 0.5  # standard deviation of the soft edge of what is cut without its surroundings
RISE_HU = (-35.0, 60.0)  # old extra-axial blood is as dark as fluid
STEP = 0.6  # of an unrolled layer
DEEPEST = 32.0
ATTACHED = 5.0  # depth at which a layer begins
MOSTLY = 0.7  # share of its length along which it does
BESIDE_BONE = 1.2  # where bone brightens the blood

EXTRA_AXIAL = ("epidural", "subdural")


def cut_by_mask(
    image: np.ndarray, mask: NDArray[np.uint8], spacing: Sequence[float] | None = None
) -> list[Bleeding | Layer]:
    """Cut the bleedings out of a slice, each haematoma alone, blood in fluid as a whole.

    A mask is corrected first: blood ends halfway between its own density and that of the brain around it.

    Args:
        image: HU (H, W).
        mask: 0, the numbers of `KINDS` from 1, or `UNKNOWN`, (H, W).
        spacing: see `propose_bleeding`.

    Returns:
        Those that are large enough and lie inside the skull.
    """
    inside = intracranial_mask(image, spacing)
    if not inside.any():
        return []
    pixel = pixel_size(image, spacing)
    frame = skull_frame(inside, pixel)
    table = InnerTable(inside, frame, pixel)
    found: list[Bleeding | Layer] = []
    for number, kind in enumerate(KINDS, start=1):
        marked = mask == number
        if not marked.any() or (marked & inside).sum() < WITHIN * marked.sum():
            continue
        blood = refine(image, marked & inside, (mask > 0) & ~marked, inside, pixel)
        whole = kind in ("intraventricular", "subarachnoid")
        for one in [blood] if whole else _haematomas(blood, pixel):
            if one.sum() * pixel**2 < SMALLEST:
                continue
            if kind in EXTRA_AXIAL:
                layer = _unroll(image, one, inside, table, pixel, kind)
                found += [] if layer is None else [layer]
            elif kind == "intraparenchymal":
                numbered = np.where(one, number, 0).astype(np.uint8)
                found.append(cut_with_halo(image, one, numbered, inside, spacing, (kind,)))
            else:
                found.append(_cut_alone(image, one, inside, frame, pixel, kind))
    return found


def refine(image: np.ndarray, marked: Mask, other: Mask, inside: Mask, pixel: float) -> Mask:
    """Correct a rough mask by HU.

    Args:
        image: HU (H, W).
        marked: one kind of blood inside the skull (H, W), not empty.
        other: blood of other kinds, or of which nothing is known (H, W).
        inside: the inside of the skull (H, W).
        pixel: its side in mm.
    """
    smoothed = smooth_inside(image.clip(-20, 100), inside, SHARP / pixel)
    near = dilate(marked, pixels(ROUGH, pixel)) & inside & ~other
    brain = dilate(marked, pixels(AROUND, pixel)) & inside & ~dilate(marked | other, pixels(ROUGH, pixel))
    if not brain.any():
        return marked
    level, blood = float(np.median(smoothed[brain])), float(np.percentile(smoothed[marked], 75))
    if blood - level < BRIGHTER:
        return marked
    pieces = Pieces(near & (smoothed > (blood + level) / 2))
    fine = pieces.paint(pieces.inside(marked) > 0)
    return fine if fine.sum() > TOO_LITTLE * marked.sum() else marked


def _haematomas(blood: Mask, pixel: float) -> list[Mask]:
    pieces = Pieces(dilate(blood, pixels(APART / 2, pixel)))
    return [pieces.paint(np.arange(pieces.count) == i) & blood for i in range(pieces.count)]


def _pure(image: np.ndarray, blood: Mask, inside: Mask, pixel: float) -> NDArray[np.float32]:
    """HU above the brain's level of the blood itself, without what it is mixed with at its edge, (H, W)."""
    clipped = image.clip(-20, 100)
    smoothed = smooth_inside(clipped, inside, DENOISE / pixel)
    core = blood & (erode(blood, 1) | (smoothed >= np.median(smoothed[blood])))
    rise = smooth_inside(clipped, core, DENOISE / pixel) - brain_level(smoothed, inside)
    return push_pull(rise, core.astype(np.float32)).clip(*RISE_HU)


def _cut_alone(image: np.ndarray, blood: Mask, inside: Mask, frame: SkullFrame, pixel: float, kind: str) -> Bleeding:
    window = bounding_box(blood, pixels(5 * EDGE, pixel))
    part = ndimage.gaussian_filter(blood.astype(np.float32), EDGE / pixel)
    return Bleeding(
        rise=_pure(image, blood, inside, pixel)[window].astype(np.float16),
        part=np.rint(part[window] * 255).astype(np.uint8),
        mask=np.where(blood, KINDS.index(kind) + 1, 0).astype(np.uint8)[window],
        kinds=(kind,),
        frame=frame._replace(centre=frame.centre - [one.start for one in window]),
        shape=skull_shape(inside, skull_box(image, inside)),
    )


def _unroll(image: np.ndarray, blood: Mask, inside: Mask, table: InnerTable, pixel: float, kind: str) -> Layer | None:
    """A layer in lengths and depths, or None where it does not lie on the inner table, as along the falx."""
    along, _ = table.coordinates(np.argwhere(blood).T.astype(float))
    along = np.sort(along)
    gaps = np.diff(np.append(along, along[0] + table.perimeter))
    first = along[(int(gaps.argmax()) + 1) % len(along)]
    length = table.perimeter - gaps.max()
    margin = 3 * STEP
    lengths = np.arange(-margin, length + margin, STEP) + first
    depths = np.arange(0, DEEPEST, STEP)
    places = table.place(np.broadcast_to(lengths, (depths.size, lengths.size)), depths[:, None])
    part = ndimage.map_coordinates(blood.astype(np.float32), places, order=1)
    if length < SHORTEST or part.sum() * STEP**2 < MOSTLY * blood.sum() * pixel**2:
        return None  # it is a splinter, goes deeper, or the curve is not the skull's
    seen = part > 0.5
    columns = seen.any(axis=0)
    start = seen.argmax(axis=0)
    if (columns & (start * STEP < ATTACHED)).sum() < MOSTLY * columns.sum():
        return None
    part[columns & (np.arange(depths.size)[:, None] <= start) & (start * STEP < ATTACHED)] = 1  # up to the bone
    part = ndimage.gaussian_filter(part, EDGE / STEP, mode=("nearest", "constant"))
    beside = blood & erode(inside, pixels(BESIDE_BONE, pixel))
    core = beside if beside.sum() > 0.3 * blood.sum() else blood
    rise = ndimage.map_coordinates(_pure(image, core, inside, pixel), places, order=1, mode="nearest")
    deepest = int(np.flatnonzero((part > 0.02).any(axis=1))[-1]) + 1
    return Layer(
        rise=rise[:deepest].astype(np.float16),
        part=np.rint(part[:deepest] * 255).astype(np.uint8),
        step=STEP,
        middle=float((first + length / 2) / table.perimeter % 1),
        perimeter=table.perimeter,
        kinds=(kind,),
    )
