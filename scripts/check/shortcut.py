"""Whether a label can be told from the acquisition in a list of slices as it is, and as a training draws from it.

    python -m scripts.check.shortcut --data list.csv --out OUT [--slices 600] [--config FILE]...

Each source has its share of the draws, as with `balance: weighted_by_source`; the slices are looked at as the network
gets them in its first window, before normalisation: once with nothing random, once with counterfactuals, mimics and
augmentation. The audit's shortcut probe then tells haemorrhage by the head's size and place, its rim, background and
noise, of all sources together and of each; and the source alone tells it as well as the shares of haemorrhage differ.
It leaves `shortcut.csv` and `shortcut.md` in --out. Patients are kept apart by the folds; intervals are by patient.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from monai.bundle import ConfigParser
from monai.transforms import Compose
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ichmonai.audit.features import Value, image_features
from ichmonai.audit.judgement import judge_shortcut
from ichmonai.audit.probes import enough_patients, shortcut_probe
from ichmonai.datasets import keep_brain, load_datalist
from ichmonai.datasets.balancing import source_weights
from ichmonai.datasets.item import Item
from ichmonai.paths import bundle_root
from ichmonai.tables import write_csv

WINDOW = 80.0  # HU, width of the first window of train.json, from 0
Row = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="a list with a column source")
    parser.add_argument("--config", action="append", type=Path, help="laid over train.json; default: kinds.json")
    parser.add_argument("--slices", type=int, default=600, help="drawn, of all sources together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    items = load_datalist(options.data)
    rng = np.random.default_rng(options.seed)
    drawn = rng.choice(len(items), options.slices, p=source_weights(items))
    recipe = ConfigParser()
    recipe.read_config(
        [bundle_root() / "configs" / "train.json", *(options.config or [bundle_root() / "configs" / "kinds.json"])]
    )
    sample = keep_brain([items[row] for row in drawn], float(recipe["minimum_brain"]))
    recipe.update({"splits": {"training": sample}})
    part = recipe.get_parsed_content
    common = part("loading_transforms") + part("target_transforms") + part("preprocessing_transforms")
    random = part("counterfactual_transforms") + part("mimic_transforms") + part("augmentation_transforms")
    rows = []
    for name, transforms in (("as it is", part("window_transforms")), ("as drawn", random)):
        look = Compose([*common, *transforms]).set_random_state(options.seed)
        rows += judged(name, sample, look)
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "shortcut.csv", rows[0], rows)
    lines = [f"- {row['list']}, {row['source']}: {row['verdict']}. {row['sentence']}" for row in rows]
    (options.out / "shortcut.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def judged(name: str, items: Sequence[Item], look: Compose) -> list[Row]:
    """One row for all sources together and one for each."""
    features: list[dict[str, Value]] = []
    bleeds = []
    for item in items:
        seen = look(dict(item))
        bleeds.append(bool(seen["label"][0]))
        features.append(image_features(np.asarray(seen["image"][0], np.float32) * WINDOW))
    truth, sources = np.array(bleeds), np.array([item["source"] for item in items])
    rates = {source: truth[sources == source].mean() for source in np.unique(sources).tolist()}
    by_source = roc_auc_score(truth, [rates[source] for source in sources])
    _, patient = np.unique([item["patient"] for item in items], return_inverse=True)
    rows = [row(name, "all", truth, features, patient)]
    rows[0]["sentence"] = f"{rows[0]['sentence']} The source alone tells it with an AUC of {by_source:.3f}."
    for source in rates:
        of = sources == source
        rows.append(row(name, source, truth[of], [features[i] for i in np.flatnonzero(of)], patient[of]))
    return rows


def row(
    name: str, source: str, truth: NDArray[np.bool_], features: list[dict[str, Value]], patient: NDArray[np.integer]
) -> Row:
    """What the probe says of some slices."""
    result: Row = {"list": name, "source": source, "slices": len(truth), "ich": f"{truth.mean():.3f}"}
    probe = shortcut_probe("ich", truth, features, patient) if enough_patients(truth, patient) else None
    if probe is None:
        sentence = f"{truth.mean():.0%} of {len(truth)} slices bleed: too few patients with, or without."
        return (
            result
            | dict.fromkeys(("auc", "low", "high", "leading"), "")
            | {"verdict": "not checked", "sentence": sentence}
        )
    auc = probe.auc
    verdict, sentence = judge_shortcut(
        probe,
        f"{truth.mean():.0%} of {len(truth)} slices bleed; the acquisition tells which with an AUC of {auc.value:.3f} "
        f"({auc.low:.3f} to {auc.high:.3f}), best {probe.leading_name}, {probe.leading.value:.3f}",
    )
    numbers = {key: f"{getattr(auc, at):.3f}" for key, at in (("auc", "value"), ("low", "low"), ("high", "high"))}
    return result | numbers | {"leading": probe.leading_name, "verdict": verdict.value, "sentence": sentence}


if __name__ == "__main__":
    main()
