"""Where the int8 model of a network is, and whether it is its own."""

from pathlib import Path

from ichmonai.errors import InputError
from ichmonai.runtimes.formats import read_facts


def int8_path(weights: Path) -> Path:
    """Where the int8 model of a network is looked for: beside its weights."""
    return weights.with_name(f"{weights.stem}_int8.xml")


def checked_int8(weights: Path, sha256: str) -> Path:
    """The int8 model of a network.

    Args:
        weights: of the network.
        sha256: theirs.

    Raises:
        InputError: there is none, or it is of other weights, or it was not found good on real slices.
    """
    file = int8_path(weights)
    if not file.is_file():
        raise InputError(f"there is no int8 model {file}; make one with `ichmonai export --int8 DATA`.")
    facts = read_facts(file)
    if facts["weights"]["sha256"] != sha256:
        raise InputError(f"{file} is of other weights than {weights}; make a new one with `ichmonai export --int8`.")
    if not facts.get("int8", {}).get("passed"):
        raise InputError(f"{file} was not found good on real slices; make a new one with `ichmonai export --int8`.")
    return file
