"""Write one csv file of slices of several sources, for `bundle/configs/train.json` to train kinds and masks on.

It reads what public sets look like once they are slices, each a folder of --data: `dtvit` (image, patient, ich,
location), `mbh` (masks and kinds; an 8-bit value is HU), `healthy` (image, patient, ich) and `phe` (whole studies;
image, patient, slice, ich_proxy; of every second patient alone, since the others are kept for a check). A source that
is not there is left out, and so are slices of one value throughout and those whose haemorrhage is unknown or changes to
the next slice.

    python -m scripts.mixed_list --data DIR --out list.csv [--fold 1/5]

Paths in the list are absolute. With --fold the list has a split: the patients of that fold of `mbh` are tested, one in
ten of the others' validates, and the rest trains; so N trainings test every patient of `mbh` once.
"""

import argparse
import csv
import hashlib
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import networkx  # of torch and scikit-image
import numpy as np
from PIL import Image

from ichmonai.classes import KINDS
from ichmonai.tables import write_csv

COLUMNS = ("image", "patient", "ich", "location", *KINDS, "mask", "window_level", "window_width", "source", "split")
Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fold", help="I/N: which of N folds of mbh is tested")
    options = parser.parse_args()
    rows: list[Row] = []
    for source, read in (("dtvit", labelled), ("mbh", masked), ("healthy", labelled), ("phe", studies)):
        folder = (options.data / source).resolve()
        if (folder / "slices.csv").is_file():
            found = [{**row, "source": source} for row in read(folder)]
            print(f"{source}: {len(found)} slices of {len({row['patient'] for row in found})} patients")
            rows += found
    if options.fold:
        fold, folds = (int(part) for part in options.fold.split("/"))
        divide(rows, fold - 1, folds)
    write_csv(options.out, COLUMNS, ({name: row.get(name, "") for name in COLUMNS} for row in rows))


def labelled(folder: Path) -> Iterator[Row]:
    """Slices as they stand."""
    for row in table(folder):
        yield {**row, "image": str(folder / row["image"]), "patient": f"{folder.name}-{row['patient']}"}


def masked(folder: Path) -> Iterator[Row]:
    """Slices with masks; names that differ by their first letter alone may be of one patient."""
    for row in table(folder):
        yield {
            **row,
            "image": str(folder / row["image"]),
            "mask": str(folder / row["mask"]),
            "patient": f"{folder.name}-{re.sub('^[ab]', '', row['patient'])}",
            "window_level": "127.5",
            "window_width": "255",
        }


def studies(folder: Path, odd: bool = False) -> Iterator[Row]:
    """Slices of the even patients, or of the odd ones, without those beside a change of the label, which is a proxy."""
    rows = [row for row in table(folder) if int(row["patient"]) % 2 == odd]
    for patient, group in groupby(sorted(rows, key=place), key=lambda row: row["patient"]):
        study = list(group)
        for index, row in enumerate(study):
            near = {one["ich_proxy"] for one in study[max(index - 1, 0) : index + 2]}
            image = folder / row["image"]
            if near in ({"0"}, {"1"}) and np.ptp(np.asarray(Image.open(image))) > 0:
                ich = row["ich_proxy"]
                kind = {"intraparenchymal": "1"} if ich == "1" else {}
                yield {"image": str(image), "patient": f"{folder.name}-{patient}", "ich": ich, **kind}


def divide(rows: list[Row], fold: int, folds: int) -> None:
    """Write the split of each row: those of `mbh` by fold, of the others by the digest of the patient's name.

    Patients who share an image stay together.
    """
    group = groups(rows)
    tested = sorted({group[row["patient"]] for row in rows if row["source"] == "mbh"}, key=digest)
    for row in rows:
        one = group[row["patient"]]
        if one in tested:
            row["split"] = "test" if tested.index(one) % folds == fold else "training"
        else:
            row["split"] = "validation" if int(digest(one), 16) % 10 == 0 else "training"


def groups(rows: list[Row]) -> dict[str, str]:
    """Patient -> name of those who share an image with it, or with one who does."""
    graph = networkx.Graph()
    for row in rows:
        graph.add_edge(row["patient"], hashlib.sha256(Path(row["image"]).read_bytes()).digest())
    parts = ([one for one in part if isinstance(one, str)] for part in networkx.connected_components(graph))
    return {patient: min(part) for part in map(sorted, parts) for patient in part}


def digest(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()


def place(row: Row) -> tuple[str, int]:
    return row["patient"], int(row["slice"])


def table(folder: Path) -> list[Row]:
    with (folder / "slices.csv").open(newline="", encoding="utf-8") as file:
        return [{name: cell for name, cell in row.items() if name} for row in csv.DictReader(file)]


if __name__ == "__main__":
    main()
