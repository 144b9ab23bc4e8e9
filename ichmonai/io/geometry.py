"""Orientation of a volume: rows to posterior, columns to the patient's left, slices to superior."""

import nibabel as nib
import numpy as np

DISPLAY_AXES = ("P", "L", "S")
"""Anatomical directions (nibabel axis codes) in which the axes (H, W, S) of a volume run."""


def to_display_orientation(volume: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flip and permute the axes, without interpolation, so that slices look as radiologists see them.

    Args:
        volume: array (I, J, K) in any orientation.
        affine: 4x4 voxel index to RAS+ millimetres (NIfTI convention).

    Returns:
        The volume (H, W, S) with H running to posterior, W to the patient's left and S to superior, and its affine.
    """
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(DISPLAY_AXES)
    )
    oriented = nib.orientations.apply_orientation(volume, change)
    return oriented, affine @ nib.orientations.inv_ornt_aff(change, volume.shape)
