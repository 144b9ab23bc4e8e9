"""What is kept of how a training was made: by which command, of which commit, when, where and how long."""

import csv
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from ichmonai.errors import InputError
from ichmonai.private_files import write_text
from ichmonai.tables import write_csv
from scripts.bench.machine import machine

_MADE = "made.json"
_SECONDS = "seconds.csv"
_SETTINGS = "settings.json"


def note_attempt(folder: Path) -> None:
    """Add to the record of a training that this command goes on with it."""
    attempts = _attempts(folder)
    attempts.append(
        {
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "commit": commit(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": _machine(),
        }
    )
    write_text(folder / _MADE, json.dumps(attempts, indent=2) + "\n")


def time_epochs(trainer: Engine, folder: str | Path) -> None:
    """Have a trainer note how long each epoch took, validation and checkpoint included.

    An epoch that a killed run repeats counts once, with the time of the last.
    """
    path, started = Path(folder) / _SECONDS, [0.0]

    def begin() -> None:
        started[0] = time.monotonic()

    def end(engine: Engine) -> None:
        epoch = engine.state.epoch
        rows = [row for row in read_csv(path) if int(row["epoch"]) < epoch]
        rows.append({"epoch": str(epoch), "seconds": f"{time.monotonic() - started[0]:.2f}"})
        write_csv(path, ("epoch", "seconds"), rows)

    trainer.add_event_handler(Events.EPOCH_STARTED, begin)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, end)


def seconds(folder: Path) -> float:
    """How long the epochs of a training took together."""
    return sum(float(row["seconds"]) for row in read_csv(folder / _SECONDS))


def record(folder: Path) -> dict[str, Any]:
    """What the table of trainings says of a folder: its last attempt, and what its epochs took."""
    attempts = _attempts(folder)
    return {**(attempts[-1] if attempts else {}), "attempts": len(attempts), "seconds": round(seconds(folder), 1)}


def commit() -> str:
    """The commit that is checked out, with a plus where files are not as in it; empty outside of a repository."""
    try:
        return _git("rev-parse", "--short=12", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Note the settings in a new folder, or compare them with those of a folder that is there."""
    path = folder / _SETTINGS
    text = json.dumps(settings, indent=2, default=str) + "\n"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise InputError(f"{folder} is of other settings than its name says: remove it, or give another --out.")


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file; none where there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _machine() -> str:
    return f"{torch.cuda.get_device_name()}, {machine()}" if torch.cuda.is_available() else machine()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _attempts(folder: Path) -> list[dict[str, Any]]:
    path = folder / _MADE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
