"""Both pretraining paradigms and the rows of Scopeformer's Table 1, step by step, each on what the last one wrote."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from ichmonai.datasets.phantom import PhantomKind, make_study, write_rsna
from ichmonai.networks.scopeformer import XCEPTION
from tests.bundle.conftest import config_files, run
from tests.bundle.test_workflows import run_and_catch

SMALL: dict[str, Any] = {"image_size": 32, "num_workers": 0, "split_fractions": [0.4, 0.3, 0.3], "max_epochs": 1}
CNN = {**SMALL, "backbone": "resnet10t", "batch_size": 32, "learning_rate": 1e-3}
TRANSFORMER = {"width": 32, "depth": 1, "num_heads": 2}
SCOPEFORMER = {**SMALL, "branch": "resnet10t", "network_options": TRANSFORMER, "batch_size": 32}
GAN = {
    **SMALL,
    "generator_filters": 4,
    "generator_blocks": [1, 1],
    "learning_rate": 5e-3,
    "batch_size": 10,
    "discriminator_channels": 4,
    "discriminator_layers": 1,
}

RSNA = ("scopeformer",)
RESTYLE = (*RSNA, "restyle")
PRETRAIN = ("dtvit", "pretrain")
ROWS = {
    "scopeformer_vit": (),
    "scopeformer_1cnn": ("gan",),
    "scopeformer_2cnn": ("imagenet", "gan"),
    "scopeformer_2cnn_reduced": ("imagenet", "gan"),
    "scopeformer_3cnn": ("imagenet", "second_imagenet", "gan"),
}
"""Row of Table 1 -> the weights of its branches."""


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six phantom patients in the layout of the RSNA challenge, every fifth slice labelled."""
    folder = tmp_path_factory.mktemp("ct")
    kinds = (PhantomKind.NORMAL, PhantomKind.SUBDURAL)
    write_rsna(folder, [make_study(k, kinds[k % 2], 64, f"1p{k}") for k in range(6)])
    with (folder / "truth.csv").open(newline="") as stream:
        kept = {Path(row["file"]).stem for row in csv.DictReader(stream) if int(row["slice"]) % 5 == 0}
    path = folder / "stage_2_train.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *(line for line in lines if line.rpartition("_")[0] in kept)]) + "\n")
    return str(folder)


@pytest.fixture(scope="module")
def natural(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("natural")
    size = {"photograph_size": 40, "photographs_per_class": [2, 1]}
    run("photographs", config_files(*RESTYLE), natural_dir=str(folder), **size)
    return str(folder)


@pytest.fixture(scope="module")
def restyling(ct: str, natural: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the GAN and its restyled images."""
    folder = tmp_path_factory.mktemp("restyling")
    paths = {"dataset_dir": ct, "natural_dir": natural, "output_dir": str(folder)}
    run("training", config_files(*RESTYLE), **paths, **{**GAN, "max_epochs": 2})
    run("restyling", config_files(*RESTYLE), **paths, **GAN)
    return folder


@pytest.fixture(scope="module")
def pretraining(restyling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a CNN trained on the restyled images' classes."""
    folder = tmp_path_factory.mktemp("pretraining")
    paths = {"dataset_dir": str(restyling / "images"), "output_dir": str(folder)}
    run("training", config_files(*PRETRAIN), **paths, **{**CNN, "pretrained": False})
    return folder


@pytest.fixture(scope="module")
def branches(ct: str, pretraining: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Weights of the branches: CNNs trained on RSNA's labels, the last from the GAN's pretraining."""
    starts = {"imagenet": False, "second_imagenet": False, "gan": str(pretraining / "model.pt")}
    weights = {}
    for seed, (name, pretrained) in enumerate(starts.items()):
        folder = tmp_path_factory.mktemp(name)
        options = {**CNN, "pretrained": pretrained, "learning_rate": 1e-3 * (seed + 1)}
        run("training", config_files(*RSNA), dataset_dir=ct, output_dir=str(folder), **options)
        weights[f"{name}_weights"] = str(folder / "model.pt")
    return weights


def rows_of(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]


def test_gan_logs_its_losses_and_restyles_every_photograph(natural: str, restyling: Path) -> None:
    rows = rows_of(restyling / "epochs.csv")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(math.isfinite(value) and value > 0 for row in rows for value in row.values())
    assert rows[1]["cycle"] < rows[0]["cycle"]
    assert (restyling / "losses.png").is_file()
    assert list((restyling / "tensorboard").iterdir())
    with Image.open(restyling / "samples" / "epoch_0002.png") as samples:
        assert samples.size == (8 * 34 + 2, 4 * 34 + 2)
    made = {path.relative_to(restyling / "images") for path in (restyling / "images").rglob("*.png")}
    assert made == {path.relative_to(natural) for path in Path(natural).rglob("*.png")}
    one, two = (np.asarray(Image.open(restyling / "images/train" / name / "0000.png")) for name in ("brick", "rocket"))
    assert one.shape == (32, 32, 3)
    assert not np.array_equal(one, two)


def test_pretraining_learns_the_classes_of_the_sources(pretraining: Path) -> None:
    (row,) = rows_of(pretraining / "epochs.csv")
    assert row["val_majority"] == pytest.approx(0.1)
    assert 0 <= row["val_accuracy"] <= 1
    assert (pretraining / "curves.png").is_file()
    state = torch.load(pretraining / "model.pt", weights_only=True)
    assert state["heads.heads.class.weight"].shape[0] == 10


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_table_1_train_with_their_branches(row: str, ct: str, branches: dict[str, str], tmp_path: Path) -> None:
    options = {**SCOPEFORMER, **branches, "dataset_dir": ct, "output_dir": str(tmp_path), "backbone": row}
    run("training", config_files(*RSNA), **options, frozen=bool(ROWS[row]))
    assert math.isfinite(rows_of(tmp_path / "epochs.csv")[0]["val_log_loss"])
    trained = torch.load(tmp_path / "model.pt", weights_only=True)
    for number, name in enumerate(ROWS[row]):
        prefix = f"encoder.features.branches.{number}."
        own = {key.removeprefix(prefix): value for key, value in trained.items() if key.startswith(prefix)}
        given = torch.load(branches[f"{name}_weights"], weights_only=True)
        assert own
        for key, value in own.items():
            assert torch.equal(value, given[key]), key
    if row == "scopeformer_2cnn":
        run("evaluating", config_files(*RSNA, "evaluate"), **options)
        assert (tmp_path / "evaluation" / "metrics.json").is_file()


def test_same_weights_for_both_branches(branches: dict[str, str], tmp_path: Path) -> None:
    parser = ConfigParser()
    parser.read_config(config_files(*RSNA))
    parser.update({**SCOPEFORMER, **branches, "gan_weights": branches["imagenet_weights"]})
    one, two = parser.get_parsed_content("network").encoder.features.branches
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_rows_have_the_sizes_of_the_paper() -> None:
    for row, weights in ROWS.items():
        parser = ConfigParser()
        parser.read_config(config_files(*RSNA))
        parser.update(
            {"backbone": row, "imagenet_weights": "i", "second_imagenet_weights": "second", "gan_weights": "g"}
        )
        assert parser.get_parsed_content("image_size") == (224 if weights else 256)
        with torch.device("meta"):  # of gigabytes
            network = parser.get_parsed_content("network_def")
        assert [network.arguments[name] for name in ("name", "branches", "head")] == [
            row,
            [XCEPTION] * len(weights),
            "mlp",
        ]
        blocks = network.encoder.transformer.blocks
        assert (len(blocks), blocks[0].norm1.normalized_shape) == (12, (1456,))
        expected = {"imagenet": "i", "second_imagenet": "second", "gan": "g"}
        assert parser.get_parsed_content("pretrained") == ([expected[name] for name in weights] or False)


def test_bad_input_is_said_in_one_sentence(ct: str, natural: str, branches: dict[str, str], tmp_path: Path) -> None:
    paths = {"dataset_dir": ct, "output_dir": str(tmp_path / "out")}
    absent = str(tmp_path / "absent")
    said = run_and_catch("training", RESTYLE, **{**paths, **GAN, "natural_dir": absent})
    assert "is no folder of pictures by class" in said
    said = run_and_catch(
        "restyling", RESTYLE, **{**paths, **GAN, "natural_dir": natural, "generators_path": f"{absent}.pt"}
    )
    assert "There is no weights file" in said
    said = run_and_catch("training", PRETRAIN, **{**paths, **CNN, "dataset_dir": absent, "pretrained": False})
    assert "is no folder of pictures by class" in said
    options = {**SCOPEFORMER, **paths, **branches}
    said = run_and_catch("training", RSNA, **{**options, "gan_weights": f"{absent}.pt"})
    assert f"There is no weights file {absent}.pt" in said
    said = run_and_catch("training", RSNA, **{**options, "branch": "resnet18"})
    assert "another network's weights" in said
