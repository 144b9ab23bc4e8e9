import logging

import numpy as np
import pytest
from PIL import Image

from ichmonai.datasets import DatasetError, keep_brain


def draw(path, brain, bleeds=True):
    """A head whose bone encloses a brain, or a neck: muscle around a vertebra."""
    rows, columns = np.ogrid[:256, :256]
    radius = np.hypot(rows - 128, columns - 128)
    bone = (radius > 80) & (radius < 92) if brain else radius < 20
    pixels = np.where(radius < (100 if brain else 45), 120, 0)
    pixels[bone] = 255
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return {"image": str(path), "patient": path.stem, "label": np.array([1, 0] if bleeds else [0, -1])}


def test_bleedings_on_slices_without_brain_are_left_out(tmp_path, caplog):
    items = [draw(tmp_path / f"{k}.png", brain=k not in (1, 2), bleeds=k != 2) for k in range(4)]
    with caplog.at_level(logging.INFO):
        assert [item["patient"] for item in keep_brain(items)] == ["0", "2", "3"]
    assert "1 of 4 slices are labelled as bleeding but show no brain" in caplog.text
    assert keep_brain(items, minimum=0) == items


def test_nothing_left_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match="None of 1 slices shows brain"):
        keep_brain([draw(tmp_path / "neck.png", brain=False)])
