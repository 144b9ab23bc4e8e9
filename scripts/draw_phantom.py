"""Draw the README's picture of the phantom: five diagnoses, three levels each, in the brain window.

python -m scripts.draw_phantom OUT.png
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from ichmonai.datasets.phantom import PhantomStudy, make_study

SPREAD = (0.3, 0.5, 0.7)  # of the slices with blood, from the lowest
PATIENTS = (("normal", 5), ("deep", 11), ("lobar", 12), ("subtentorial", 13), ("subdural", 15))
WINDOW = (0.0, 80.0)


def levels(study: PhantomStudy) -> list[int]:
    """Three slices spread over those that show blood, or over a normal brain from base to convexity."""
    shown = [record.index for record in study.truth if record.rsna[0]]
    if not shown:
        widest = int(np.argmax([record.brain_mm2 for record in study.truth]))
        return [widest - 4, widest, widest + 7]
    return [shown[round(part * (len(shown) - 1))] for part in SPREAD]


def crop(image: np.ndarray, study: PhantomStudy) -> np.ndarray:
    """Cut the same square around the head out of every slice of a study."""
    rows, columns = np.flatnonzero(study.head.any(axis=(1, 2))), np.flatnonzero(study.head.any(axis=(0, 2)))
    half = int(0.53 * max(np.ptp(rows), np.ptp(columns)))
    centre = int(rows.mean()), int(columns.mean())
    padded = np.pad(image, half, constant_values=-1000)
    return padded[centre[0] : centre[0] + 2 * half, centre[1] : centre[1] + 2 * half]


def main(out: Path) -> None:
    plt.rcParams.update({"font.family": "sans-serif", "font.size": 11})
    figure, axes = plt.subplots(len(SPREAD), len(PATIENTS), figsize=(10, 6.35), facecolor="black")
    for column, (kind, seed) in enumerate(PATIENTS):
        study = make_study(seed, kind)
        axes[0, column].set_title(kind, color="white", pad=6)
        for row, index in enumerate(levels(study)):
            axis = axes[row, column]
            axis.imshow(crop(study.hu[..., index], study), cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1])
            axis.axis("off")
    figure.subplots_adjust(0.004, 0.004, 0.996, 0.945, wspace=0.015, hspace=0.015)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130, facecolor="black")
    plt.close(figure)
    Image.open(out).convert("L").quantize(64).save(out, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file to write")
    main(parser.parse_args().out)
