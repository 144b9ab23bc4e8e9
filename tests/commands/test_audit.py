"""`ichmonai audit` as CI runs it, and on real slices."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets import load_datalist
from ichmonai.notice import NOTICE
from tests.audit.heads import cohort, write_csv


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["audit", *map(str, arguments)])
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


def test_files_and_exit_code_of_a_set_with_nothing_serious(tmp_path: Path) -> None:
    write_csv(tmp_path / "data", cohort(tmp_path / "data"))
    out = tmp_path / "new" / "out"
    code, shown, _ = run(tmp_path / "data", "--out", out)
    assert code == 0, shown
    assert {path.name for path in out.iterdir()} == {"audit.html", "audit.json"}
    record = json.loads((out / "audit.json").read_text())
    assert record["verdict"] == "warning"
    assert record["notice"] == NOTICE
    html = (out / "audit.html").read_text()
    for page in (html, " ".join(shown.split())):
        assert NOTICE in page
    assert not re.search(r"(src|href)=\"(?!data:)", html)  # nothing is fetched
    assert "nan" not in re.sub(r"data:[^\"]*", "", html)
    value = record["shortcuts"]["ich"]["auc"]["value"]
    assert f"ich: AUC {value:.3f}" in html
    assert record["shortcuts"]["deep"] is None  # too few patients


def test_something_serious_has_exit_code_1_and_json_is_all_of_the_output(tmp_path: Path) -> None:
    write_csv(tmp_path / "data", cohort(tmp_path / "data", noise=4.5))
    code, shown, _ = run(tmp_path / "data", "--out", tmp_path / "out", "--json")
    assert code == 1
    record = json.loads(shown)
    assert record == json.loads((tmp_path / "out" / "audit.json").read_text())
    assert record["verdict"] == "serious"
    assert {one["verdict"] for one in record["findings"] if one["name"] == "Shortcut to ich"} == {"serious"}
    assert "noise" in record["shortcuts"]["ich"]["best_single_feature"]["name"]


@pytest.mark.parametrize("arguments", [["--split", "absent.json"], ["--images", "0"], ["--unknown"]])
def test_usage_errors_have_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    write_csv(tmp_path, cohort(tmp_path, patients=2))
    assert run(tmp_path, "--out", tmp_path / "out", *arguments)[0] == 2
    assert not (tmp_path / "out").exists()


def test_no_dataset_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    code, shown, error = run(tmp_path / "absent", "--out", tmp_path / "out")
    assert code == 2
    assert shown == ""
    assert error.startswith("ichmonai: dataset_dir ")
    assert "does not exist" in error


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    write_csv(tmp_path, cohort(tmp_path, patients=2))
    (tmp_path / "split.json").write_text("[]")
    code, _, error = run(tmp_path, "--out", tmp_path / "out", "--split", tmp_path / "split.json")
    assert code == 2
    assert "is not the record of a split" in error


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write_csv(tmp_path, cohort(tmp_path, patients=2))
    (tmp_path / "file").touch()
    code, _, error = run(tmp_path, "--out", tmp_path / "file" / "out")
    assert code == 2
    assert "choose another folder" in error


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(1800)  # five thousand images, on a machine that may be busy
def test_dtvit_has_what_is_known_of_it(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "dtvit").is_dir():
        pytest.skip("there is no folder dtvit")
    code, shown, _ = run(real_data / "dtvit", "--out", tmp_path, "--json")
    assert code == 1
    record = json.loads(shown)
    verdicts = {one["name"]: one["verdict"] for one in record["findings"]}
    assert verdicts["Shortcut to ich"] == "serious"
    assert verdicts["Contradicting labels"] == "serious"
    assert verdicts["Identical images"] == "warning"
    assert verdicts["Image-level split, location"] == "warning"
    assert record["images_read"] == len(load_datalist(real_data / "dtvit"))

    probe = record["shortcuts"]["ich"]
    assert probe["auc"]["value"] > 0.98
    alone = {feature["name"]: feature for feature in probe["features"]}
    assert alone["head width"]["auc"] == pytest.approx(0.87, abs=0.02)
    assert not alone["head width"]["higher"]  # the head is smaller in the pictures of the haemorrhages

    groups = record["contradictions"]
    assert len(groups) == 8
    assert len({image["patient"] for group in groups for image in group}) == 2
    assert {image["label"] for group in groups for image in group} == {"deep", "subtentorial"}
    near = {image["patient"] for pair in record["near_duplicates"]["pairs"] for image in pair["images"]}
    assert near == {image["patient"] for group in groups for image in group}  # and no other two persons

    probe = record["nearest_neighbour"]["location"]
    assert probe["image_split_accuracy"]["value"] > 0.97
    assert probe["patient_split_accuracy"]["value"] < 0.6
