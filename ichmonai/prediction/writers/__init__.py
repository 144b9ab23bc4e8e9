"""What a run leaves: every module here is a kind of output, and its writers are known by their names."""

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ichmonai.errors import InputError
from ichmonai.model_description import ModelDescription
from ichmonai.prediction.writers.base import Writer

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

WRITERS = dict(sorted(Writer.known.items()))
"""Name -> what makes the writer for a folder."""


def writer_classes(names: Sequence[str]) -> list[type[Writer]]:
    """The writers of some names, each once, found to be usable.

    Raises:
        InputError: where one is not known, or what it needs is not installed.
    """
    if unknown := [name for name in names if name not in WRITERS]:
        raise InputError(f"{unknown[0]} is no output that is known; choose from {', '.join(WRITERS)}.")
    classes = [WRITERS[name] for name in dict.fromkeys(names)]
    for one in classes:
        one.require()
    return list(classes)


def check_masks(names: Sequence[str], weights: Path, description: ModelDescription) -> None:
    """Check that weights make masks, where a writer needs them.

    Raises:
        InputError: they do not.
    """
    if any(one.needs_mask for one in writer_classes(names)) and not description.makes_masks:
        raise InputError(
            f"The weights {weights} make no mask of the blood; leave masks out, or give weights that were trained with "
            "one: --set ckpt_path=FILE."
        )


__all__ = ["WRITERS", "Writer", "check_masks", "writer_classes"]
