"""What readers say makes the network better, by the commands that the documents name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.metrics import log_loss
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets import load_datalist
from ichmonai.datasets.phantom import PhantomKind, PhantomStudy, make_study, write_dtvit, write_nifti
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource
from ichmonai.training import workflows
from tests.commands.test_crossval import in_this_process
from tests.serve.conftest import Server

pytestmark = pytest.mark.slow
CLASSES = (PhantomKind.NORMAL, PhantomKind.DEEP, PhantomKind.LOBAR, PhantomKind.SUBTENTORIAL)


def ask(server: Server, studies: list[PhantomStudy]) -> tuple[list[float], list[dict]]:
    """What the server says of studies, in one upload: p of haemorrhage, and the records."""
    folder = server.options.data / "sent"
    folder.mkdir(parents=True, exist_ok=True)
    write_nifti(folder, studies)
    upload = server.upload(*(folder / f"{one.patient}.nii.gz" for one in studies))
    found = {one["answer"]["study"]: one for one in server.client.get(f"/api/uploads/{upload}").json()["studies"]}
    records = [found[f"{one.patient}.nii.gz"] for one in studies]
    return [float(one["answer"]["p_ich"]) for one in records], records


def outcomes(records: list[dict]) -> list[str]:
    """What the server decided of each."""
    return [one["answer"]["outcome"] for one in records]


def test_a_missed_study_that_a_reader_corrects_is_found_after_a_training_and_others_still_are(
    make_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"device": "$torch.device('cpu')", "runtime": "torch"}
    settings["calibration_path"] = str(bundle_root() / "models" / "calibration.json")  # one for both, so that p compare
    missed = make_study(300, PhantomKind.SUBDURAL, 128)
    old = [make_study(400 + number, kind, 128) for number, kind in enumerate((*CLASSES, PhantomKind.NORMAL))]
    truth = [one.kind is not PhantomKind.NORMAL for one in old]

    server = make_server(BundleSource(bundle_root(), settings), data=tmp_path / "before")
    (p_before,), (before,) = ask(server, [missed])
    assert before["answer"]["outcome"] == "negative"
    shown = [number for number, one in enumerate(missed.truth) if one.rsna[0]]
    reading = {"author": "Reader", "haemorrhage": True, "kinds": ["subdural"], "slices": shown}
    assert server.client.post(f"/api/studies/{before['id']}/readings", json=reading).status_code == 201
    old_before, asked_before = ask(server, old)
    assert outcomes(asked_before) == ["positive" if bleeds else "negative" for bleeds in truth]
    exported = tmp_path / "readings"
    done = CliRunner().invoke(app, ["feedback", "export", str(exported), "--data", str(server.options.data)])
    assert done.exit_code == 0, done.output
    assert 0 < sum(item["label"][0] for item in load_datalist(exported)) <= len(shown)

    data, run = tmp_path / "data", tmp_path / "run"
    write_dtvit(data, [make_study(500 + number, CLASSES[number % 4], 128, f"1p{number:04d}") for number in range(12)])
    monkeypatch.setattr(workflows.subprocess, "run", in_this_process)
    given = ["--config=train", "--config=feedback", "--set=num_workers=0", "--set=split_fractions=[0.67,0.33,0]"]
    done = CliRunner().invoke(app, ["train", str(data), str(exported), "--out", str(run), *given])
    assert done.exit_code == 0, done.output

    trained = BundleSource(bundle_root(), {**settings, "ckpt_path": str(run / "model.pt")})
    server = make_server(trained, data=tmp_path / "after")
    (p_after, *old_after), asked_after = ask(server, [missed, *old])
    after = asked_after[0]
    assert after["facts"]["weights_sha256"] != before["facts"]["weights_sha256"]
    assert after["answer"]["outcome"] == "positive"
    assert p_after > p_before + 0.3
    assert outcomes(asked_after[1:]) == outcomes(asked_before)
    assert log_loss(truth, old_after) <= log_loss(truth, old_before)
