"""Check head-holder removal on every study of a folder of 8-bit slices, in numbers and in pictures.

The folder holds `slices.csv` (columns image, patient, slice) and the images, whose value v means HU = 80 * v / 255.
Each study is masked as a volume and again slice by slice. Nothing here knows the truth: the numbers say where to look,
the contact sheets (kept grey, removed red, outline green, brightness stretched) are what is judged.

    python -m scripts.check.head_holder --data .../phe --out /tmp/sheets
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from ichmonai.transforms.anatomy.head_mask import ABOVE_BLACK_HU, head_mask

COLUMNS = ("slices", "empty", "empty_alone", "removed", "kept", "kept_detached", "removed_near_head", "disagreement")
COLUMNS_HELP = """
slices             slices of the study
empty, empty_alone slices without a head: as a volume, slice by slice
removed, kept      foreground pixels (above 2.5 HU) outside and inside the mask
kept_detached      kept foreground that hangs on no part of the head thicker than 9 px (detached skin counts too)
removed_near_head  removed foreground within 10 px of the mask: head that was lost, or a holder that is close
disagreement       pixels of foreground that volume and slice mode judge differently
"""
EIGHT = np.ones((3, 3), bool)
TILE, TILES_A_ROW, STUDIES_A_SHEET = 118, 16, 5


def read_studies(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    files: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    with (data / "slices.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            files[row["patient"]].append((int(row["slice"]), data / row["image"]))
    for patient in sorted(files):
        pixels = [np.asarray(Image.open(path).convert("L"), np.float32) for _, path in sorted(files[patient])]
        yield patient, np.stack(pixels, axis=-1) * np.float32(80 / 255)


def count(hu: np.ndarray, whole: np.ndarray, alone: np.ndarray) -> dict[str, int]:
    foreground = hu > ABOVE_BLACK_HU
    detached = near = 0
    for k in range(hu.shape[-1]):
        kept = foreground[..., k] & whole[..., k]
        labels, number = ndimage.label(kept, EIGHT)
        attached = np.zeros(number + 1, bool)
        attached[labels[ndimage.binary_erosion(kept, iterations=4)]] = True
        detached += int((kept & ~attached[labels]).sum())
        around = ndimage.binary_dilation(whole[..., k], iterations=10)
        near += int((foreground[..., k] & ~whole[..., k] & around).sum())
    return {
        "slices": hu.shape[-1],
        "empty": int((~whole.any((0, 1))).sum()),
        "empty_alone": int((~alone.any((0, 1))).sum()),
        "removed": int((foreground & ~whole).sum()),
        "kept": int((foreground & whole).sum()),
        "kept_detached": detached,
        "removed_near_head": near,
        "disagreement": int((foreground & (whole ^ alone)).sum()),
    }


def tile(hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One slice as a TILE x TILE picture; 60 HU is white and the curve lifts what is faint."""
    grey = 0.8 * np.clip(hu / 60, 0, 1) ** 0.6
    picture = np.stack([grey] * 3, axis=-1)
    removed = (hu > ABOVE_BLACK_HU) & ~mask
    picture[removed] = np.stack([0.4 + 0.6 * grey, 0 * grey, 0 * grey], axis=-1)[removed]
    small = np.array(Image.fromarray((255 * picture).astype(np.uint8)).resize((TILE, TILE), Image.Resampling.BOX))
    inside = np.asarray(Image.fromarray(np.ascontiguousarray(mask)).resize((TILE, TILE)))
    small[inside & ~ndimage.binary_erosion(inside)] = (0, 220, 0)
    return small


def write_sheet(path: Path, studies: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
    tiles: list[tuple[str, np.ndarray]] = []
    for patient, hu, mask in studies:
        tiles += [(f"{patient}/{k}", tile(hu[..., k], mask[..., k])) for k in range(hu.shape[-1])]
        tiles += [("", np.zeros((TILE, TILE, 3), np.uint8))] * (-len(tiles) % TILES_A_ROW)
    rows = [
        np.hstack([picture for _, picture in tiles[i : i + TILES_A_ROW]]) for i in range(0, len(tiles), TILES_A_ROW)
    ]
    sheet = Image.fromarray(np.vstack(rows))
    draw = ImageDraw.Draw(sheet)
    for i, (text, _) in enumerate(tiles):
        draw.text((i % TILES_A_ROW * TILE + 3, i // TILES_A_ROW * TILE + 2), text, fill=(255, 255, 0))
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=COLUMNS_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with slices.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the contact sheets, outside the repository")
    arguments = parser.parse_args()
    repository = Path(__file__).resolve().parents[2]
    if arguments.out.resolve().is_relative_to(repository):
        parser.error(f"--out {arguments.out} is inside the repository, which must never hold patient images.")
    arguments.out.mkdir(parents=True, exist_ok=True)

    totals = dict.fromkeys(COLUMNS, 0)
    print("study ", *(f"{column:>17}" for column in COLUMNS))
    page: list[tuple[str, np.ndarray, np.ndarray]] = []
    sheets = 0
    for patient, hu in read_studies(arguments.data):
        whole = head_mask(hu)
        alone = np.stack([head_mask(np.ascontiguousarray(hu[..., k])) for k in range(hu.shape[-1])], axis=-1)
        counts = count(hu, whole, alone)
        print(f"{patient:6}", *(f"{counts[column]:17d}" for column in COLUMNS), flush=True)
        totals = {column: totals[column] + counts[column] for column in COLUMNS}
        page.append((patient, hu, whole))
        if len(page) == STUDIES_A_SHEET:
            write_sheet(arguments.out / f"sheet_{sheets:02d}.png", page)
            page, sheets = [], sheets + 1
    if page:
        write_sheet(arguments.out / f"sheet_{sheets:02d}.png", page)
    print("total ", *(f"{totals[column]:17d}" for column in COLUMNS))


if __name__ == "__main__":
    main()
