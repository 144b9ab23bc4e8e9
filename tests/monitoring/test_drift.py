import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from ichmonai.cli import app
from ichmonai.errors import InputError
from ichmonai.monitoring.compare import State
from ichmonai.monitoring.drift import Drift, gauges, page
from ichmonai.monitoring.feedback import agreement
from ichmonai.monitoring.observed import observe
from ichmonai.tables import write_csv
from tests.monitoring.conftest import SCANNERS, studies, write_results


def drifted(tmp_path: Path, **change: object) -> Drift:
    before = observe([write_results(tmp_path / "reference", studies(300, 1))])
    return Drift.of(before, observe([write_results(tmp_path / "now", studies(100, 2, **change))]))  # type: ignore[arg-type]


def readings(folder: Path, count: int, shift: float = 0.0) -> Path:
    """What readers said, of answers whose logits are too high by `shift`."""
    random = np.random.default_rng(4)
    logit = random.normal(-1, 2, count)
    truth = random.random(count) < 1 / (1 + np.exp(-logit))
    score = 1 / (1 + np.exp(-logit - shift))
    rows = [
        {"patient": f"p{i}", "ich": int(t), "p_ich": f"{p:.6f}", "outcome": "positive" if p > 0.5 else "negative"}
        for i, (t, p) in enumerate(zip(truth, score, strict=True))
    ]
    write_csv(folder / "studies.csv", rows[0], rows)
    return folder


def values(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_gauges(tmp_path: Path) -> None:
    found = values(gauges(drifted(tmp_path, noise=7.0, scanners=(*SCANNERS, ("Canon", "AQUILION ONE")))))
    assert found["ichmonai_drift_state", "noise_hu"] == 2
    assert found["ichmonai_drift_state", "thickness_mm"] == 0
    assert found["ichmonai_drift_p_value", "noise_hu"] < 0.01
    assert found["ichmonai_drift_effect", "noise_hu"] > 0.25
    assert found["ichmonai_drift_unknown_scanners",] == 1
    assert found["ichmonai_drift_unknown_scanner_studies", "Canon AQUILION ONE"] > 10
    assert found["ichmonai_drift_inputs", "now"] == 100


def test_what_tables_say_is_escaped(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script>\n"} 1'
    drift = drifted(tmp_path, scanners=((evil, "\\"),))
    text = page(drift)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert values(gauges(drift))["ichmonai_drift_unknown_scanner_studies", f"{evil} \\"] == 100


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    text = page(drifted(tmp_path))
    assert "http:" not in text
    assert "src=" not in text
    assert "default-src 'none'" in text


def test_readers_agree_or_not(tmp_path: Path) -> None:
    good = agreement(readings(tmp_path / "good", 300))
    assert good.state is State.SAME
    assert good.estimates["calibration_intercept"].low < 0 < good.estimates["calibration_intercept"].high
    bad = agreement(readings(tmp_path / "bad", 300, shift=1.5))
    assert bad.state is State.LOOK
    assert bad.estimates["calibration_intercept"].high < 0
    few = agreement(readings(tmp_path / "few", 20))
    assert (few.state, few.estimates) == (State.FEW, {})


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "patient,ich,p_ich,outcome\np,2,0.5,positive\n"])
def test_readings_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "studies.csv").write_text(text)
    with pytest.raises(InputError, match="no table of ichmonai feedback export"):
        agreement(tmp_path)


def run(*words: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["drift", *map(str, words)])
    return found.exit_code, found.output


def test_the_command(tmp_path: Path) -> None:
    evaluation = write_results(tmp_path / "evaluation", studies(300, 1))
    same = write_results(tmp_path / "same", studies(100, 2))
    other = write_results(tmp_path / "other", studies(100, 2, noise=8.0), weights="b")
    reference, out = tmp_path / "reference.json", tmp_path / "out"
    assert run(evaluation, "--save-reference", reference)[0] == 0
    code, said = run(same, "--reference", reference, "--out", out)
    assert code == 0
    assert "No change was seen" in said
    code, said = run(other, "--reference", reference, "--out", out, "--feedback", readings(tmp_path / "f", 300, 1.5))
    assert code == 1
    assert "Noise in the brain" in said
    assert "other weights" in said
    assert "temperature" in said
    record = json.loads((out / "drift.json").read_text())
    assert record["findings"][0]["state"] == "alarm"
    assert record["readers"]["state"] == "look"
    assert (out / "drift.html").is_file()
    assert (out / "drift.prom").is_file()


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    here = write_results(tmp_path / "r", studies(3, 1))
    assert run(here)[0] == 2
    code, said = run(here, "--save-reference", tmp_path / "reference.csv")
    assert code == 2
    assert "name it .json" in said
    (tmp_path / "empty").mkdir()
    code, said = run(here, "--reference", tmp_path / "empty", "--out", tmp_path / "out")
    assert code == 2
    assert "holds no studies.csv" in said
