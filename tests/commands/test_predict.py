import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.commands.bundle_options import bundle_source
from tests.prediction.test_run import table
from tests.runtimes.conftest import needs

SMALL = ("--trust", "--workers", "1")


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_from_a_folder_to_tables(small_bundle, volume, tmp_path):
    folder = volume("one").parent
    result = predict(folder, "--out", tmp_path / "out", "--bundle", small_bundle.root, "--device", "cpu", *SMALL)
    assert result.exit_code == 0, result.output
    assert "not for clinical use" in result.output
    assert (tmp_path / "out" / "studies.csv").read_text().count("\n") == 2


def test_masks_are_written_beside_the_tables(marking_bundle, volume, tmp_path):
    folder = volume("one").parent
    common = (folder, "--bundle", marking_bundle.root, "--device", "cpu", *SMALL)
    result = predict(*common, "--out", tmp_path / "out", "--masks", "--quiet")
    assert result.exit_code == 0, result.output
    (mask,) = (tmp_path / "out" / "masks").iterdir()
    (row,) = table(tmp_path / "out" / "studies.csv")
    assert row["mask"] == f"masks/{mask.name}"
    assert predict(*common, "--out", tmp_path / "plain", "--quiet").exit_code == 0
    assert not (tmp_path / "plain" / "masks").exists()
    (row,) = table(tmp_path / "plain" / "studies.csv")
    assert row["mask"] == ""
    assert float(row["volume_ml"]) > 0


def test_json_is_all_that_stands_on_standard_output(small_bundle, volume, tmp_path):
    folder = volume("crash").parent
    result = predict(folder, "--out", tmp_path / "out", "--bundle", small_bundle.root, "--json", *SMALL)
    summary = json.loads(result.stdout)
    assert (summary["failed"], summary["series"]) == (1, 1)
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shard", "4/3"), "Shard 4/3 does not exist"),
        (("--shard", "4"), "--shard 4 is no I/N"),
        (("--format", "xlsx"), "choose from csv, jsonl, parquet"),
        (("--device", "tpu; import os"), "The device tpu; import os is not known"),
        (("--device", "cuda:63"), "PyTorch finds no device cuda:63 here"),
        (("--set", "device=cuda:63"), "PyTorch finds no device cuda:63 here"),
        (("--set", "operating_point=sensitivity_90"), "No threshold was fitted for operating_point sensitivity_90"),
        (("--set", "batch_size"), "no KEY=VALUE"),
        (("--set", "colour=red"), "has no setting colour"),
        (("--accept", "unreadable"), "unreadable cannot be accepted"),
        (("--set", "ckpt_path=absent.pt"), "There is no weights file"),
        (("--bundle", "/"), "is no bundle"),
        (("--masks",), "make no mask of the blood"),
    ],
)
def test_wrong_usage_is_one_sentence_and_leaves_nothing(small_bundle, volume, tmp_path, arguments, said):
    folder = volume("one").parent
    result = predict(folder, "--out", tmp_path / "out", "--bundle", small_bundle.root, *SMALL, *arguments)
    assert result.exit_code == 2
    assert said in result.output.replace("\n", "")
    assert result.output.count("ichmonai:") == 1
    assert not list((tmp_path / "out").glob("*.csv"))


def test_an_input_that_is_not_there_is_wrong_usage(tmp_path):
    result = predict(tmp_path / "absent", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert not Path(tmp_path / "out").exists()


def test_what_an_earlier_run_was_given_is_not_lost_silently(small_bundle, volume, tmp_path):
    one, two = volume("one"), volume("two")
    options = ("--out", tmp_path / "out", "--bundle", small_bundle.root, "--device", "cpu", *SMALL)
    assert predict(one, *options).exit_code == 0
    refused = predict(two, *options)
    assert refused.exit_code == 2
    assert f"holds the results of {one}, which is not among these inputs" in refused.output
    assert [row["path"] for row in table(tmp_path / "out" / "studies.csv")] == [str(one)]
    assert predict(one, two, *options).exit_code == 0
    assert predict(one.parent, *options).exit_code == 0  # of which both are parts
    assert {row["path"] for row in table(tmp_path / "out" / "studies.csv")} == {str(one), str(two)}


def test_inputs_of_which_none_can_be_used_are_said_so(small_bundle, volume, tmp_path):
    damaged = volume("one")
    damaged.write_bytes(damaged.read_bytes()[:100])
    (damaged.parent / "readme.txt").write_text("no image")
    result = predict(damaged.parent, "--out", tmp_path / "out", "--bundle", small_bundle.root, *SMALL)
    assert result.exit_code == 3
    assert "No input could be used" in result.output
    assert "Refused (unreadable)" in result.output
    half = predict(damaged.parent, "--out", tmp_path / "half", "--bundle", small_bundle.root, *SMALL, "--shard", "1/2")
    assert half.exit_code == 0


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "auto"])
def test_every_runtime_gives_the_same_tables(small_bundle, volume, tmp_path, runtime):
    if runtime != "auto":
        needs(runtime)
    folder = volume("one").parent
    tables = []
    for name in ("torch", runtime):
        out = tmp_path / name
        options = ("--bundle", small_bundle.root, "--device", "cpu", "--runtime", name)
        result = predict(folder, "--out", out, *options, *SMALL)
        assert result.exit_code == 0, result.output
        tables.append([table(out / f"{one}.csv") for one in ("studies", "slices")])
    (choice,) = json.loads((out / "run.json").read_text())["runtimes"]
    assert choice["runtime"] == runtime or runtime == "auto"
    assert f"The network ran on {choice['runtime']} in fp32: {choice['reason']}." in result.output
    for ours, theirs in zip(*tables, strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            for column, value in mine.items():
                if column.startswith("p_") and value:
                    assert float(value) == pytest.approx(float(other[column]), abs=1e-4)
                else:
                    assert value == other[column]


def test_a_runtime_that_cannot_be_used_is_wrong_usage(small_bundle, volume, tmp_path):
    folder = volume("one").parent
    arguments = ("--out", tmp_path / "out", "--bundle", small_bundle.root, *SMALL, "--set", "precision=int8")
    result = predict(folder, *arguments, "--runtime", "onnxruntime")
    assert result.exit_code == 2
    assert "onnxruntime has no int8, only openvino" in result.output


@pytest.mark.skipif(os.name != "posix", reason="the system has no signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_stopped_says_how_it_goes_on(small_bundle, volume, tmp_path, name):
    number, out = getattr(signal, name), tmp_path / "out"
    process = _at_work(small_bundle, volume, out, stderr=subprocess.PIPE, text=True)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said.count("ichmonai:") == 1
    assert f"The run was stopped; start it again with --out {out}" in said
    assert "Traceback" not in said
    assert "leaked" not in said


@pytest.mark.skipif(os.name != "posix", reason="the system has no terminals")
def test_a_run_whose_terminal_is_closed_ends_as_if_it_was_stopped(small_bundle, volume, tmp_path, tmp_path_factory):
    """Whatever it says then is an error of the terminal's."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    temporary = tmp_path_factory.mktemp("t")  # a short path: the address of a socket in it has 107 bytes at most
    process = _at_work(
        small_bundle,
        volume,
        tmp_path / "out",
        environment={"TMPDIR": str(temporary)},
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    os.close(ours)  # which sends SIGHUP to all that belongs to the terminal
    assert process.wait(60) == 128 + signal.SIGHUP
    assert not list(temporary.iterdir())


def _at_work(bundle, volume, out, environment=None, **options):
    """A run that has answered one of two series, and hangs at the other."""
    folder = volume("a").parent
    volume("hang")
    command = [sys.executable, "-m", "ichmonai", "predict", folder, "--out", out, "--bundle", bundle.root]
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **(environment or {})}
    process = subprocess.Popen([*map(str, command), *SMALL], env=variables, **options)
    while process.poll() is None and not _answered(out / "journal.sqlite"):
        time.sleep(0.1)
    return process


def _answered(journal):
    if not journal.exists():
        return False
    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT COUNT(*) FROM answers").fetchone()[0] > 0
    except sqlite3.OperationalError:
        return False


def test_a_device_among_the_settings_is_the_option(small_bundle):
    assert bundle_source(small_bundle.root, None, ["device=cpu"]) == bundle_source(small_bundle.root, None, None, "cpu")
