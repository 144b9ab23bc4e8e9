import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ichmonai.evaluation.figures import plot_confusion, plot_curves


def row(epoch, **values):
    return {"epoch": epoch, **values}


def colours(path):
    return {colour for _, colour in Image.open(path).convert("RGB").getcolors(maxcolors=1 << 24)}


BLUE, ORANGE = (0, 0x72, 0xB2), (0xD5, 0x5E, 0)


def test_curves_of_both_heads(tmp_path):
    rows = [
        row(e, train_loss=1 / e, val_loss=1.2 / e, val_ich_accuracy=1 - 0.2 / e, val_location_accuracy=1 - 0.5 / e)
        for e in range(1, 6)
    ]
    plot_curves(rows, tmp_path / "curves.png")
    assert {BLUE, ORANGE} <= colours(tmp_path / "curves.png")


def test_curves_with_gaps(tmp_path):
    plot_curves([row(1, train_loss=2.0), row(2, val_ich_accuracy=0.9, train_loss=float("nan"))], tmp_path / "one.png")
    assert BLUE in colours(tmp_path / "one.png")
    assert ORANGE not in colours(tmp_path / "one.png")
    plot_curves([row(1)], str(tmp_path / "none.png"))
    assert BLUE not in colours(tmp_path / "none.png")
    with pytest.raises(ValueError, match="one row for each epoch"):
        plot_curves([], tmp_path / "empty.png")


def test_confusion_is_shaded_by_share_of_the_true_class(tmp_path):
    plot_confusion(np.array([[1, 1], [0, 7]]), ["normal", "ich"], tmp_path / "a.png")
    plot_confusion(np.array([[10, 10], [0, 70]]), ["normal", "ich"], tmp_path / "b.png")
    plot_confusion(np.zeros((3, 3), dtype=int), ["deep", "lobar", "subtentorial"], tmp_path / "empty.png", "none")
    darkest = [min(sum(colour) for colour in colours(tmp_path / name) if colour[2] > 90) for name in ("a.png", "b.png")]
    assert darkest[0] == darkest[1]
    with pytest.raises(ValueError, match=r"3 class names .* \(2, 2\)"):
        plot_confusion(np.eye(2, dtype=int), ["deep", "lobar", "subtentorial"], tmp_path / "c.png")


def test_they_say_what_they_are_not_for(tmp_path):
    plot_curves([row(1, train_loss=2.0)], tmp_path / "curves.png")
    plot_confusion(np.eye(2, dtype=int), ["normal", "ich"], tmp_path / "confusion.png")
    for name in ("curves.png", "confusion.png"):
        image = Image.open(tmp_path / name)
        assert "not for clinical use" in image.info["Description"]
        footer = np.asarray(image.convert("L"))[-25:, -250:]
        assert (footer < 160).any(), "the notice can be seen"


def test_pyplot_is_left_alone():
    program = "import sys, ichmonai.evaluation.figures; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "False"
