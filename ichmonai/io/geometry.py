"""Where the pixels of a volume lie in the patient, and how much of it each stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray

from ichmonai.io.orientation import to_display_orientation, to_original_orientation


@dataclass(frozen=True, eq=False)
class Geometry:
    """The geometry of a volume as `load_head_ct` reads it.

    Attributes:
        affine: float64 (4, 4), from (row, column, slice) to RAS+ mm. It shears where the gantry was tilted, and has the
            mean distance of slices that are unevenly spaced. The unit matrix where the place is not known.
        original_affine: the same of the file's own axes, which are those of `affine` flipped and permuted; columns,
            rows and slices where the place is not known.
        places: float64 (S,), of each slice along the normal of the slices in mm, inferior to superior.
    """

    affine: NDArray[np.float64]
    original_affine: NDArray[np.float64]
    places: NDArray[np.float64]

    @classmethod
    def of(cls, image: MetaTensor) -> "Geometry":
        """The geometry of an image as it was read.

        Args:
            image: (1, H, W, S), or a slice (1, H, W), as `load_head_ct` gives it.
        """
        affine = np.asarray(image.affine.cpu(), dtype=np.float64)
        original = image.meta.get("original_affine")
        original = affine[:, [1, 0, 2, 3]] if original is None else np.asarray(original, dtype=np.float64)
        slices = image.shape[3] if image.ndim == 4 else 1
        return cls(affine, original, _places(affine, slices, image.meta.get("slice_places")))

    @classmethod
    def beside(cls, meta: Mapping[str, Any]) -> "Geometry":
        """The geometry of the file that an image was read from, whatever was cropped or left out since.

        Args:
            meta: of the image, with `original_affine` and `spatial_shape` as `load_head_ct` gives them.
        """
        original = np.asarray(meta["original_affine"], dtype=np.float64)
        blank = np.broadcast_to(np.uint8(0), [int(length) for length in meta["spatial_shape"]])
        shown, affine = to_display_orientation(blank, original)
        return cls(affine, original, _places(affine, shown.shape[2], meta.get("slice_places")))

    @property
    def is_placed(self) -> bool:
        """Whether the place in the patient is known."""
        return not np.array_equal(self.affine, np.eye(4))

    @property
    def pixel_mm2(self) -> float:
        """Area of a pixel in mm2; nan where it is not known."""
        area = float(np.linalg.norm(np.cross(self.affine[:3, 0], self.affine[:3, 1])))
        return area if self.is_placed else float("nan")

    @property
    def extents(self) -> NDArray[np.float64]:
        """How far each slice reaches along the normal in mm, (S,): half of the way to the slice below and above.

        The lowest and the highest reach as far outwards as inwards. Neither the thickness counts, since slices may
        overlap or leave gaps, nor the way along the table, which is longer where the gantry was tilted. nan of a slice
        alone, and where the place is not known.
        """
        if len(self.places) < 2 or not self.is_placed:
            return np.full(len(self.places), np.nan)
        ways = np.diff(self.places)
        return (np.append(ways[0], ways) + np.append(ways, ways[-1])) / 2

    def in_original_axes(self, volume: NDArray) -> NDArray:
        """A volume (S, H, W) beside the image, in the axes (I, J, K) of its file.

        Args:
            volume: of the image's slices, rows and columns.
        """
        return to_original_orientation(np.moveaxis(volume, 0, -1), self.affine, self.original_affine)


def _places(affine: NDArray[np.float64], slices: int, known: Sequence[float] | None) -> NDArray[np.float64]:
    """Those that are known of each slice, or equal distances."""
    if known is not None and len(known) == slices:
        return np.asarray(known, dtype=np.float64)
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    distance = abs(float(normal @ affine[:3, 2])) / float(np.linalg.norm(normal))
    return np.arange(slices, dtype=np.float64) * distance
