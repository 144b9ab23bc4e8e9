"""What a slice shows apart from the brain: how it was acquired, how it was cut out, how it was stored."""

from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ichmonai.errors import first_line
from ichmonai.io.formats import picture
from ichmonai.transforms.anatomy.head_mask import ABOVE_BLACK_HU, head_mask
from ichmonai.transforms.anatomy.intracranial import BONE_HU, SATURATED

Value = float | str

NUMBERS = ("KVP", "XRayTubeCurrent", "SliceThickness", "PixelSpacing", "ReconstructionDiameter", "GantryDetectorTilt")
WORDS = ("Manufacturer", "ManufacturerModelName", "ConvolutionKernel")
"""DICOM attributes (PS3.6) that say how a slice was acquired; none says who the patient is."""

_GRID = 128  # pixels along the longer side on which the surroundings of the head are looked at
_RIM = 0.1  # width of the rim of the head, by the square root of the head's area: scalp and skull
_SOFT_HU = (5.0, 70.0)  # inside a window of 0 to 80 HU, where noise is not clipped


def image_features(hu: NDArray[np.float32]) -> dict[str, Value]:
    """Describe a slice without its brain.

    Size and place of the head, its rim (scalp and skull), the background and the noise. Noise is measured in soft
    tissue, brain included, but as the median of a high-pass filter, which a bleeding moves by two or three per cent.
    Nothing else comes from deeper than the rim.

    Args:
        hu: (H, W) in HU, clipped to a window or not.

    Returns:
        Name -> value; lengths are shares of the image's sides, areas of its area. Where no head is found, only what
        does not need one.

    Example:
        >>> hu = np.zeros((128, 128), np.float32)
        >>> hu[32:96, 40:88] = 40
        >>> round(image_features(hu)["head width"], 2)  # 48 of 128 pixels and their soft edge
        0.39
    """
    rows, columns = hu.shape
    low, high = float(hu.min()), float(hu.max())
    found: dict[str, Value] = {"rows": rows, "columns": columns, "lowest HU": low, "highest HU": high}
    head = head_mask(hu)
    if not head.any():
        return found
    vertical, horizontal = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    top, bottom, left, right = (int(i) for i in (vertical[0], vertical[-1] + 1, horizontal[0], horizontal[-1] + 1))
    found |= {
        "head width": (right - left) / columns,
        "head height": (bottom - top) / rows,
        "head area": float(head.mean()),
        "head row": (top + bottom) / 2 / rows,
        "head column": (left + right) / 2 / columns,
    }
    step = max(1, round(max(hu.shape) / _GRID))
    small, inside = hu[::step, ::step], head[::step, ::step]
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    rim = small[inside & (depth < _RIM * np.sqrt(inside.sum()))]
    found |= {
        "bone in the rim": float((rim >= min(BONE_HU, low + SATURATED * (high - low))).mean()),
        "fat and air in the rim": float((rim <= max(low + ABOVE_BLACK_HU, 0.0)).mean()),
        "mean HU of the rim": float(rim.clip(0, 80).mean()),
    }
    outside = small[~ndimage.binary_dilation(inside, iterations=3)]
    if outside.size:
        found["specks outside the head"] = float((outside > low + ABOVE_BLACK_HU).mean())
    box = slice(top, bottom), slice(left, right)
    fine, coarse = _noise(hu[box], head[box]), _noise(_halved(hu[box]), head[box][::2, ::2])
    return found | {"noise": fine, "coarse noise": coarse, "noise texture": coarse / fine if fine else float("nan")}


def file_features(path: str) -> dict[str, Value]:
    """What a file says of its acquisition: DICOM attributes, or the quantisation of a JPEG; words and numbers.

    Args:
        path: of an image that `load_head_ct` reads.

    Raises:
        ValueError: the header cannot be read.
    """
    if Path(path).suffix.lower() in picture.FORMAT.suffixes:
        with Image.open(path, formats=picture.PILLOW_FORMATS) as image:
            tables = getattr(image, "quantization", None)
            return {"JPEG quantisation": float(np.mean([sum(table) for table in tables.values()]))} if tables else {}
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*NUMBERS, *WORDS, "Columns"])
        found: dict[str, Value] = {}
        for name in NUMBERS:
            if (value := header.get(name)) not in (None, ""):
                found[name] = float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
        found |= {name: str(header.get(name)) for name in WORDS if header.get(name)}
    except Exception as error:  # pydicom raises errors of many kinds on what is not DICOM or damaged
        raise ValueError(f"The header of {path} cannot be read ({first_line(error)}).") from error
    if "PixelSpacing" in found and "Columns" in header:
        found["field of view"] = float(found["PixelSpacing"]) * header.Columns
    return found


def _noise(hu: NDArray[np.float32], head: NDArray[np.bool_]) -> float:
    """Median magnitude of the Laplacian in soft tissue, in HU; nan where there is none."""
    laplacian = 4 * hu[1:-1, 1:-1] - hu[:-2, 1:-1] - hu[2:, 1:-1] - hu[1:-1, :-2] - hu[1:-1, 2:]
    centre = hu[1:-1, 1:-1]
    soft = (centre > _SOFT_HU[0]) & (centre < _SOFT_HU[1]) & head[1 : hu.shape[0] - 1, 1 : hu.shape[1] - 1]
    return float(np.median(np.abs(laplacian[soft]))) if soft.any() else float("nan")


def _halved(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = hu.shape[0] // 2, hu.shape[1] // 2
    return hu[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))
