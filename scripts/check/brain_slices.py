"""Check which slices show brain on every study of a folder of 8-bit slices, in numbers and in pictures.

The folder holds `slices.csv` (columns image, patient, slice, ich_proxy) and the images, whose value v means
HU = 80 * v / 255. Contact sheets show every slice with its share of brain and the outline of the inside of the skull,
green where the slice is kept and red where it is not.

    python -m scripts.check.brain_slices --data .../phe --out /tmp/sheets --labels /tmp/eye.csv
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from ichmonai.transforms.anatomy.intracranial import brain_content, intracranial_mask
from ichmonai.transforms.chain.keep_brain_slices import MINIMUM
from scripts.check.head_holder import TILE, TILES_A_ROW, read_studies

COLUMNS = ("slices", "kept", "first", "last", "ich", "ich_lost", "brain", "brain_lost", "other", "other_kept")
COLUMNS_HELP = """
slices, kept       slices of the study, and those with enough brain
first, last        the lowest and the highest of them
ich, ich_lost      slices marked with haemorrhage (ich_proxy), and those that are not kept
brain, brain_lost  slices from `first` to `last` of the labels, and those that are not kept
other, other_kept  slices outside `first_possible` ... `last_possible` of the labels, and those that are kept
"""


def read_proxies(data: Path) -> set[tuple[str, int]]:
    with (data / "slices.csv").open(newline="") as table:
        return {(row["patient"], int(row["slice"])) for row in csv.DictReader(table) if row["ich_proxy"] == "1"}


def read_labels(path: Path | None) -> dict[str, dict[str, int]]:
    if path is None:
        return {}
    with path.open(newline="") as table:
        return {row.pop("patient"): {name: int(value) for name, value in row.items()} for row in csv.DictReader(table)}


def count(content: np.ndarray, ich: np.ndarray, labels: dict[str, int] | None) -> dict[str, int]:
    kept = ~(content < MINIMUM)
    index = np.arange(len(content))
    brain = other = np.zeros(len(content), bool)
    if labels:
        brain = (index >= labels["first"]) & (index <= labels["last"])
        other = (index < labels["first_possible"]) | (index > labels["last_possible"])
    ends = index[kept][[0, -1]].tolist() if kept.any() else [-1, -1]
    parts = (kept | ~kept, kept, ich, ich & ~kept, brain, brain & ~kept, other, other & kept)
    slices, number, *rest = (int(part.sum()) for part in parts)
    return dict(zip(COLUMNS, [slices, number, *ends, *rest], strict=True))


def tile(hu: np.ndarray, mask: np.ndarray, share: float, title: str) -> np.ndarray:
    grey = Image.fromarray((255 * np.clip(hu / 80, 0, 1)).astype(np.uint8))
    picture = np.stack([np.asarray(grey.resize((TILE, TILE), Image.Resampling.BOX))] * 3, axis=-1)
    inside = np.asarray(Image.fromarray(np.ascontiguousarray(mask)).resize((TILE, TILE)))
    picture[inside & ~ndimage.binary_erosion(inside)] = (255, 0, 0) if share < MINIMUM else (0, 220, 0)
    result = Image.fromarray(picture)
    ImageDraw.Draw(result).text((3, 2), f"{title} {share:.3f}", fill=(255, 255, 0))
    return np.asarray(result)


def write_sheet(path: Path, patient: str, hu: np.ndarray, content: np.ndarray) -> None:
    mask = intracranial_mask(hu)
    tiles = [tile(hu[..., k], mask[..., k], content[k], f"{patient}/{k}") for k in range(hu.shape[-1])]
    tiles += [np.zeros((TILE, TILE, 3), np.uint8)] * (-len(tiles) % TILES_A_ROW)
    rows = [np.hstack(tiles[i : i + TILES_A_ROW]) for i in range(0, len(tiles), TILES_A_ROW)]
    Image.fromarray(np.vstack(rows)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=COLUMNS_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with slices.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the contact sheets, outside the repository")
    parser.add_argument("--labels", type=Path, help="csv: patient,first_possible,first,last,last_possible (by eye)")
    arguments = parser.parse_args()
    repository = Path(__file__).resolve().parents[2]
    if arguments.out.resolve().is_relative_to(repository):
        parser.error(f"--out {arguments.out} is inside the repository, which must never hold patient images.")
    arguments.out.mkdir(parents=True, exist_ok=True)

    proxies, labels = read_proxies(arguments.data), read_labels(arguments.labels)
    totals: Counter[str] = Counter()
    print("study ", *(f"{column:>10}" for column in COLUMNS))
    for patient, hu in read_studies(arguments.data):
        content = brain_content(hu)
        ich = np.array([(patient, k) in proxies for k in range(hu.shape[-1])])
        counts = count(content, ich, labels.get(patient))
        print(f"{patient:6}", *(f"{counts[column]:10d}" for column in COLUMNS), flush=True)
        totals.update(counts)
        write_sheet(arguments.out / f"{patient}.png", patient, hu, content)
    totals["first"] = totals["last"] = 0
    print("total ", *(f"{totals[column]:10d}" for column in COLUMNS))


if __name__ == "__main__":
    main()
