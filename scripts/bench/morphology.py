"""Time the morphology of ichmonai against scipy, skimage and OpenCV, on masks of drawn heads.

Every library does the same to the same masks (bone, and all that is no air, of slices of phantoms) and its masks must
be equal. Time is CPU time of the thread, OpenCV on one thread, the median of interleaved rounds; the ratio is against
scipy in the same run, above 1 where a library is faster.

    python -m scripts.bench.morphology --out scripts/results/bench_morphology.csv
"""

import argparse
import csv
import datetime
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from skimage import measure, morphology

from ichmonai.datasets.phantom import make_cohort
from ichmonai.transforms.anatomy import binary_image as own
from ichmonai.transforms.anatomy import pieces as own_pieces
from ichmonai.transforms.chain.remove_head_holder_as_published import DISK_3
from scripts.bench.machine import machine

BASELINE = "scipy"
LIBRARIES = {
    "ichmonai": "ichmonai",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
}
Operation = Callable[[np.ndarray], np.ndarray]


def square(radius: int) -> np.ndarray:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def largest(labels: np.ndarray) -> np.ndarray:
    """Mask of the largest piece, the topmost of equal ones."""
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def own_largest(mask: np.ndarray) -> np.ndarray:
    pieces = own_pieces.Pieces(mask)
    return pieces.paint(np.arange(pieces.count) == pieces.sizes.argmax())


def cv2_morphology(method: int, kernel: np.ndarray, around: int = 0) -> Operation:
    def operation(mask: np.ndarray) -> np.ndarray:
        image = np.pad(mask.view(np.uint8), around) if around else mask.view(np.uint8)
        result = cv2.morphologyEx(image, method, kernel).view(bool)
        return result[around:-around, around:-around] if around else result

    return operation


def cv2_fill(mask: np.ndarray) -> np.ndarray:
    image = np.pad(mask.view(np.uint8), 1)
    cv2.floodFill(image, None, (0, 0), 2, flags=4)
    return (image != 2)[1:-1, 1:-1]


def operations(radius: int) -> dict[str, dict[str, Operation]]:
    box, disk, wide = square(radius), morphology.disk(3), 2 * radius
    inner = np.s_[wide:-wide, wide:-wide]
    return {
        f"dilate, square of radius {radius}": {
            "ichmonai": lambda mask: own.dilate(mask, radius),
            "scipy": lambda mask: ndimage.grey_dilation(mask.view(np.uint8), box.shape, mode="constant").view(bool),
            "skimage": lambda mask: morphology.dilation(
                mask, morphology.footprint_rectangle(box.shape, decomposition="separable")
            ),
            "cv2": cv2_morphology(cv2.MORPH_DILATE, box),
        },
        f"close, square of radius {radius}": {
            "ichmonai": lambda mask: own.close(mask, radius),
            "scipy": lambda mask: ndimage.grey_closing(np.pad(mask, wide).view(np.uint8), box.shape)[inner].view(bool),
            "skimage": lambda mask: morphology.closing(
                np.pad(mask, wide), morphology.footprint_rectangle(box.shape, decomposition="separable")
            )[inner],
            "cv2": cv2_morphology(cv2.MORPH_CLOSE, box, wide),
        },
        "dilate, disk of radius 3": {
            "ichmonai": lambda mask: own.dilate_by_boxes(mask, DISK_3),
            "scipy": lambda mask: ndimage.binary_dilation(mask, disk),
            "skimage": lambda mask: morphology.dilation(mask, disk),
            "cv2": cv2_morphology(cv2.MORPH_DILATE, disk),
        },
        "fill holes": {
            "ichmonai": own_pieces.fill_holes,
            "scipy": ndimage.binary_fill_holes,
            "skimage": lambda mask: (
                measure.label(np.pad(~mask, 1, constant_values=True), connectivity=1)[1:-1, 1:-1] != 1
            ),
            "cv2": cv2_fill,
        },
        "largest piece": {
            "ichmonai": own_largest,
            "scipy": lambda mask: largest(ndimage.label(mask, np.ones((3, 3)))[0]),
            "skimage": lambda mask: largest(measure.label(mask, connectivity=2)),
            "cv2": lambda mask: largest(cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[1]),
        },
    }


def drawn_masks(patients: int, size: int) -> list[np.ndarray]:
    slices = [study.hu for study in make_cohort(patients, 0, size, 1)]
    chosen = [volume[..., volume.shape[-1] // part] for volume in slices for part in (2, 3)]
    return [np.ascontiguousarray(hu > threshold) for hu in chosen for threshold in (300, -300)]


def timed(operation: Operation, masks: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    start = time.thread_time()
    results = [operation(mask) for mask in masks]
    return (time.thread_time() - start) / len(masks), results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="csv to write")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--patients", type=int, default=2)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    for size, radius in ((256, 4), (512, 8)):
        masks = drawn_masks(arguments.patients, size)
        for name, ways in operations(radius).items():
            seconds: dict[str, list[float]] = {library: [] for library in ways}
            for _ in range(arguments.rounds):
                results = {}
                for library, way in ways.items():
                    spent, results[library] = timed(way, masks)
                    seconds[library].append(spent)
            medians = {library: statistics.median(spent) for library, spent in seconds.items()}
            for library, median in medians.items():
                same = all(map(np.array_equal, results[library], results[BASELINE]))
                rows.append(
                    {
                        "operation": name,
                        "size": size,
                        "library": f"{library} {version(LIBRARIES[library])}",
                        "cpu_ms": f"{1000 * median:.3f}",
                        f"times_{BASELINE}": f"{medians[BASELINE] / median:.2f}",
                        "same_masks": same,
                        "masks": len(masks),
                        "rounds": arguments.rounds,
                        "machine": machine(),
                        "date": datetime.date.today().isoformat(),
                    }
                )
                print(name, size, *list(rows[-1].values())[2:6])
    with arguments.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
