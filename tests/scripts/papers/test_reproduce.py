"""The papers' tables, repeated on phantom data."""

import csv
import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import monai.bundle
import pytest
import torch

from ichmonai.classes import KINDS
from ichmonai.datasets import load_datalist
from ichmonai.datasets.phantom import PhantomKind, make_cohort, make_study, write_dtvit, write_rsna
from ichmonai.errors import InputError
from ichmonai.networks import RSNA_HEADS, create_network
from ichmonai.processes.safe_path import safe_environment
from ichmonai.tables import write_csv
from scripts.papers.reproduce import parse, reproduce
from scripts.papers.reproduction import page, paper, scopeformer
from scripts.papers.reproduction.experiments import EXPERIMENTS

SMALL = ["--epochs", "1", "--image-size", "64", "--random-weights"]
SETTINGS = ["--set", "num_workers=0", "batch_size=16", "learning_rate=0.001"]


def arguments(table: str, data: Path, out: Path, *more: str) -> list[str]:
    option = "--rsna" if table.startswith("scopeformer") else "--data"
    return [table, option, str(data), "--out", str(out), *SMALL, *more]


def command(table: str, data: Path, out: Path, *more: str) -> None:
    reproduce(*parse(arguments(table, data, out, *more)))


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
    cohort: Path, tmp_path: Path, started: list[str]
) -> None:
    options = ["--networks", "dtvit", "test_resnet", "--backbone", "test_vit", "--max-slices", "4", *SETTINGS]
    line = arguments("table4", cohort, tmp_path, *options)
    environment = {**safe_environment(), "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, "-P", "-m", "scripts.papers.reproduce", *line], env=environment) as process:
        try:  # until it has trained a second time, and not evaluated that
            while not list(tmp_path.glob("runs/test_vit-patient-*/final.pt")):
                assert process.poll() is None
                time.sleep(0.05)
        finally:
            process.kill()
    assert {(line["row"], line["protocol"]) for line in read(tmp_path / "table4.csv")} == {
        ("DTViT (test_vit)", "published")
    }
    command("table4", cohort, tmp_path, *options)
    assert started == ["evaluating", "evaluating"] + ["training", "evaluating", "evaluating"] * 2
    command("table4", cohort, tmp_path, *options)
    assert len(started) == 8

    lines = {
        (line["row"], line["protocol"], line["definition"], line["metric"]): line
        for line in read(tmp_path / "table4.csv")
    }
    for protocol in ("published", "patient"):
        line = lines["DTViT (test_vit)", protocol, "ours", "ich_accuracy"]
        (folder,) = (tmp_path / "runs").glob(f"test_vit-{protocol}-*")
        predictions = read(folder / "evaluation_test" / "predictions.csv")
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

    trainings = read(tmp_path / "trainings.csv")
    assert len(trainings) == 4
    killed = next(row for row in trainings if row["training"].startswith("test_vit-patient"))
    assert (killed["attempts"], trainings[0]["attempts"]) == ("2", "1")
    assert all(float(row["seconds"]) > 0 and row["commit"] and row["machine"] for row in trainings)


@pytest.mark.slow
def test_tables_share_a_folder_and_the_trainings_that_they_have_in_common(
    cohort: Path, tmp_path: Path, started: list[str]
) -> None:
    more = ["--protocol", "published", "--backbone", "test_vit", "--max-slices", "3", "--set", "num_workers=0"]
    command("fig5", cohort, tmp_path, *more)
    lines = {(line["row"], line["metric"]): line for line in read(tmp_path / "fig5.csv")}
    for row, printed in (("with replication", "0.9967"), ("without replication", "0.9897")):
        line = lines[row, "val_accuracy_last"]
        assert line["paper"] == printed
        assert float(line["value"]) == pytest.approx(float(lines[row, "mean_accuracy"]["value"]), abs=1e-5)
        assert float(line["low"]) <= float(line["value"]) <= float(line["high"])
        assert float(lines[row, "seconds"]["value"]) > 0
    (folder,) = (tmp_path / "splits").iterdir()
    replicated = json.loads((folder / "published_replicated.json").read_text())
    original = json.loads((folder / "published.json").read_text())
    assert len(replicated["training"]) > 2 * len(original["training"])
    assert "Split published, replicated" in (tmp_path / "fig5.md").read_text()
    assert (tmp_path / "fig5_published.png").is_file()

    command("table3", cohort, tmp_path, *more)
    command("fig6", cohort, tmp_path, *more)
    assert started.count("training") == 2
    counts = {(x["definition"], x["metric"]): x for x in read(tmp_path / "fig6.csv")}
    accuracy = next(
        float(x["value"])
        for x in read(tmp_path / "table3.csv")
        if (x["row"], x["definition"], x["metric"]) == ("without replication", "ours", "ich_accuracy")
    )
    right = float(counts["task1", "normal called normal"]["value"]) + float(counts["task1", "ich called ich"]["value"])
    total = sum(float(x["value"]) for (definition, _), x in counts.items() if definition == "task1")
    assert right / total == pytest.approx(accuracy, abs=1e-5)
    assert counts["task1", "normal called ich"]["paper"] == "1"

    # One more seed trains once more, the number becomes the mean, and other data or sizes have folders of their own.
    command("fig6", cohort, tmp_path, *more, "--seeds", "0", "1")
    assert started.count("training") == 3
    assert {x["seeds"] for x in read(tmp_path / "fig6.csv")} == {"2"}
    command("table3", cohort, tmp_path, *more, "--seeds", "0", "1", "--dry-run")
    line = next(
        x
        for x in read(tmp_path / "table3.csv")
        if (x["row"], x["definition"], x["metric"]) == ("without replication", "ours", "ich_auc")
    )
    assert line["seeds"] == "2"
    mean = (float(line["seed_low"]) + float(line["seed_high"])) / 2
    assert float(line["value"]) == pytest.approx(mean, abs=1e-5)
    command("table3", cohort, tmp_path, *more[:-2], "--split-seed", "1", "--dry-run")
    assert len(list((tmp_path / "splits").iterdir())) == 2


@pytest.mark.slow
def test_scopeformers_table_and_figure_on_the_phantom(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [point for point in scopeformer.FIG2 if point[2] in ("", "ii", "ig")]
    monkeypatch.setattr(scopeformer, "FIG2", points)
    kinds = (PhantomKind.NORMAL, PhantomKind.SUBDURAL)
    write_rsna(tmp_path, [make_study(k, kinds[k % 2], 64, f"1p{k}") for k in range(8)])
    for name in ("imagenet", "gan"):
        torch.save(create_network("resnet10t", heads=RSNA_HEADS).state_dict(), tmp_path / f"{name}.pt")
    weights = ["--imagenet-weights", str(tmp_path / "imagenet.pt"), "--gan-weights", str(tmp_path / "gan.pt")]
    tiny = ["--scopeformer-set", "network_options={'width': 32, 'depth': 1, 'num_heads': 2}"]
    small = ["--branch", "resnet10t", "--max-slices", "6", *SETTINGS, *tiny, *weights]
    rows = ["--networks", "scopeformer_vit", "scopeformer_2cnn"]
    out = tmp_path / "out"
    command("scopeformer-table1", tmp_path, out, *rows, *small)
    lines = read(out / "scopeformer-table1.csv")
    accuracy = {(x["row"], x["protocol"]): x for x in lines if (x["definition"], x["metric"]) == ("ours", "accuracy")}
    for protocol in ("published", "patient"):
        assert accuracy["ViT", protocol]["paper"] == "0.9433"
        assert accuracy["2-CNN-ViT (ImageNet/GAN)", protocol]["paper"] == "0.9746"
    assert {line["definition"] for line in lines} == {"ours", "baseline all_negative", "baseline prevalence"}
    text = (out / "scopeformer-table1.md").read_text()
    assert "| no haemorrhage, always |" in text
    assert "network_options" in text

    trained = started.count("training")
    command("scopeformer-fig2", tmp_path, out, "--protocol", "patient", *small)
    assert started.count("training") == trained + 1  # of three points two are rows of the table
    lines = [x for x in read(out / "scopeformer-fig2.csv") if (x["definition"], x["metric"]) == ("ours", "accuracy")]
    of_figure = {x["row"]: x for x in lines}
    assert of_figure["2-CNN-ViT, diverse"]["value"] == accuracy["2-CNN-ViT (ImageNet/GAN)", "patient"]["value"]
    assert (of_figure["2-CNN-ViT, diverse"]["paper"], of_figure["2-CNN-ViT, ImageNet"]["paper"]) == ("0.9746", "")
    assert (out / "scopeformer-fig2_patient.png").is_file()


@pytest.mark.slow
def test_scopeformer_on_slices_of_which_not_all_kinds_are_known(cohort: Path, tmp_path: Path) -> None:
    items = load_datalist(cohort)
    rows = [
        {
            "image": item["image"],
            "patient": item["patient"],
            "ich": int(item["label"][0]),
            "location": ("deep", "lobar", "subtentorial", "")[item["label"][1]],
            **({name: int(name == "intraparenchymal") for name in KINDS} if item["label"][1] == 0 else {}),
        }
        for item in items
    ]
    write_csv(tmp_path / "list.csv", ("image", "patient", "ich", "location", *KINDS), rows)
    more = ["--networks", "scopeformer_vit", "--protocol", "published", "--scopeformer-set", "num_workers=0"]
    more += ["network_options={'width': 32, 'depth': 1, 'num_heads': 2}"]
    command("scopeformer-table1", tmp_path / "list.csv", tmp_path / "out", *more)
    line = read(tmp_path / "out" / "scopeformer-table1.csv")[0]
    (split,) = (tmp_path / "out" / "splits").rglob("published.json")
    judged = [item["label"] for item in json.loads(split.read_text())["validation"]]
    known = [label for label in judged if not any(math.isnan(value) for value in label)]
    assert 0 < len(known) < len(judged)
    assert line["slices"] == str(len(known))


@pytest.mark.slow
def test_all_says_what_is_there_what_cannot_be_made_and_what_the_rest_costs(
    cohort: Path, tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "peak_bytes", lambda name, batch, *_: batch * 2**28)
    more = ["--protocol", "patient", "--backbone", "test_vit", "--max-slices", "3", "--set", "num_workers=0"]
    more += ["--networks", "dtvit", "test_resnet"]
    command("fig6", cohort, tmp_path, *more)
    command("all", cohort, tmp_path, *more, "--dry-run")
    assert started.count("training") == 1
    text = (tmp_path / "page.md").read_text()
    assert "Not made: scopeformer-table1 needs --rsna" in text
    assert "| `fig6` | 1 of 1 |" in text
    assert "timm" not in text  # --networks are the rows of Table 4 alone
    assert "| fp32 | False | 2.0 | 8.0 | 16.0 |" in text
    row = next(line for line in text.splitlines() if line.startswith("| `table3` |"))
    made, missing, in_paper = (cell.strip() for cell in row.split("|")[2:5])
    assert made == "1 of 2"
    assert float(missing) < float(in_paper)


def entries(table: str, *more: str) -> list:
    name, options, _ = parse([table, "--data", "data", "--rsna", "rsna", "--out", "out", *more])
    return EXPERIMENTS[name].entries(options)


def test_the_papers_settings_are_the_defaults() -> None:
    for entry in entries("table4"):
        assert entry.run.overrides["max_epochs"] == 10
        assert (entry.run.overrides["batch_size"], entry.run.overrides["head"]) == (8, "mlp")
        assert entry.run.overrides["pretrained"]
        assert entry.run.judged_weights("test") == ("final.pt" if entry.run.protocol == "published" else "model.pt")
    names = [entry.run.overrides["backbone"] for entry in entries("table4", "--protocol", "patient")]
    assert names == ["vit_large_patch16_224", *list(paper.TABLE4)[1:]]
    balance = {
        (entry.run.protocol, entry.run.replicated): entry.run.overrides["balance"] for entry in entries("table3")
    }
    assert balance == {
        ("published", True): "none",  # the copies are in the split
        ("patient", True): "replication",
        ("published", False): "none",
        ("patient", False): "none",
    }
    rates = {e.run.overrides["learning_rate"] for e in entries("fig7", "--set", "learning_rate=0.1")}
    assert rates == set(paper.FIG7)  # what tells rows apart is not the user's
    assert {e.run.overrides["batch_size"] for e in entries("batch")} == {8, 32}
    names = [entry.run.overrides["backbone"] for entry in entries("patch", "--protocol", "published")]
    assert names == ["vit_large_patch16_224", "vit_large_patch32_224"]


def test_scopeformers_branches_get_the_weights_of_their_row(tmp_path: Path) -> None:
    runs = {
        e.run.overrides["backbone"]: e.run.overrides for e in entries("scopeformer-table1", "--gan-weights", "gan.pt")
    }
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
        (["scopeformer-fig2", "--random-weights"], "scopeformer-fig2 needs --gan-weights"),
        (["patch", "--backbone", "deit_tiny_patch16_224"], "knows no model 'deit_tiny_patch32_224'"),
        (["patch", "--networks", "test_vit"], "compares two networks, not test_vit"),
        (["table4", "--set", "batch_size"], "not of the form NAME=VALUE"),
    ],
)
def test_wrong_options_are_one_sentence(arguments: Sequence[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        entries(*arguments)


def test_wrong_data_is_one_sentence(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        command("table4", tmp_path / "absent", tmp_path / "one")
    with pytest.raises(InputError, match="no slice with a haemorrhage all of whose kinds are known"):
        command("scopeformer-table1", cohort, tmp_path / "two", "--networks", "scopeformer_vit")
    with pytest.raises(InputError, match="table4 needs --data"):
        reproduce(*parse(["table4", "--out", str(tmp_path / "three")]))
