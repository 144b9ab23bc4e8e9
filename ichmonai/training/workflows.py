"""The bundle's workflows, run as `python -m monai.bundle run` runs them, in a process of their own."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from monai.bundle import ConfigParser

from ichmonai.errors import InputError, nearest
from ichmonai.paths import bundle_root
from ichmonai.processes.safe_path import safe_environment


def config_files(names: Sequence[str]) -> list[str]:
    """Files of configs, as seen from the bundle's folder.

    Args:
        names: of configs in the bundle, or files.
    """
    own = bundle_root() / "configs"
    return [f"configs/{name}.json" if (own / f"{name}.json").is_file() else str(Path(name).resolve()) for name in names]


def require_known(names: Sequence[str], config: ConfigParser) -> None:
    """Stop where a setting names no entry of a config.

    Raises:
        InputError: with the nearest name that there is.
    """
    known = config.get()
    for name in names:
        if name not in known:
            raise InputError(f"--set {name} names no setting of the training; {nearest(name, known)}.")


def run_workflow(run_id: str, files: Sequence[str], settings: Mapping[str, str], of: str = "") -> None:
    """Run a workflow of the bundle, and wait for it.

    Args:
        run_id: `training`, `evaluating` or `inference`.
        files: configs, each laid over those before.
        settings: of these configs, as text.
        of: what is named beside it where it fails, " of fold 3".

    Raises:
        InputError: it failed; its own messages were on the screen.
    """
    command = workflow_command(run_id, files, settings)
    done = subprocess.run(command, check=False, cwd=bundle_root(), env=safe_environment())  # noqa: S603  no shell
    if done.returncode:
        raise InputError(f"{run_id}{of} failed, its messages are above; mend it and run this again.")


def workflow_command(run_id: str, files: Sequence[str], settings: Mapping[str, str]) -> list[str]:
    """The command of a workflow, to be run in the bundle's folder.

    Args:
        run_id: as `run_workflow` has it.
        files: as `run_workflow` has them.
        settings: as `run_workflow` has them.
    """
    quiet = ["-W", "ignore:parsing config_file"]  # MONAI's warning that configs are code, which the help says
    command = [sys.executable, "-P", *quiet, "-m", "monai.bundle", "run", run_id, "--config_file"]
    command.append(files[0] if len(files) == 1 else str(list(files)))
    return command + [part for key, value in settings.items() for part in (f"--{key}", value)]
