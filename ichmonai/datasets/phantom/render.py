"""Noise-free images of a phantom patient."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.datasets.phantom.brain import paint_brain
from ichmonai.datasets.phantom.face import paint_face, paint_soft_tissue
from ichmonai.datasets.phantom.fields import Canvas, Field, coverage
from ichmonai.datasets.phantom.haemorrhage import COMPARTMENTS
from ichmonai.datasets.phantom.scanner import Scanner
from ichmonai.datasets.phantom.subject import Subject

_BLUR = 0.45  # mm, standard deviation of the point spread function
_SAMPLES = 3  # through the thickness of a slice
_FORAMEN_MAGNUM = -64.0  # mm; the spinal canal below is not intracranial


def image_slice(subject: Subject, scanner: Scanner, index: int, grid: int) -> tuple[Field, Field]:
    """Noise-free HU of one slice and the parts (head, holder, brain, blood of each kind), shape (3 + 5, H, W)."""
    px, py, pz = scanner.points(index, grid, _SAMPLES)
    softness = scanner.fov / grid
    image = np.full((grid, grid), -1000.0, np.float32)
    parts = np.zeros((3 + len(COMPARTMENTS), grid, grid), np.float32)
    skin = np.full((grid, grid), 99.0, np.float32)
    coarse = subject.to_head(px[1:2, :, ::4], py[1:2, ::4], pz[1:2, ::4])
    near = subject.skull.head(*coarse, subject.skull.vault(*coarse))[0] < 14.0
    box = _box(np.kron(near, np.ones((4, 4), bool))[:grid, :grid])
    if box is not None:
        x, y, z = subject.to_head(px[..., box[1]], py[:, box[0]], pz[:, box[0]])
        image[box], parts[:, box[0], box[1]], skin[box] = _anatomy(subject, x, y, z, softness)
    middle = subject.pose @ (subject.scale * np.array([0.0, 8.0, 0.0]))
    hx = np.broadcast_to(px[1] - np.float32(middle[0]), (grid, grid))
    hy = np.broadcast_to(py[1] - np.float32(middle[1]), (grid, grid))
    hz = np.broadcast_to(pz[1] - np.float32(middle[2]), (grid, grid))
    hu, part = scanner.paint_holder(hx, hy, hz, skin)
    image = ndimage.gaussian_filter(image, _BLUR / softness)
    image = np.where(part > 0, np.maximum(image, hu), image)
    parts[1] = part
    return image, parts


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The rows and columns that hold a mask (H, W), or None when it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _anatomy(subject: Subject, x: Field, y: Field, z: Field, softness: float) -> tuple[Field, Field, Field]:
    """HU, parts and signed distance to the skin of the points (K, H, W), averaged through the slice: (H, W)."""
    skull = subject.skull
    inside, vault, base = skull.cavity(x, y, z)
    head = skull.head(x, y, z, vault)
    canvas = Canvas(x, y, z, softness)
    paint_soft_tissue(canvas, skull, head, vault, inside)
    skull.paint(canvas, inside, base)
    paint_face(canvas, skull, subject.face, head, vault)
    parts = np.zeros((3 + len(COMPARTMENTS), *x.shape[1:]), np.float32)
    cavity = coverage(inside, softness)
    box = _box(np.any(cavity > 0, axis=0))
    if box is not None:
        at = (slice(None), *box)
        x, y, z, depth = x[at], y[at], z[at], -inside[at]
        bleed = subject.bleed
        layer = bleed.thickness(x, y, z) if bleed else 0.0
        qx, qy, qz = bleed.displace(x, y, z, depth, layer) if bleed else (x, y, z)
        tissue = paint_brain(subject.brain, qx, qy, qz, depth - layer, softness)
        if bleed:
            blood = bleed.paint(tissue, x, y, z, depth, layer, softness)
            parts[3:, box[0], box[1]] = (blood * cavity[at]).mean(axis=1)
        canvas.hu[at] += cavity[at] * (tissue.hu - canvas.hu[at])
    parts[0] = coverage(head, softness).mean(axis=0)
    parts[2] = (cavity * coverage(_FORAMEN_MAGNUM - canvas.z, 2.0)).mean(axis=0)
    return canvas.hu.mean(axis=0), parts, head.min(axis=0)


def double_parts(parts: Field) -> Field:
    """Each of the parts with twice the pixels; most are empty and cost nothing."""
    fine = np.zeros((parts.shape[0], 2 * parts.shape[1], 2 * parts.shape[2]), np.float32)
    for coarse, out in zip(parts, fine, strict=True):
        if coarse.any():
            out[:] = double(coarse)
    return fine


def double(image: Field) -> Field:
    """Twice the pixels along the last two axes, linear, the pixel centres kept in register."""
    for axis in (-1, -2):
        a = np.moveaxis(image, axis, -1)
        before = np.concatenate([a[..., :1], a[..., :-1]], -1)
        after = np.concatenate([a[..., 1:], a[..., -1:]], -1)
        fine = np.stack([0.75 * a + 0.25 * before, 0.75 * a + 0.25 * after], -1).reshape(*a.shape[:-1], -1)
        image = np.moveaxis(fine, -1, axis)
    return image.astype(np.float32)
