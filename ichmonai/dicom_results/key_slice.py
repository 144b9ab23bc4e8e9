"""The picture of one key slice."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ichmonai.dicom_results.case import Case, number
from ichmonai.notice import NOTICE
from ichmonai.prediction.rows import probability_of

_LONGEST = 768
_BAND = 40
_OUTLINE = (255, 80, 80)


def draw_slice(case: Case, index: int, view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw a slice with what is said of it above, and the notice below; the blood is outlined where there is a mask.

    Args:
        case: the answer.
        index: of the slice.
        view: grey values (Rows, Columns) of its image.

    Returns:
        RGB (H, W, 3), pixels square.
    """
    shown = outlined(view, None if case.mask is None else case.mask[index], case.spacing)
    page = Image.new("RGB", (shown.width, shown.height + 2 * _BAND))
    page.paste(shown, (0, _BAND))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=20)
    p = number(case.rows[index].get("p_ich"))
    said = f"slice {index + 1} of {len(case.rows)}" + ("" if p is None else f": haemorrhage {probability_of(p)}")
    draw.text((10, 8), f"ichmonai  {said}", fill="white", font=font)
    draw.text((10, _BAND + shown.height + 8), NOTICE, fill=(255, 220, 80), font=font)
    return np.asarray(page)


def outlined(view: NDArray[np.uint8], mask: NDArray[np.uint8] | None, spacing: tuple[float, float]) -> Image.Image:
    """A slice with square pixels, and the outline of its mask.

    Args:
        view: grey values (Rows, Columns).
        mask: the same shape, 0 where nothing is marked; None for no outline.
        spacing: mm between rows and between columns.

    Returns:
        RGB, its longer side 768 pixels.
    """
    height, width = view.shape[0] * spacing[0], view.shape[1] * spacing[1]
    scale = _LONGEST / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    picture = np.array(Image.fromarray(view).resize(size, Image.Resampling.BICUBIC).convert("RGB"))
    if mask is not None:
        marked = np.asarray(Image.fromarray((mask > 0).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)) > 0
        picture[ndimage.binary_dilation(marked, iterations=2) & ~marked] = _OUTLINE
    return Image.fromarray(picture)
