"""`ichmonai export`, and int8 from its making to its use."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets import load_datalist, split_by_patient, write_splits
from ichmonai.datasets.phantom import make_cohort, write_dtvit
from ichmonai.errors import InputError
from ichmonai.networks import create_network, load_trained
from ichmonai.runtimes import on_runtime, quantise, read_facts
from ichmonai.runtimes.int8 import checked_int8
from ichmonai.runtimes.quantise import Gate, gate
from tests.runtimes.conftest import needs
from tests.small_model import write_model

SIZE = 64


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_model(tmp_path, "test_vit", SIZE)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantom patients, and a `split.json` with half of them for validation."""
    folder = tmp_path_factory.mktemp("cohort")
    write_dtvit(folder, make_cohort(8, seed=1, size=64, workers=2, ich_only=True))
    items = load_datalist(folder)
    fractions = (0.5, 0.5, 0.0)
    write_splits(items, split_by_patient(items, fractions), folder / "split.json", fractions, 0)
    return folder


def export(weights: Path, *arguments: Any) -> Any:
    return CliRunner().invoke(app, ["export", "--set", f"ckpt_path={weights}", *map(str, arguments)])


@pytest.mark.parametrize(
    ("format", "package", "file"), [("torchscript", "torch", "model.ts"), ("onnx", "onnx", "model.onnx")]
)
def test_beside_the_weights_or_where_it_is_told(weights: Path, format: str, package: str, file: str) -> None:
    needs(package)
    result = export(weights, "--format", format)
    assert result.exit_code == 0, result.output
    assert "decisions equal" in result.output
    assert "not for clinical use" in result.output
    elsewhere = weights.parent / "new" / file
    assert export(weights, "--format", format, "--out", elsewhere).exit_code == 0
    assert read_facts(elsewhere)["weights"] == read_facts(weights.with_name(file))["weights"]


def test_wrong_usage_is_one_sentence(weights: Path) -> None:
    result = export(weights.with_name("absent.pt"))
    assert (result.exit_code, "There is no weights file" in result.output) == (2, True)
    result = export(weights, "--out", weights / "model.onnx")
    assert (result.exit_code, "choose another with --out" in result.output) == (2, True)


def test_int8_is_written_where_it_is_as_good_and_used(
    weights: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("nncf")
    monkeypatch.setattr(quantise, "ALLOWED", 1.0)  # what a network of random weights says is noise
    result = export(weights, "--int8", cohort, "--split", cohort / "split.json")
    assert result.exit_code == 0, result.output
    assert "AUC" in result.output
    facts = read_facts(weights.with_name("model_int8.xml"))["int8"]
    assert facts["passed"] is True
    assert facts["range_slices"] > 0 < facts["slices"]
    network = load_trained(create_network("test_vit", image_size=SIZE), weights)
    fast = on_runtime(network, weights, SIZE, "openvino", "int8")
    assert fast.choice.precision == "int8"
    images = 0.3 * torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))  # as calibrated
    with torch.no_grad():
        difference = (fast(images) - network.eval()(images)).abs().max()
    assert 1e-6 < difference < 0.3, "int8, and of this network"
    other = weights.with_name("other.pt")
    torch.save({name: value + 1 for name, value in network.state_dict().items()}, other)
    for suffix in (".xml", ".bin"):
        shutil.copy(weights.with_name(f"model_int8{suffix}"), other.with_name(f"other_int8{suffix}"))
    with pytest.raises(InputError, match="is of other weights"):
        checked_int8(other, "0" * 64)


def test_int8_that_loses_too_much_is_not_written(weights: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("nncf")
    monkeypatch.setattr(quantise, "gate", lambda *_: Gate(10, 0.9, 0.89, 0.1, 0.1, 1))
    result = export(weights, "--int8", cohort, "--split", cohort / "split.json")
    assert result.exit_code == 2
    assert "loses too much in int8 (on 10 slices AUC 0.9000 in fp32 and 0.8900 in int8" in result.output
    assert not list(weights.parent.glob("*int8*"))


def test_the_gate_looks_at_both_auc_and_ece() -> None:
    truth = np.arange(200) % 2
    score = np.clip(0.5 + 0.3 * (truth - 0.5) + np.random.default_rng(0).normal(0, 0.2, 200), 0.01, 0.99)
    same = gate(truth, score, score)
    assert same.passed
    assert same.decisions_changed == 0
    worse_order = gate(truth, score, np.random.default_rng(1).permutation(score))
    assert not worse_order.passed
    overconfident = gate(truth, score, score**2)  # the same order
    assert overconfident.auc_int8 == overconfident.auc_fp32
    assert not overconfident.passed
    with pytest.raises(InputError, match="all of one class"):
        gate(np.zeros(4, int), score[:4], score[:4])
    assert json.dumps(vars(same))
