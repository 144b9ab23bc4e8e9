"""Check which pictures get an answer: real head CT, none of which may be lost, and foreign pictures, which are refused.

--data is the folder of real slices: `head_ct_200`, `healthy`, `ischaemic`, `mbh`, and of `dtvit` and `phe` a sample of
1,000 with a fixed seed. A picture is answered where the reader, `CheckHeadCT` and `KeepBrainSlices` let it through;
"before" is the same without colours and without `why_no_head`. Foreign pictures are drawn with --seed; the thresholds
were chosen with seed 0, so that another seed is a test. The margins are, for each threshold, the nearest value of an
answered real slice and the nearest of a refused foreign picture beyond it.

    python -m scripts.check.pictures --data DATA --seed 1
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest

from ichmonai.io.formats.picture import FORMAT
from ichmonai.io.series import ImageSource
from ichmonai.tables import write_csv
from ichmonai.transforms.anatomy.head_picture import (
    AROUND,
    BLACK_INSIDE,
    EDGE,
    FLAT,
    LEVEL,
    SATURATION,
    SIZE,
    TWIN,
    UNSATURATED,
    USUAL,
    WHOLE,
    Ring,
    fails,
    rings,
    why_no_head,
)
from ichmonai.transforms.anatomy.intracranial import brain_content
from ichmonai.transforms.chain import check_head_ct
from ichmonai.transforms.chain.keep_brain_slices import MINIMUM
from scripts.check.foreign.pictures import drawn_heads, foreign_pictures

FOLDERS = {"head_ct_200": 0, "healthy": 0, "ischaemic": 0, "mbh": 0, "dtvit": 1000, "phe": 1000}
RESULTS = Path(__file__).resolve().parents[1] / "results" / "check_pictures.csv"
WINDOW = (40.0, 80.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=24, help="foreign pictures of a class")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    seconds: list[float] = []
    seen: dict[str, list[Ring]] = {"real": [], "foreign": []}
    for kind, name, hu, coloured in (*real(options.data), *drawn(options.seed, options.each)):
        row = rows.setdefault(name, {"kind": kind, "name": name, **dict.fromkeys(COUNTS, 0)})
        started = time.thread_time()
        reason = why_no_head(hu)
        seconds.append(time.thread_time() - started)
        before = answered_before(hu)
        now = before and reason is None and not coloured
        counts = (1, before, now, before and not now, coloured)
        row |= {column: row[column] + count for column, count in zip(COUNTS, counts, strict=True)}
        if kind == "real" and before and not now:
            print(f"lost of {name}: {reason}")
        if (kind, reason is None) in (("real", before), ("foreign", False)):
            found = [ring for ring in rings(hu) if ring]
            seen[kind] += [ring for ring in found if kind == "foreign" or not fails(ring)][:1]
    for row in rows.values():
        share = binomtest(row["pictures"] - row["answered"], row["pictures"])
        low, high = share.proportion_ci(method="wilson")
        row |= {"refused": round(share.statistic, 4), "refused_low": round(low, 4), "refused_high": round(high, 4)}
        print(" ".join(str(value) for value in row.values()))
    write_csv(options.out, next(iter(rows.values())), rows.values())
    print(f"{1000 * np.median(seconds):.1f} ms a picture in the median, {1000 * max(seconds):.1f} at most")
    margins(seen["real"], seen["foreign"])


def margins(accepted: list[Ring], refused: list[Ring]) -> None:
    """Print what is nearest to each threshold on its two sides."""
    for limits, name in ((USUAL, "saturated"), (UNSATURATED, "unsaturated")):
        for field, bound, least in (
            *((field, getattr(limits, field), field in ("ring", "bony", "dark")) for field in limits._fields),
            ("size", SIZE, True),
            ("whole", WHOLE, True),
            ("edge", EDGE, False),
            ("level", LEVEL, False),
            ("black", BLACK_INSIDE, False),
            ("twin", TWIN, False),
            ("flat", FLAT, False),
        ):
            sides = []
            for rings_ in (accepted, refused):
                of_kind = [one for one in rings_ if (one.saturation < SATURATION) == (limits is UNSATURATED)]
                sides.append([getattr(one, field) for one in of_kind if field != "dark" or one.around >= AROUND])
            inner = min(sides[0], default=np.nan) if least else max(sides[0], default=np.nan)
            outer = [value for value in sides[1] if (value < bound if least else value > bound)]
            nearest = (max(outer) if least else min(outer)) if outer else np.nan
            print(f"{name:11} {field:10} real {inner:.3f} | {bound:.3f} | foreign {nearest:.3f}")


COUNTS = ("pictures", "answered_before", "answered", "lost", "coloured")


def real(data: Path) -> Iterator[tuple[str, str, NDArray[np.float32], bool]]:
    """Kind, folder, HU, and whether the reader finds colours."""
    for folder, sample in FOLDERS.items():
        root = data / folder if folder == "head_ct_200" else data / folder / "images"
        paths = sorted(path for path in root.iterdir() if path.suffix in (".png", ".jpg"))
        if sample:
            paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:sample]]
        for path in paths:
            hu, *_, findings = FORMAT.read(ImageSource(str(path)), WINDOW)[:4]
            yield "real", folder, hu, bool(findings)


def drawn(seed: int, each: int) -> Iterator[tuple[str, str, NDArray[np.float32], bool]]:
    """The same of drawn pictures, as they are read from PNG."""
    pictures = [("phantom", "phantom", picture) for picture in drawn_heads(each, seed)]
    pictures += [("foreign", name, picture) for name, picture in foreign_pictures(seed, each)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        for kind, name, picture in pictures:
            Image.fromarray(picture).save(path)
            hu, *_, findings = FORMAT.read(ImageSource(str(path)), WINDOW)[:4]
            yield kind, name, hu, bool(findings)


def answered_before(hu: NDArray[np.float32]) -> bool:
    """Whether the values of a slice and its share of brain let it through."""
    with mock.patch.object(check_head_ct, "why_no_head", return_value=None):
        if check_head_ct.check_pixels(hu):
            return False
    return not brain_content(hu)[0] < MINIMUM


if __name__ == "__main__":
    main()
