"""Orientation of a volume: rows to posterior, columns to the patient's left, slices to superior."""

from collections.abc import Sequence

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

DISPLAY_AXES = ("P", "L", "S")
"""Anatomical directions (nibabel axis codes) in which the axes (H, W, S) of a volume run."""


def to_display_orientation(volume: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flip and permute the axes, without interpolation, so that slices look as radiologists see them.

    Args:
        volume: array (I, J, K) in any orientation.
        affine: 4x4 voxel index to RAS+ millimetres (NIfTI convention).

    Returns:
        A view of the volume (H, W, S) with H running to posterior, W to the patient's left and S to superior, and its
        affine.
    """
    change = _to_display(affine)
    return orientations.apply_orientation(volume, change), affine @ orientations.inv_ornt_aff(change, volume.shape)


def to_original_orientation(volume: np.ndarray, affine: np.ndarray, original_affine: np.ndarray) -> np.ndarray:
    """Undo `to_display_orientation`: a volume beside an image in the axes of the image's file.

    Args:
        volume: array (H, W, S) in display orientation.
        affine: its 4x4 affine.
        original_affine: the affine of the file, with axes that are those of `affine` flipped and permuted.

    Returns:
        A view of the volume (I, J, K), whose affine is `original_affine`.
    """
    change = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.io_orientation(original_affine)
    )
    return orientations.apply_orientation(volume, change)


def empty_volume(
    shape: Sequence[int], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """A volume in display orientation, to be filled in another one without a second copy.

    Args:
        shape: (I, J, K) of the orientation in which it will be filled.
        affine: 4x4 from index of that orientation to RAS+ millimetres.

    Returns:
        The empty float32 volume (H, W, S), slice after slice in memory, since everything that follows works on slices;
        the same memory as (I, J, K); and the affine of the first.
    """
    change = _to_display(affine)
    height, width, depth = (shape[int(axis)] for axis in np.argsort(change[:, 0]))
    display = np.moveaxis(np.empty((depth, height, width), np.float32), 0, -1)
    back = orientations.ornt_transform(orientations.axcodes2ornt(DISPLAY_AXES), orientations.io_orientation(affine))
    acquired = orientations.apply_orientation(display, back)
    return display, acquired, affine @ orientations.inv_ornt_aff(change, shape)


def _to_display(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt(DISPLAY_AXES))
