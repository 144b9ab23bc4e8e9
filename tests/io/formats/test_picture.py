import matplotlib
import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw

from ichmonai.datasets.phantom import make_study
from ichmonai.io import Code, HeadCTReadError, load_head_ct
from ichmonai.transforms import CheckHeadCT


@pytest.fixture(scope="module")
def grey():
    hu = make_study(3, size=128).hu[..., 15]
    return (255 * np.clip(hu / 80, 0, 1)).astype(np.uint8)


def findings(path, picture, **options):
    Image.fromarray(picture).save(path, **options)
    return [code for code, _ in load_head_ct(path).meta["findings"]]


def test_colours_are_found(tmp_path, grey):
    jet = (255 * matplotlib.colormaps["jet"](grey)[..., :3]).astype(np.uint8)
    part = np.repeat(grey[..., None], 3, axis=-1)
    part[50:80, 50:80] = jet[50:80, 50:80]
    for number, picture in enumerate((jet, part, skimage.data.astronaut(), skimage.data.coffee())):
        assert findings(tmp_path / f"{number}.png", picture) == [Code.BURNED_IN.value]
        assert findings(tmp_path / f"{number}.jpg", picture) == [Code.BURNED_IN.value]
    Image.fromarray(jet).quantize(64).save(tmp_path / "palette.png")
    with pytest.raises(HeadCTReadError, match=r"palette\.png has colours in \d+% of its pixels; give a grey") as info:
        CheckHeadCT()(load_head_ct(tmp_path / "palette.png"))
    assert info.value.code is Code.BURNED_IN


def test_a_coloured_picture_can_be_accepted(tmp_path, grey):
    part = np.repeat(grey[..., None], 3, axis=-1)
    part[60:80, 50:80] = (90, 30, 30)
    Image.fromarray(part).save(tmp_path / "a.png")
    image = CheckHeadCT(accept=["burned_in"])(load_head_ct(tmp_path / "a.png"))
    assert [code for code, _ in image.meta["findings"]] == ["burned_in"]


def test_grey_tints_and_marks_are_no_colour(tmp_path, grey):
    three = np.repeat(grey[..., None], 3, axis=-1)
    tint = np.clip(three + np.array([-12, 0, 10]) * (three > 20), 0, 255).astype(np.uint8)
    marked = Image.fromarray(three)
    ImageDraw.Draw(marked).text((2, 2), "R", fill=(255, 0, 0))
    for number, picture in enumerate((grey, three, tint, np.asarray(marked))):
        assert findings(tmp_path / f"{number}.png", picture) == []
        assert findings(tmp_path / f"{number}.jpg", picture, quality=70) == []
        CheckHeadCT()(load_head_ct(tmp_path / f"{number}.jpg"))
