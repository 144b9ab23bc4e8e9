"""The package's rooms (folders and modules at its top) import each other in one direction."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import ichmonai

ROOT = Path(ichmonai.__file__).parent


def room(name: str) -> str:
    """Of a module's name without the package's."""
    return name.partition(".")[0]


def imported(file: Path) -> set[str]:
    """The rooms that a file imports, also within functions and for type checkers alone."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {room(name.removeprefix("ichmonai.")) for name in names if name.startswith("ichmonai.")} - {"__version__"}


def test_no_circles() -> None:
    graph: dict[str, set[str]] = {}
    for file in ROOT.rglob("*.py"):
        own = room(".".join(file.relative_to(ROOT).with_suffix("").parts))
        graph.setdefault(own, set()).update(imported(file) - {own})
    assert graph["commands"] >= {"prediction", "evaluation"}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the rooms
