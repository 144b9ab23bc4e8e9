"""MONAI Label's training task: the bundle's training on what readers have labelled."""

import csv
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import monai.bundle
import torch
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.others.generic import device_list, name_to_device

from ichmonai.errors import InputError
from ichmonai.model_description import ModelDescription
from ichmonai.monailabel.folder import publish
from ichmonai.monailabel.training_data import LabelledStudy, write_training_data
from ichmonai.paths import absolute_config

logger = logging.getLogger(__name__)

_METRIC = "val_mean_balanced_accuracy"


class HaemorrhageTraining(TrainTask):
    """Goes on training the weights in use with the labelled studies, and puts the result in their place.

    The run stays in `runs/<time>` of the model folder: its data, config, split and curves; the weights it started from
    stay in `models` (`publish`).

    Args:
        model: model folder.
    """

    def __init__(self, model: Path) -> None:
        super().__init__("Goes on training with the labelled studies")
        self.model = model

    def config(self) -> dict[str, Any]:
        """Options that viewers show, with their defaults."""
        return {"max_epochs": 5, "val_split": 0.2, "learning_rate": 1e-4, "device": device_list()}

    def stats(self) -> dict[str, Any]:
        """What came of the latest training, in the words that viewers know."""
        done = sorted(self.model.glob("runs/*/epochs.csv"))
        if not done:
            return {}
        with done[-1].open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        judged = [float(row[_METRIC]) for row in rows if row.get(_METRIC) not in (None, "", "nan")]
        return {"epoch": len(rows), "total_epochs": len(rows), "best_metric": max(judged, default=0.0)}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, and publish the best epoch.

        Raises:
            InputError: too little is labelled: every class needs a study in the training split.
        """
        options = {**self.config(), **request}
        tag = DefaultLabelTag.FINAL
        studies = [
            LabelledStudy(
                name,
                datastore.get_image_uri(name),
                datastore.get_label_uri(name, tag),
                datastore.get_label_info(name, tag),
            )
            for name in sorted(datastore.get_labeled_images())
        ]
        run = self.model / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        data = write_training_data(studies, run / "data", ModelDescription.beside(self._weights).makes_masks)
        logger.info("Training on %d labelled studies in %s.", len(studies), run)
        monai.bundle.run(run_id="training", config_file=self._configs(options, data, run))
        if not (run / "model.pt").is_file():
            raise InputError(
                f"The {len(studies)} labelled studies leave none to judge the training by, so the weights stay as they "
                "are; label more, or raise val_split."
            )
        state = torch.load(run / "model.pt", map_location="cpu", weights_only=True)
        kept = publish(state, ModelDescription.beside(run / "model.pt"), None, self._weights.parent)
        return {"studies": len(studies), "run": str(run), "previous_weights": str(kept)}

    @property
    def _weights(self) -> Path:
        return self.model / "models" / "model.pt"

    def _configs(self, options: dict[str, Any], data: Path, run: Path) -> list[str]:
        """The bundle's training for the network that its inference runs, and what is different here."""
        description = ModelDescription.beside(self._weights)
        recipe = "train" if description.network["name"] == "light" else "dtvit"
        validation = float(options["val_split"])
        different = {
            "bundle_root": str(self.model),
            "dataset_dir": str(data),
            "output_dir": str(run),
            "device": f"$torch.device('{name_to_device(options['device'])}')",
            "max_epochs": int(options["max_epochs"]),
            "learning_rate": float(options["learning_rate"]),
            "split_fractions": [1 - validation, validation, 0],
            "num_workers": 0,
            "image_size": description.image_size,
            "location_classes": description.heads["location"],
            "network_def": {"_target_": "ichmonai.networks.create_network", **description.network},
            "pretrained": False,  # all weights come from here:
            "+train#handlers": [
                {"_target_": "CheckpointLoader", "load_path": str(self._weights), "load_dict": {"model": "@network"}}
            ],
        }
        files = {"recipe.json": absolute_config(self.model, recipe)}
        if description.makes_masks:
            files["kinds.json"] = absolute_config(self.model, "kinds")
        files["label.json"] = different
        for name, content in files.items():
            (run / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return [str(run / name) for name in files]
