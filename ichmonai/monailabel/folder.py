"""What MONAI Label is started with: apps, and a model folder with a name that it understands."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError
from ichmonai.evaluation import Calibration, calibration_path
from ichmonai.model_description import NAME as DESCRIPTION
from ichmonai.model_description import ModelDescription
from ichmonai.monailabel.environment import clean_environment, link, python_of
from ichmonai.networks import load_trained
from ichmonai.paths import BUNDLE_NAME
from ichmonai.prediction.bundle import BundleSource, InferenceBundle

MODEL = BUNDLE_NAME
"""Name of the model folder."""

OWN_APP, STOCK_APP = "ichmonai", "monaibundle"
_NOT_COPIED = shutil.ignore_patterns("models", "runs", "predictions", "data", "__pycache__")


def write_model(source: BundleSource, folder: Path) -> Path | None:
    """Write a bundle as MONAI Label reads one: weights and `model.json` in `models`, all settings in `inference.json`.

    Args:
        source: bundle, and what is laid over it, `ckpt_path` and `calibration_path` among it.
        folder: of the model; what is there is replaced, but weights are kept as in `publish`.

    Returns:
        Where other weights that were used until now are kept.

    Raises:
        InputError: the bundle cannot be run, or its weights are another network's.
    """
    bundle = InferenceBundle(source)
    weights = bundle.weights
    state = load_trained(bundle.setting("network_def"), weights).state_dict()
    own = InferenceBundle(BundleSource(source.root, trusted=source.trusted)).parser.get()
    shutil.copytree(source.root, folder, ignore=_NOT_COPIED, dirs_exist_ok=True)
    config = {**bundle.written(), "bundle_root": ".", "ckpt_path": own["ckpt_path"], "calibration_path": None}
    (folder / "configs" / "inference.json").write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")
    calibration = bundle.setting("calibration")
    return publish(
        state, bundle.setting("description"), calibration if calibration != Calibration({}) else None, folder / "models"
    )


def publish(
    state: dict[str, Any], description: ModelDescription, calibration: Calibration | None, folder: Path
) -> Path | None:
    """Make weights the ones that are used from now on; those that were are kept in a folder named by the time.

    Args:
        state: state_dict.
        description: what the weights are of.
        calibration: what was fitted for these weights; None where nothing was.
        folder: `models` of a model folder; made if absent.

    Returns:
        Where the weights that were used until now are kept; None where there were none, or the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    current, new = folder / "model.pt", folder / "model.pt.partial"
    beside = calibration_path(current)
    torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, new)
    kept = None
    if current.is_file() and sha256_of_file(current) != sha256_of_file(new):
        kept = folder / f"until_{datetime.now(UTC):%Y%m%dT%H%M%SZ}" / current.name
        kept.parent.mkdir()
        shutil.copy2(current, kept)
        for one in (beside, folder / DESCRIPTION):
            if one.is_file():
                shutil.copy2(one, kept.parent)
    beside.unlink(missing_ok=True)
    if calibration is not None:
        calibration.write(beside)
    description.write(folder)
    new.replace(current)
    return kept


def write_apps(folder: Path, environment: Path, model: Path) -> None:
    """Write this package's app and MONAI Label's own `monaibundle`, both with the same model.

    Args:
        folder: of the apps; apps that are there stay, with what MONAI Label keeps in them.
        environment: in which MONAI Label is installed.
        model: model folder.

    Raises:
        InputError: MONAI Label cannot give its app.
    """
    own = folder / OWN_APP
    own.mkdir(parents=True, exist_ok=True)
    shutil.copy2(Path(__file__).with_name("app") / "main.py", own)
    if not (folder / STOCK_APP).is_dir():
        command = [str(python_of(environment)), "-P", "-m", "monailabel.main", "apps", "--download"]
        done = subprocess.run(  # noqa: S603  its own Python
            [*command, "--name", STOCK_APP, "--output", str(folder)],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise InputError(f"MONAI Label cannot give its app {STOCK_APP}: {done.stderr.strip()[-500:]}")
    for name in (OWN_APP, STOCK_APP):
        place = folder / name / "model" / MODEL
        place.parent.mkdir(exist_ok=True)
        if not place.exists():
            link(model, place)
