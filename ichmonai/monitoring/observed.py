"""What runs of `ichmonai predict` or of a node found, in columns that name no study."""

import csv
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ichmonai import __version__
from ichmonai.csv_cells import cell_text
from ichmonai.errors import InputError, first_line
from ichmonai.io.findings import Code
from ichmonai.notice import NOTICE
from ichmonai.private_files import write_text

NAMES = {"scanner": "Scanner", "kernel": "Kernel", "kvp": "Tube voltage, kV"}
"""Properties of a study that are words, with what people call them."""
NUMBERS = {"thickness_mm": "Slice thickness, mm", "noise_hu": "Noise in the brain, HU", "p_ich": "Probability"}
"""Those that are numbers."""
NOT_NAMED = "not named"
_RESULTS = ("studies.csv", "*/studies.csv", "answered/*/results/studies.csv")
"""Where results are in a folder: of one run, of several, of a node."""
_CODES = frozenset(code.value for code in Code)


@dataclass
class Observed:
    """What was found in a number of inputs. Each property stands alone: nothing says which study had which.

    Attributes:
        inputs: studies, and files that belong to none.
        names: property of `NAMES` -> value -> studies.
        numbers: property of `NUMBERS` -> value of each study that has one, ascending.
        outcomes: positive, negative and uncertain (of those that have a probability) -> studies.
        codes: code of `ichmonai.io.findings` -> inputs.
        weights: SHA-256 of the weights that answered, of each.
    """

    inputs: int = 0
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in NAMES})
    numbers: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in NUMBERS})
    outcomes: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    weights: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write a reference."""
        record = {"notice": NOTICE, "version": __version__, **asdict(self)}
        write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")


def observe(places: Sequence[Path], days: float | None = None) -> Observed:
    """Read results.

    Args:
        places: folders of results, of several of them or of a node; a `studies.csv`; or one reference.
        days: only results that were written in so many last days.

    Raises:
        InputError: there are none, or they cannot be read.
    """
    if len(places) == 1 and places[0].suffix == ".json":
        return _reference(places[0])
    since = 0.0 if days is None else time.time() - 86400 * days
    studies: dict[tuple[str, str], dict[str, str]] = {}
    others: dict[tuple[str, str], str] = {}
    weights: set[str] = set()
    for table in (one for place in places for one in _tables(place) if one.stat().st_mtime >= since):
        rows = list(_rows(table, ("study", "series", "outcome", "p_ich", "flags", "noise_hu")))
        studies |= {(row["study"], row["series"]): row for row in rows}
        weights |= _weights(table.with_name("run.json"))
        rejected = table.with_name("rejected.csv")
        named = {row["study"] for row in rows}
        for row in _rows(rejected, ("study", "path", "code")) if rejected.is_file() else ():
            if row["study"] not in named:  # the others' codes stand beside their studies
                others[row["path"], row["code"]] = row["code"]
    return _columns(studies.values(), others.values(), weights)


def _tables(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = next((some for some in (sorted(place.glob(one)) for one in _RESULTS) if some), [])
    if not found:
        raise InputError(f"{place} holds no studies.csv; give a folder of ichmonai predict or of a node.")
    return found


def _rows(table: Path, needed: Iterable[str]) -> Iterator[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in needed if name not in (reader.fieldnames or ())]:
                raise InputError(f"{table} has no column {missing[0]}; predict again with this version.")
            for row in reader:
                yield {name: cell_text(row.get(name) or "") for name in reader.fieldnames or ()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} cannot be read as csv ({first_line(error)}); predict again.") from error


def _weights(run: Path) -> set[str]:
    try:
        return {str(json.loads(run.read_text(encoding="utf-8"))["weights"]["sha256"])}
    except (OSError, ValueError, TypeError, KeyError):  # a table without a record says less, and can be read
        return set()


def _columns(studies: Iterable[dict[str, str]], others: Iterable[str], weights: set[str]) -> Observed:
    names: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    numbers: dict[str, list[float]] = {name: [] for name in NUMBERS}
    outcomes, codes, inputs = Counter[str](), Counter(others), 0
    inputs = codes.total()
    for row in studies:
        inputs += 1
        codes.update({code for code in row["flags"].split(";") if code in _CODES})
        scanner = " ".join(filter(None, (row.get("manufacturer"), row.get("model"))))
        answered = row["p_ich"] not in ("", "nan")
        if answered or scanner:  # what was refused by its headers is not said to have a scanner
            said = {"scanner": scanner, "kernel": row.get("kernel"), "kvp": row.get("kvp")}
            for name, value in said.items():
                names[name][value or NOT_NAMED] += 1
        for name, found in numbers.items():
            if (cell := row.get(name, "")) not in ("", "nan"):
                found.append(_number(name, cell))
        if answered:
            outcomes[row["outcome"] if row["outcome"] in ("positive", "negative") else "uncertain"] += 1
    return Observed(
        inputs,
        {name: dict(sorted(counts.items())) for name, counts in names.items()},
        {name: sorted(values) for name, values in numbers.items()},
        dict(sorted(outcomes.items())),
        dict(sorted(codes.items())),
        sorted(weights),
    )


def _number(name: str, cell: str) -> float:
    try:
        value = float(cell)
        if not abs(value) < 2**31:
            raise ValueError
    except ValueError:
        raise InputError(f"A table says that {name} is '{cell}'; give a table that ichmonai predict wrote.") from None
    return value


def _reference(path: Path) -> Observed:
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        counts = [record["outcomes"], record["codes"], *(record["names"][name] for name in NAMES)]
        if not all(type(number) is int and number >= 0 for some in counts for number in some.values()):
            raise TypeError("a count is no whole number")
        return Observed(
            int(record["inputs"]),
            {name: dict(record["names"][name]) for name in NAMES},
            {name: sorted(_number(name, str(one)) for one in record["numbers"][name]) for name in NUMBERS},
            dict(record["outcomes"]),
            dict(record["codes"]),
            [str(one) for one in record["weights"]],
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read as a reference ({first_line(error)}); ichmonai drift --save-reference writes one."
        ) from error
