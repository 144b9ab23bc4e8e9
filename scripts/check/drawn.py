"""Judge the bundle's weights on haemorrhages of each kind, drawn into the normal slices of validation patients.

    python -m scripts.check.drawn --data dtvit --split RUN/split.json --out OUT

It leaves `drawn.csv` and `drawn.md` in --out: for each kind the AUC against the same slices undrawn, with a 95%
interval that resamples patients, and how many are called bleeding at 0.5. Drawings are not patients: they say which
kinds a network is blind to, not how many it finds. Research software; not for clinical use.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose

from ichmonai.classes import KINDS
from ichmonai.datasets import read_splits
from ichmonai.evaluation.intervals import patient_bootstrap
from ichmonai.evaluation.metrics import head_metrics
from ichmonai.model_description import ModelDescription
from ichmonai.networks import load_trained
from ichmonai.networks.heads import softmax_heads
from ichmonai.notice import NOTICE
from ichmonai.paths import bundle_root
from ichmonai.prediction import SliceInferer
from ichmonai.tables import write_csv
from ichmonai.transforms import RandDrawBleeding
from scripts.check.ablate_light import READ
from scripts.check.ablation.sets import slices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="dataset, as dataset_dir of train.json")
    parser.add_argument("--split", type=Path, required=True, help="split.json of the training")
    parser.add_argument("--weights", type=Path, default=bundle_root() / "models" / "model.pt")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    recipe = ConfigParser()
    recipe.read_config(bundle_root() / "configs" / "train.json")
    recipe.update({"dataset_dir": str(options.data)})
    description = ModelDescription.beside(options.weights)
    network = load_trained(description.create_network(), options.weights).eval()
    chain = Compose([one for one in description.transforms() if type(one).__name__ not in READ])
    validation = read_splits(recipe.get_parsed_content("readable"), options.split, same_slices=False)["validation"]
    normal = [image for image in slices(validation) if not image.labels[0, 0]]

    def scores(images: list[torch.Tensor]) -> np.ndarray:
        with torch.inference_mode():
            inputs = torch.stack([torch.as_tensor(chain({"image": hu})["image"]) for hu in images], dim=-1)
            return softmax_heads(SliceInferer()(inputs[None], network)[0].T)[:, :5].numpy()

    undrawn, patients = scores([image.hu for image in normal]), [image.patient for image in normal]
    rng = np.random.default_rng(options.seed)
    rows = []
    for kind in KINDS:
        draw = RandDrawBleeding([kind], prob=1)
        drawn = []
        for image in normal:
            hu, label = draw.set_random_state(int(rng.integers(2**31)))(image.hu, image.labels[0])
            drawn += [(hu, image.patient)] if label[0] else []
        found = scores([hu for hu, _ in drawn])
        labels = np.array([[1, -1]] * len(found) + [[0, -1]] * len(undrawn))
        both = np.concatenate([found, undrawn])
        values = head_metrics(both, labels)
        ((low, high),) = patient_bootstrap(both, labels, [p for _, p in drawn] + patients, ("ich_auc",)).values()
        row = {"kind": kind, "slices": len(found), "ich_auc": values["ich_auc"], "low": low, "high": high}
        rows.append({**row, "ich_sensitivity": values["ich_sensitivity"], "ich_specificity": values["ich_specificity"]})
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "drawn.csv", rows[0], rows)
    lines = [NOTICE, "", "| kind | slices | AUC (95% interval) | found at 0.5 |", "| --- | --- | --- | --- |"]
    for row in rows:
        interval = f"{row['ich_auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        lines.append(f"| {row['kind']} | {row['slices']} | {interval} | {row['ich_sensitivity']:.2f} |")
    lines += ["", f"Of {len(undrawn)} slices undrawn {rows[0]['ich_specificity']:.1%} are called normal."]
    (options.out / "drawn.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
