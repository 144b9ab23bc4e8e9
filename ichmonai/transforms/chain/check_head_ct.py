"""Refuse what is no head CT in HU, by its pixels."""

from collections.abc import Iterable

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from ichmonai.io.findings import Code, Finding, HeadCTReadError, refusing
from ichmonai.transforms.anatomy.binary_image import Mask, close
from ichmonai.transforms.anatomy.head_picture import why_no_head
from ichmonai.transforms.anatomy.pieces import fill_holes
from ichmonai.transforms.dictionary import DictionaryTransform

GRID = 128  # pixels along the longer side of the working grid, about 2 mm each
FIELD_OF_VIEW = 250.0  # mm, where the affine does not say
AIR_HU = -900.0
AIR = 0.01  # share of a full-range head CT that is air, at least; it is a third and more but in a tight crop
TISSUE_HU = -500.0
# Medians of the tissue in the middle of an image; those of 55 studies are 25 to 39 HU, of their slices 0.6 to 58.
UNCLIPPED, UNCLIPPED_SLICE = (-200.0, 400.0), (-200.0, 2000.0)  # face, or the bone of a vertex
CLIPPED, CLIPPED_SLICE = (5.0, 65.0), (0.0, 90.0)  # brain written as 0..255 for 0..80 HU has 100
CONTRAST_HU = 2.0  # the tissue differs by more, and values scaled to 0..1 by less
BONE_HU = 130.0
SATURATED_HU = 76.0  # where an image is clipped below BONE_HU, bone is what saturates; below this it may be brain
SUTURE = 6.0  # half the widest gap of the skull that is bridged, in mm
CAVITY = (2500.0, 35000.0)  # mm2 of soft tissue within the skull: a newborn's, and half as much again as an adult's

_GIVE = {Code.NOT_HEAD: "give one axial slice of a head", Code.NOT_HU: "give CT in a brain window, 0 to 80 HU"}


class CheckHeadCT(Transform):
    """Refuse an image that is not in HU or shows no head.

    *Not in HU* (`not_hu`): full-range CT has air near -1000 HU, and then the tissue in the middle of the image has to
    lie around 0. Without air, an image may still be HU clipped to a window, or a crop: that passes where the middle
    lies where brain does (5..65 HU; 0..90 of a single slice) and is not flat. So stored values that lack their
    intercept (brain at 1060), images scaled to 0..1 or to 0..255, and MR are refused, and HU clipped to 0..80 are not;
    an MR whose brain happens to be there cannot be told.

    *Not a head* (`not_head`): nothing but air; or, in a volume, no slice in which bone encloses 25 to 350 cm2 of soft
    tissue. Ribs and pelvis do not close around it, long bones and vertebrae enclose less, a phantom's wall is no bone
    and water no brain. A volume clipped to a window in which bone cannot be told from brain is not asked for a skull.
    One slice, in HU or as a picture, has to look like a head CT in a brain window, see
    `ichmonai.transforms.anatomy.head_picture`: photographs, screens, MR and radiographs are no head, and a bone window
    or a drawing has no HU. It may lie at any angle in the plane.

    What the reader found is judged as well: `meta["findings"]`, a list of [code, sentence], which this extends.

    Args:
        accept: codes of `ichmonai.io.findings.ACCEPTABLE` that do not refuse an image.

    Example:
        >>> hu = torch.full((1, 128, 128, 12), -1000.0)
        >>> hu[0, 20:100, 30:90] = 900  # skull
        >>> hu[0, 24:96, 34:86] = 35  # brain
        >>> CheckHeadCT()(hu).shape
        torch.Size([1, 128, 128, 12])
        >>> CheckHeadCT()(hu + 1024)
        Traceback (most recent call last):
        ...
        ichmonai.io.findings.HeadCTReadError: The image is not in HU: ...
    """

    def __init__(self, accept: Iterable[Code | str] = ()) -> None:
        self.accept = tuple(Code(code) for code in accept)
        refusing((), self.accept)

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Check an image.

        Args:
            img: HU, (1, H, W) or (1, H, W, S).

        Returns:
            The image as it is; the metadata of a MetaTensor gains what was found and accepted in `findings`.

        Raises:
            HeadCTReadError: with the code of the first finding that refuses it.
            ValueError: if the image is no slice or volume of exactly one channel.
        """
        if img.ndim not in (3, 4) or img.shape[0] != 1:
            raise ValueError(
                f"CheckHeadCT takes a slice (1, H, W) or a volume (1, H, W, S) of HU, not {tuple(img.shape)}."
            )
        image = img if isinstance(img, torch.Tensor) else torch.as_tensor(img)
        meta = image.meta if isinstance(image, MetaTensor) else {}
        found = [Finding(Code(code), sentence) for code, sentence in meta.get("findings") or ()]
        found += check_pixels(image[0].detach().cpu().numpy(), _spacing(image), meta.get("filename_or_obj"))
        if reason := refusing(found, self.accept):
            raise HeadCTReadError(reason.sentence, reason.code)
        if isinstance(image, MetaTensor):
            meta = {**meta, "findings": [[code.value, sentence] for code, sentence in found]}
            image = MetaTensor(image.as_tensor(), meta=meta, applied_operations=image.applied_operations)
        return image


CheckHeadCTd = DictionaryTransform.of(CheckHeadCT)


def check_pixels(
    hu: NDArray[np.floating], spacing: tuple[float, float] | None = None, name: str | None = None
) -> list[Finding]:
    """What the pixels show against a head CT.

    Args:
        hu: a slice (H, W) or a volume (H, W, S) in HU.
        spacing: of rows and of columns in mm, if known.
        name: what the sentences call the image.

    Returns:
        `NOT_HU` or `NOT_HEAD`, or nothing.
    """
    name = name or "The image"
    step = max(1, round(max(hu.shape[:2]) / GRID))
    coarse = np.atleast_3d(hu[::step, ::step])
    low, high = float(coarse.min()), float(coarse.max())
    if high < TISSUE_HU or low == high:
        return [Finding(Code.NOT_HEAD, f"{name} shows nothing but air; give a head CT.")]
    if sentence := _not_hu(coarse, low, high):
        return [Finding(Code.NOT_HU, f"{name} is not in HU: {sentence}; give CT with its rescaling applied.")]
    bone_hu = min(BONE_HU, high - 1)
    if hu.ndim == 2 or (spacing is None and bone_hu < SATURATED_HU):  # a picture, or several
        return _not_pictured(np.atleast_3d(hu), name)
    if bone_hu < SATURATED_HU:
        return []
    pixel = FIELD_OF_VIEW / max(hu.shape[:2]) if spacing is None else float(np.sqrt(spacing[0] * spacing[1]))
    cavity = max(cavity_area(coarse[..., index], bone_hu, pixel * step) for index in range(coarse.shape[-1]))
    if cavity < CAVITY[0]:
        return [Finding(Code.NOT_HEAD, f"{name} shows no skull around a brain in any slice; give a head CT.")]
    return []


def _not_pictured(pictures: NDArray[np.floating], name: str) -> list[Finding]:
    """Why none of the pictures (H, W, S) is of a head; nothing where one is."""
    reasons = []
    for index in range(pictures.shape[-1]):
        if (reason := why_no_head(pictures[..., index])) is None:
            return []
        reasons.append(reason)
    code, seen = reasons[0]
    return [Finding(code, f"{name} does not look like a head CT, with {seen}; {_GIVE[code]}.")]


def cavity_area(hu: NDArray[np.floating], bone_hu: float, pixel: float) -> float:
    """Area in mm2 of the soft tissue that bone encloses in a slice (H, W); 0 if it is larger than any brain, or none.

    Args:
        hu: the slice.
        bone_hu: HU above which is bone.
        pixel: spacing in mm.
    """
    radius = max(1, round(SUTURE / pixel))
    bone: Mask = close(np.pad(hu > bone_hu, radius + 1), radius)[radius + 1 : -radius - 1, radius + 1 : -radius - 1]
    inside = fill_holes(bone) & ~bone
    area = float(inside.sum()) * pixel**2
    if not 0 < area <= CAVITY[1]:
        return 0.0
    return area if CLIPPED[0] < np.median(hu[inside]) < CLIPPED[1] else 0.0


def _not_hu(hu: NDArray[np.floating], low: float, high: float) -> str:
    """Why values (H, W, S) are not HU; empty where they may be."""
    height, width, depth = hu.shape
    middle = hu[height // 3 : height - height // 3, width // 3 : width - width // 3, depth // 4 : depth - depth // 4]
    has_air = np.mean(hu < AIR_HU) >= AIR
    # Black and saturated pixels of an image that is clipped to a window say nothing.
    tissue = middle[(middle > max(low, TISSUE_HU)) & (middle < high)]
    if tissue.size < 0.01 * middle.size:
        return ""
    lowest, centre, highest = np.percentile(tissue, [5, 50, 95])
    whole, single = (UNCLIPPED, UNCLIPPED_SLICE) if has_air else (CLIPPED, CLIPPED_SLICE)
    bounds = whole if depth > 1 else single
    air = "air" if has_air else "no air"
    if not bounds[0] < centre < bounds[1]:
        return f"{air}, and {centre:.4g} in its middle"
    if not has_air and highest - lowest < CONTRAST_HU:
        return f"{air}, and only {lowest:.3g} to {highest:.3g} in its middle"
    return ""


def _spacing(image: torch.Tensor) -> tuple[float, float] | None:
    if not isinstance(image, MetaTensor) or torch.equal(image.affine.float().cpu(), torch.eye(4)):
        return None
    rows, columns = torch.linalg.vector_norm(image.affine[:3, :2].double(), dim=0).tolist()
    return rows, columns
