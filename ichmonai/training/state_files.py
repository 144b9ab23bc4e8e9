"""The file of a training that can go on: written whole, and read with a sentence for what is wrong with it."""

import os
from pathlib import Path
from typing import Any

import torch

from ichmonai.errors import InputError, first_line


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state; a kill leaves the old file or the new one, never half of one. Its folder is made if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    torch.save(state, partial)
    partial.replace(path)


def earlier_state(path: Path, resume: bool, keys: set[str]) -> dict[str, Any] | None:
    """The state of an earlier training.

    Args:
        path: its file.
        resume: whether that training is to go on.
        keys: what it has.

    Returns:
        The state; None where there is no file.

    Raises:
        InputError: there is one, and it is not to go on; or it is damaged, or of something else.
    """
    if not path.is_file():
        return None
    if not resume:
        raise InputError(f"{path} is of an earlier training; set resume to continue it, or use another output_dir.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many kinds on damaged files
        raise InputError(
            f"{path} is not a readable checkpoint ({first_line(error)}); remove it, or use another output_dir."
        ) from error
    if not isinstance(state, dict) or not state.keys() >= keys:
        raise InputError(f"{path} is not a checkpoint of a training; use another output_dir.")
    return state
