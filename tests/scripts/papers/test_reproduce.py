"""The papers' tables, repeated on phantom data."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import monai.bundle
import pytest

from ichmonai.datasets.phantom import PhantomKind, make_cohort, make_study, write_dtvit, write_rsna
from ichmonai.errors import InputError
from scripts.papers.reproduce import parse, reproduce
from scripts.papers.reproduction import paper
from scripts.papers.reproduction.experiments import EXPERIMENTS

SMALL = ["--epochs", "1", "--image-size", "64", "--random-weights"]
SETTINGS = ["--set", "num_workers=0", "batch_size=16", "learning_rate=0.001"]


def command(table: str, data: Path, out: Path, *more: str) -> None:
    reproduce(*parse([table, "--data", str(data), "--out", str(out), *SMALL, *more]))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_dtvit(folder, make_cohort(18, seed=1, size=64, ich_only=True))
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the bundle's workflows as they are started."""
    names: list[str] = []
    run = monai.bundle.run

    def noted(run_id: str, **options: Any) -> None:
        names.append(run_id)
        run(run_id=run_id, **options)

    monkeypatch.setattr(monai.bundle, "run", noted)
    return names


@pytest.mark.slow
def test_table4_has_the_papers_number_ours_and_an_interval_and_goes_on_where_it_was(
    cohort: Path, tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--networks", "dtvit", "test_resnet", "--backbone", "test_vit", "--max-slices", "4", *SETTINGS]
    whole = monai.bundle.run

    def killed_at_the_second_evaluation(run_id: str, **more: Any) -> None:
        if started.count("evaluating") == 1 and run_id == "evaluating":
            raise KeyboardInterrupt
        whole(run_id=run_id, **more)

    with monkeypatch.context() as patch:
        patch.setattr(monai.bundle, "run", killed_at_the_second_evaluation)
        with pytest.raises(KeyboardInterrupt):
            command("table4", cohort, tmp_path, *options)
    assert {(line["row"], line["protocol"]) for line in read(tmp_path / "table4.csv")} == {
        ("DTViT (test_vit)", "published")
    }
    assert started == ["training", "evaluating", "training"]
    command("table4", cohort, tmp_path, *options)
    assert started[3:] == ["evaluating", "training", "evaluating", "training", "evaluating"]
    command("table4", cohort, tmp_path, *options)
    assert len(started) == 8

    lines = {
        (line["row"], line["protocol"], line["definition"], line["metric"]): line
        for line in read(tmp_path / "table4.csv")
    }
    for protocol in ("published", "patient"):
        line = lines["DTViT (test_vit)", protocol, "ours", "ich_accuracy"]
        predictions = read(tmp_path / "runs" / f"dtvit-{protocol}" / "evaluation" / "predictions.csv")
        right = [(float(row["p_ich"]) > 0.5) == (row["ich"] == "1") for row in predictions]
        assert float(line["value"]) == pytest.approx(sum(right) / len(right), abs=1e-5)
        assert float(line["low"]) <= float(line["value"]) <= float(line["high"])
        assert (line["paper"], line["slices"]) == ("0.9968", str(len(right)))
        normal = [wrong for wrong, row in zip(right, predictions, strict=True) if row["ich"] == "0"]
        recall = float(lines["DTViT (test_vit)", protocol, "published", "task1_recall"]["value"])
        assert recall == pytest.approx(sum(normal) / len(normal), abs=1e-5)
        assert lines["test_resnet", protocol, "ours", "ich_accuracy"]["paper"] == ""
    text = (tmp_path / "table4.md").read_text()
    for said in ("images of 64 pixels (paper 224)", "1 epoch(s) (10)", "random initial weights", "batch_size 16"):
        assert said in text
    assert "not yet" not in text
    assert "| DTViT (test_vit) | 0.9968 |" in text

    with pytest.raises(InputError, match="begun with other settings"):
        command("table4", cohort, tmp_path, *options, "--seed", "1")


@pytest.mark.slow
def test_fig5_trains_on_copies_as_published_and_gives_the_epochs(cohort: Path, tmp_path: Path) -> None:
    more = ["--protocol", "published", "--backbone", "test_vit", "--max-slices", "3", *SETTINGS]
    command("fig5", cohort, tmp_path, *more)
    lines = {(line["row"], line["metric"]): line for line in read(tmp_path / "fig5.csv")}
    for row, printed in (("with replication", "0.9967"), ("without replication", "0.9897")):
        line = lines[row, "val_accuracy_last"]
        assert line["paper"] == printed
        assert float(line["value"]) == pytest.approx(float(lines[row, "mean_accuracy"]["value"]), abs=1e-5)
        assert float(line["low"]) <= float(line["value"]) <= float(line["high"])
        assert float(lines[row, "seconds"]["value"]) > 0
    replicated = json.loads((tmp_path / "splits" / "published_replicated.json").read_text())
    original = json.loads((tmp_path / "splits" / "published.json").read_text())
    assert len(replicated["training"]) > 2 * len(original["training"])
    assert "Split published, replicated" in (tmp_path / "fig5.md").read_text()


@pytest.mark.slow
def test_scopeformer_table1_on_the_phantom(tmp_path: Path) -> None:
    kinds = (PhantomKind.NORMAL, PhantomKind.SUBDURAL)
    write_rsna(tmp_path, [make_study(k, kinds[k % 2], 64, f"1p{k}") for k in range(8)])
    tiny = ["network_options={'width': 32, 'depth': 1, 'num_heads': 2}"]
    rows = ["--networks", "scopeformer_vit", "scopeformer_2cnn_reduced", "--backbone", "resnet10t", "--max-slices", "8"]
    command("scopeformer-table1", tmp_path, tmp_path / "out", *rows, *SETTINGS, *tiny)
    lines = read(tmp_path / "out" / "scopeformer-table1.csv")
    accuracy = {(x["row"], x["protocol"]): x for x in lines if (x["definition"], x["metric"]) == ("ours", "accuracy")}
    for protocol in ("published", "patient"):
        assert accuracy["ViT", protocol]["paper"] == "0.9433"
        assert accuracy["2-CNN-ViT (ImageNet/GAN), 7x7x256", protocol]["paper"] == "0.9758"
    assert {line["definition"] for line in lines} == {"ours", "baseline all_negative", "baseline prevalence"}
    text = (tmp_path / "out" / "scopeformer-table1.md").read_text()
    assert "| no haemorrhage, always |" in text
    assert "network_options" in text


def entries(table: str, *more: str) -> list:
    name, options = parse([table, "--data", "data", "--out", "out", *more])
    return EXPERIMENTS[name].entries(options)


def test_the_papers_settings_are_the_defaults() -> None:
    for entry in entries("table4"):
        assert entry.run.overrides["max_epochs"] == 10
        assert (entry.run.overrides["batch_size"], entry.run.overrides["head"]) == (8, "mlp")
        assert entry.run.overrides["pretrained"]
        assert entry.run.last_epoch == (entry.run.protocol == "published")
    assert [entry.run.name for entry in entries("table4", "--protocol", "patient")] == list(paper.TABLE4)
    balance = {
        (entry.run.protocol, entry.run.replicated): entry.run.overrides["balance"] for entry in entries("table3")
    }
    assert balance == {
        ("published", True): "none",  # the copies are in the split
        ("patient", True): "replication",
        ("published", False): "none",
        ("patient", False): "none",
    }
    rates = {(e.run.overrides["learning_rate"], e.run.overrides["batch_size"]) for e in entries("fig7")}
    assert rates == set(paper.FIG7)
    names = [entry.run.overrides["backbone"] for entry in entries("patch32", "--protocol", "published")]
    assert names == ["vit_large_patch16_224", "vit_large_patch32_224"]


def test_tables_of_one_folder_share_no_run_that_they_do_not_agree_on() -> None:
    more = {"scopeformer-table1": ["--random-weights"]}
    runs: dict[tuple[str, str], Any] = {}
    for table in EXPERIMENTS:
        for entry in entries(table, *more.get(table, [])):
            name = (entry.run.name, entry.run.protocol)
            assert runs.setdefault(name, entry.run) == entry.run, f"{name} of {table}"


def test_scopeformers_branches_get_the_weights_of_their_row(tmp_path: Path) -> None:
    runs = {e.run.name: e.run.overrides for e in entries("scopeformer-table1", "--gan-weights", "gan.pt")}
    assert runs["scopeformer_vit"]["image_size"] == 256
    assert runs["scopeformer_vit"]["pretrained"] is False
    assert runs["scopeformer_1cnn"]["pretrained"] == ["gan.pt"]
    assert runs["scopeformer_3cnn"]["pretrained"] == [True, True, "gan.pt"]
    assert runs["scopeformer_2cnn_reduced"]["image_size"] == 224


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["table4", "--networks", "resnet-18"], "did you mean resnet"),
        (["scopeformer-table1", "--networks", "resnet18"], "resnet18 is no row of this table"),
        (["scopeformer-table1"], "needs --gan-weights"),
        (["patch32", "--backbone", "deit_tiny_patch16_224"], "knows no model 'deit_tiny_patch32_224'"),
        (["patch32", "--networks", "test_vit"], "compares two networks, not test_vit"),
        (["table4", "--set", "batch_size"], "not of the form NAME=VALUE"),
    ],
)
def test_wrong_options_are_one_sentence(arguments: Sequence[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        entries(*arguments)


def test_wrong_data_is_one_sentence(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        command("table4", tmp_path / "absent", tmp_path / "one")
    with pytest.raises(InputError, match="needs the folder of the RSNA 2019 challenge"):
        command("scopeformer-table1", cohort, tmp_path / "two")
