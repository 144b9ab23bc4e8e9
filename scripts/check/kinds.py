"""Judge networks with kinds and a mask on real slices with masks, each network on patients that it has not seen.

--data has `mbh` (masks of five kinds), and as negatives `ischaemic` (infarcts) and the odd patients of `phe` (slices
without annotated bleeding, nor one on a neighbour, that show brain). --networks are folders of trainings of
`train.json` with `kinds.json`, each with `model.pt` and `split.json` (see `--fold` of `scripts.mixed_list`); their
test patients are judged. A slice is found where its `p_ich` is above 0.5, and where it is above what 95% of the
negatives have with the same network.

    python -m scripts.check.kinds --data DIR --networks RUN/fold1 RUN/fold2 ... --out OUT

It leaves in --out `kinds.csv` and `kinds.md`: by kind, slices found, AUC of the kind among the slices of `mbh`, and
Dice of the mask, the mean over the slices that show the kind and that of all their pixels together, with 95% intervals
that resample patients; `slices.csv`, a row a slice; and `masks.png`, each slice with truth and mask, to look at.
Research software; not for clinical use.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from PIL import Image
from sklearn.metrics import roc_auc_score

from ichmonai.classes import KINDS
from ichmonai.datasets import load_datalist
from ichmonai.datasets.item import Item, load_image
from ichmonai.evaluation.intervals import estimate
from ichmonai.networks import KIND_HEADS, create_network, load_trained, softmax_heads
from ichmonai.notice import NOTICE
from ichmonai.paths import bundle_root
from ichmonai.tables import write_csv
from ichmonai.transforms.anatomy.intracranial import brain_content
from ichmonai.transforms.chain.keep_brain_slices import MINIMUM
from scripts.mixed_list import COLUMNS, Row, labelled, masked, studies

COLOURS = np.array([[0, 0, 0], [230, 159, 0], [213, 94, 0], [86, 180, 233], [0, 158, 115], [204, 121, 167]], np.uint8)
"""Of the mask's classes, to be told apart by the colour-blind."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--networks", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    prepare = preparation(options.out)
    slices = prepared(prepare, listed(options.out / "mbh.csv", masked(options.data / "mbh")))
    negatives = prepared(prepare, negative_items(options.data, options.out))
    rows: list[Row] = []
    tiles: list[np.ndarray] = []
    for folder in options.networks:
        split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
        test = set(split["splits"]["test"]["patients"])
        mine = [one for one in slices if one["patient"] in test]
        if not mine:
            raise SystemExit(f"{folder} tests no patient of mbh.")
        network = trained(folder / "model.pt")
        level = float(np.quantile([one["p_ich"] for one in answers(network, negatives)], 0.95))
        for item, found in zip(mine, answers(network, mine), strict=True):
            rows.append(row(item, found, level, folder.name))
            tiles.append(tile(item, found["mask"]))
    tested = [one["image"] for one in rows]
    if len(set(tested)) < len(tested):
        raise SystemExit("Two of the networks test the same slice; give those of one cross-validation.")
    write_csv(options.out / "slices.csv", rows[0], rows)
    table = judged(rows)
    write_csv(options.out / "kinds.csv", table[0], table)
    sheet(tiles, options.out / "masks.png")
    (options.out / "kinds.md").write_text(page(table, len(negatives)), encoding="utf-8")
    print((options.out / "kinds.md").read_text(encoding="utf-8"))


def preparation(out: Path) -> Compose:
    """What `train.json` does to a slice of its validation."""
    parser = ConfigParser()
    parser.read_config([bundle_root() / "configs" / name for name in ("train.json", "kinds.json")])
    parser["output_dir"] = str(out)
    return parser.get_parsed_content("validate::preprocessing")


def listed(path: Path, rows: Any) -> list[Item]:
    """Rows as the items of a datalist."""
    write_csv(path, COLUMNS, ({name: one.get(name, "") for name in COLUMNS} | {"source": path.stem} for one in rows))
    return load_datalist(path)


def negative_items(data: Path, out: Path) -> list[Item]:
    """Slices without a haemorrhage that inference would classify."""
    rows = [*labelled(data / "ischaemic"), *(one for one in studies(data / "phe", odd=True) if one["ich"] == "0")]
    items = listed(out / "negatives.csv", rows)
    return [one for one in items if not brain_content(load_image(one)[0].numpy())[0] < MINIMUM]


def prepared(prepare: Compose, items: Sequence[Item]) -> list[dict[str, Any]]:
    return [{**prepare(dict(item)), "patient": item["patient"], "path": item["image"]} for item in items]


def trained(path: Path) -> torch.nn.Module:
    network = create_network("light", image_size=192, heads=KIND_HEADS, mask_classes=len(KINDS) + 1)
    return load_trained(network, path).eval().with_mask()


@torch.inference_mode()
def answers(network: torch.nn.Module, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Haemorrhage and kinds, uncalibrated, and the mask of each slice."""
    found = []
    for start in range(0, len(items), 32):
        images = torch.stack([torch.as_tensor(one["image"]) for one in items[start : start + 32]])
        logits, masks = network(images)
        table = softmax_heads(logits)
        for one, mask in zip(table, masks.argmax(1), strict=True):
            found.append({"p_ich": float(one[1]), "kinds": one[-len(KINDS) :].numpy(), "mask": mask.numpy()})
    return found


def row(item: dict[str, Any], found: dict[str, Any], level: float, network: str) -> Row:
    """What is kept of a slice: its truth, its answer, and pixels in common, found and there of each kind."""
    truth = np.asarray(torch.as_tensor(item["mask"]))[0]
    one: Row = {"image": Path(item["path"]).name, "patient": item["patient"], "network": network}
    one |= {"p_ich": found["p_ich"], "above_half": found["p_ich"] > 0.5, "above_95": found["p_ich"] > level}
    for index, kind in enumerate((*KINDS, "any"), 1):
        there, is_found = (truth > 0, found["mask"] > 0) if kind == "any" else (truth == index, found["mask"] == index)
        known = truth != 255
        counts = [int((part & known).sum()) for part in (there & is_found, is_found, there)]
        one |= dict(zip((f"{kind}_common", f"{kind}_found", f"{kind}_there"), counts, strict=True))
    one |= {f"p_{kind}": float(found["kinds"][index]) for index, kind in enumerate(KINDS)}
    one |= {kind: int(item["kinds"][index]) for index, kind in enumerate(KINDS)}
    return one | {"any": 1}


def judged(rows: Sequence[Row]) -> list[Row]:
    """A row for each kind and measure."""
    patients = sorted({one["patient"] for one in rows})
    place = np.array([patients.index(one["patient"]) for one in rows])
    table = []
    for kind in (*KINDS, "any"):
        shows = np.array([one[kind] for one in rows], bool)
        column = {
            name: np.array([float(one[f"{kind}_{name}"]) for one in rows]) for name in ("common", "found", "there")
        }
        dice = 2 * column["common"] / np.maximum(column["found"] + column["there"], 1)
        drawn = shows & (column["there"] > 0)  # a few slices are said to show what their mask does not
        measures = {
            "found_at_half": mean_of(np.array([one["above_half"] for one in rows], float), shows, place),
            "found_at_95_specificity": mean_of(np.array([one["above_95"] for one in rows], float), shows, place),
            "mean_dice": mean_of(dice, drawn, place),
            "pooled_dice": pooled(column, place),
        }
        for name, estimator in measures.items():
            one = estimate({"all": estimator}, len(patients))["all"]["value"]
            counted = drawn if name == "mean_dice" else shows
            table.append({"kind": kind, "measure": name, "slices": int(counted.sum()), **one._asdict()})
        if kind != "any" and 0 < shows.sum() < len(shows):
            score = roc_auc_score(shows, [one[f"p_{kind}"] for one in rows])
            table.append({"kind": kind, "measure": "auc", "slices": len(rows), "value": score, "low": "", "high": ""})
    return table


def mean_of(values: np.ndarray, counted: np.ndarray, place: np.ndarray) -> Any:
    """The mean over the slices that count, of draws of the patients with weights (B, P)."""

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        each = weights[:, place] * counted
        with np.errstate(invalid="ignore"):
            return {"value": each @ values / each.sum(1)}

    return measured


def pooled(column: dict[str, np.ndarray], place: np.ndarray) -> Any:
    """Dice of all pixels together."""

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        each = weights[:, place]
        with np.errstate(invalid="ignore"):
            return {"value": 2 * each @ column["common"] / (each @ (column["found"] + column["there"]))}

    return measured


def tile(item: dict[str, Any], mask: np.ndarray) -> np.ndarray:
    """A slice as the network saw it, with its true mask and with the one found."""
    seen = np.asarray(torch.as_tensor(item["image"]))[0]
    grey = np.uint8(np.clip((seen - seen.min()) / max(np.ptp(seen), 1e-6), 0, 1) * 255)
    plain = np.repeat(grey[..., None], 3, 2)
    truth = np.asarray(torch.as_tensor(item["mask"]))[0]
    return np.hstack([plain, *(painted(plain, one) for one in (np.where(truth == 255, 0, truth), mask))])


def painted(plain: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None] > 0, plain // 2 + COLOURS[mask] // 2, plain)


def sheet(tiles: list[np.ndarray], path: Path, columns: int = 3) -> None:
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    Image.fromarray(np.vstack([np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)])).save(path)


def page(table: Sequence[Row], negatives: int) -> str:
    measures = list(dict.fromkeys(one["measure"] for one in table))
    lines = [NOTICE, "", f"{negatives} slices without a haemorrhage make the level of 95% specificity.", ""]
    lines += [
        f"| kind | {' | '.join(one.replace('_', ' ') for one in measures)} |",
        "| --- |" + " --- |" * len(measures),
    ]
    for kind in dict.fromkeys(one["kind"] for one in table):
        cells = []
        for measure in measures:
            one = next((row for row in table if row["kind"] == kind and row["measure"] == measure), None)
            cells.append("" if one is None else said(one))
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def said(one: Row) -> str:
    if not one["slices"] or np.isnan(one["value"]):
        return ""
    if one["low"] == "":
        return f"{one['value']:.2f}"
    interval = f"{one['value']:.2f} ({one['low']:.2f} to {one['high']:.2f})"
    if one["measure"].startswith("found"):
        return f"{round(one['value'] * one['slices'])}/{one['slices']}, {interval}"
    return interval


if __name__ == "__main__":
    main()
