"""A mask as a NIfTI file over the scan, and as the bytes that a journal keeps."""

import gzip
import json
import math
import zlib

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ichmonai.io.geometry import Geometry
from ichmonai.io.limits import MAX_VOXELS
from ichmonai.notice import NOTICE

Mask = NDArray[np.uint8]


def nifti(mask: Mask, geometry: Geometry) -> bytes:
    """A mask as a compressed NIfTI file that lies over the scan, pixel on pixel: nothing is resampled.

    Its axes are those of the scan's file, of a DICOM series columns, rows and slices, inferior to superior. The sform
    is the true affine. Where the gantry was tilted it shears, which a qform cannot hold, and ITK refuses an sform that
    shears. The qform then has the slices upright on one another, as ITK, 3D Slicer and ITK-SNAP show the DICOM series
    itself: these take the qform, and mask and scan lie over each other there, too.

    Slices that are not equally far from each other have no affine at all. The file then has their mean distance, as ITK
    gives it to the scan itself, so that slice lies on slice again. Volumes are to be taken from the tables, which know
    the true places. Of an image without geometry a pixel is 1 mm, as viewers take it.

    Args:
        mask: uint8 (S, H, W).
        geometry: of the volume.

    Returns:
        A `.nii.gz`; equal masks are equal bytes.
    """
    # Viewers of pictures, ITK among them, let columns run to the left and rows to posterior.
    sform = geometry.original_affine if geometry.is_placed else np.diag([-1.0, -1.0, 1.0, 1.0])
    voxels = geometry.in_original_axes(mask) if geometry.is_placed else np.moveaxis(mask, (0, 1), (2, 1))
    image = nib.Nifti1Image(np.ascontiguousarray(voxels), None)
    image.set_sform(sform, code=1)
    image.set_qform(_upright(sform), code=1)
    image.header.set_xyzt_units("mm")
    image.header.set_intent("label")
    image.header["descrip"] = NOTICE.encode()[:79]
    return gzip.compress(image.to_bytes(), 6, mtime=0)


def _upright(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """An affine whose slices lie upright on one another, as far apart as before along the table."""
    axis = int(np.abs(np.linalg.inv(affine)[:3, 2]).argmax())  # the one that runs along the patient
    first, second = (affine[:3, one] for one in range(3) if one != axis)
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal)
    step = affine[:3, axis]
    result = affine.copy()
    result[:3, axis] = normal * math.copysign(float(np.linalg.norm(step)), float(normal @ step))
    return result


def pack(mask: Mask, geometry: Geometry) -> bytes:
    """A mask and its geometry as bytes; a whole head takes some ten kB."""
    affines = {name: getattr(geometry, name).tolist() for name in ("affine", "original_affine", "places")}
    return json.dumps({"shape": mask.shape, **affines}).encode() + b"\n" + zlib.compress(mask.tobytes(), 1)


def unpack(packed: bytes) -> tuple[Mask, Geometry]:
    """What was packed.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        head, _, body = packed.partition(b"\n")
        record = json.loads(head)
        shape = tuple(map(int, record["shape"]))
        size = math.prod(shape)
        if len(shape) != 3 or min(shape) < 1 or size > MAX_VOXELS:
            raise ValueError(f"a mask is {shape}")
        mask = np.frombuffer(zlib.decompressobj().decompress(body, size), np.uint8).reshape(shape)
        affine, original, places = (np.asarray(record[name], float) for name in ("affine", "original_affine", "places"))
        sound = affine.shape == original.shape == (4, 4) and places.shape == shape[:1]
        if not sound or not all(np.isfinite(one).all() for one in (affine, original, places)):
            raise ValueError("a mask has no geometry")
        np.linalg.inv(affine), np.linalg.inv(original)
        return mask, Geometry(affine, original, places)
    except (KeyError, TypeError, AttributeError, RecursionError, np.linalg.LinAlgError, zlib.error) as error:
        raise ValueError(f"a mask is damaged: {type(error).__name__}") from error
