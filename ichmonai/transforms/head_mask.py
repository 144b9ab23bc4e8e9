"""Where the head is on a head CT: everything inside its outline, without the head holder."""

from typing import cast

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

# Lengths below are in pixels of the working grid, on which the longer side of a slice is at most GRID pixels: about 1 mm
# for the usual field of view of 250 mm.
GRID = 256
TISSUE_HU = -350.0  # between air with its foam pads (below -700) and fat (-120), above half of an air-skin edge
ABOVE_BLACK_HU = 2.5  # what an image clipped at 0 HU shows besides air and fat; above the ringing of JPEG
SEED_RADIUS = 4  # holders are plates thinner than 9 px; every head slice but the topmost has something thicker
CORE_RADIUS = 2  # ears, nose, skin and plates are thinner than 5 px
NEAR = 14.0  # detached skin lies this near to the outline of what is thick
FAR = 36.0  # no skin reaches this far from the outline of what is thick; the ends of holders do
EAR = 22.0  # what reaches farther than an ear may be a holder that touches the head
RUN = 21  # shortest straight run that is taken for a plate
CLOSING = 6  # half the widest gap in the outline that is bridged
DIRECTIONS = ((0, 1), (1, 3), (1, 2), (2, 3), (1, 1), (3, 2), (2, 1), (3, 1))
EIGHT = np.ones((3, 3), bool)


def head_mask(hu: NdarrayOrTensor) -> NdarrayOrTensor:
    """Find the head."""
    if isinstance(hu, MetaTensor):
        hu = hu.as_tensor()
    image = hu.detach().cpu().numpy() if isinstance(hu, torch.Tensor) else np.asarray(hu)
    if image.ndim not in (2, 3):
        raise ValueError(f"head_mask takes a slice (H, W) or a volume (H, W, S) of HU, not shape {image.shape}.")
    slices = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    threshold = max(TISSUE_HU, float(slices.min()) + ABOVE_BLACK_HU)
    step = -(-max(slices.shape[1:]) // GRID)
    tissue = np.stack([_shrink(one > threshold, step) for one in slices])
    heads, rests = zip(*(_split(one) for one in tissue), strict=True)
    head = np.stack(heads)
    mask = np.stack([_fill(h, t & ~h) for h, t in zip(head, tissue)])
    full = mask.repeat(step, axis=1).repeat(step, axis=2)[:, : slices.shape[1], : slices.shape[2]]
    full = full[0] if image.ndim == 2 else np.moveaxis(full, 0, -1)
    return torch.from_numpy(np.ascontiguousarray(full)).to(hu.device) if isinstance(hu, torch.Tensor) else full


def _shrink(mask: np.ndarray, step: int) -> np.ndarray:
    """Any pixel of each step x step block."""
    if step == 1:
        return mask
    height, width = (-side % step for side in mask.shape)
    if height or width:
        mask = np.pad(mask, ((0, height), (0, width)))
    rows = mask[::step].copy()
    for i in range(1, step):
        rows |= mask[i::step]
    small = rows[:, ::step].copy()
    for i in range(1, step):
        small |= rows[:, i::step]
    return small


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
    return ~_dilate(~mask, radius)


def _hull(mask: np.ndarray) -> np.ndarray | None:
    """Half-planes (n, 3) whose intersection is the convex hull of a mask."""
    rows = np.flatnonzero(mask.any(1))
    first = mask[rows].argmax(1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(1)
    points = np.concatenate([np.stack([rows, first], 1), np.stack([rows, last], 1)])
    try:
        return ConvexHull(points).equations
    except QhullError:
        return None


def _split(tissue: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split the tissue of a slice into head and the rest."""
    nothing = np.zeros_like(tissue)
    seeds, n = ndimage.label(_erode(tissue, SEED_RADIUS))
    if n == 0:
        return nothing, tissue
    sizes = np.bincount(seeds.ravel())
    sizes[0] = 0
    keep = (sizes >= 0.1 * sizes.max()) & (sizes > 0)
    cores, n = ndimage.label(_erode(tissue, CORE_RADIUS))
    hit = np.zeros(n + 1, bool)
    hit[np.unique(cores[keep[seeds]])] = True
    hit[0] = False
    core = _dilate(hit[cores], CORE_RADIUS) & tissue
    hull = _hull(core)
    if hull is None:
        return core, tissue & ~core
    rest = tissue & ~core
    head = core.copy()
    labels, n = ndimage.label(rest, EIGHT)
    points = np.argwhere(rest)
    ids = labels[rest]
    d = (points @ hull[:, :2].T + hull[:, 2]).max(1)
    dmax, dmin = np.full(n + 1, -np.inf), np.full(n + 1, np.inf)
    np.maximum.at(dmax, ids, d)
    np.minimum.at(dmin, ids, d)
    near_core = np.zeros(n + 1, bool)
    near_core[np.unique(labels[_dilate(core, 1)])] = True
    head |= ((dmax < EAR) & (near_core | (dmin < NEAR)))[labels] & rest
    doubtful = (dmax >= EAR) & (near_core | (dmin < NEAR))
    for i in np.flatnonzero(doubtful):
        one = labels == i
        plates = _plates(one)
        pl, pn = ndimage.label(plates, EIGHT)
        far = np.zeros(pn + 1, bool)
        pd = (np.argwhere(plates) @ hull[:, :2].T + hull[:, 2]).max(1)
        for j in range(1, pn + 1):
            far[j] = pd[pl[plates] == j].max() > FAR
        if not far.any():
            head |= one
            continue
        left = one & ~_dilate(far[pl], 1)
        ll, ln = ndimage.label(left, EIGHT)
        ok = np.zeros(ln + 1, bool)
        ok[np.unique(ll[_dilate(core, 1)])] = True
        ok[0] = False
        head |= ok[ll]
    return head, tissue & ~head


def _plates(mask: np.ndarray) -> np.ndarray:
    """Open by straight runs in sixteen directions and keep what any run covers."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    result = np.zeros_like(mask)
    crop = mask[window]
    result[window] = _runs(crop) | _runs(crop[:, ::-1])[:, ::-1]
    return result


def _runs(mask: np.ndarray) -> np.ndarray:
    result = np.zeros_like(mask)
    height, width = mask.shape
    for down, right in DIRECTIONS:
        count = int(np.ceil(RUN / np.hypot(down, right)))
        padded = np.pad(mask, ((0, down * count), (0, right * count)))
        line = padded.copy()
        reach = 1
        while reach < count:
            k = min(reach, count - reach)
            line[: -down * k or None, : -right * k] &= line[down * k :, right * k :]
            reach += k
        line[height:] = False
        line[:, width:] = False
        reach = 1
        while reach < count:
            k = min(reach, count - reach)
            line[down * k :, right * k :] |= line[: -down * k or None, : -right * k].copy()
            reach += k
        result |= line[:height, :width]
    return result


def _fill(head: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Close the outline and fill it, without taking in other things."""
    if not head.any():
        return head
    r = CLOSING
    closed = _erode(_dilate(np.pad(head, r), r), r)[r:-r, r:-r] | head
    closed = _dilate(closed, 1)
    outside, _ = ndimage.label(np.pad(~closed, 1, constant_values=True))
    filled = (outside != outside[0, 0])[1:-1, 1:-1]
    return filled & ~(other & ~_erode(filled, 3))
