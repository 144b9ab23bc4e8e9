"""Names of a package that are imported when they are first asked for, with all that their modules need."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def late_names(package: str, modules: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package that has names of its modules.

    Args:
        package: its `__name__`.
        modules: module -> its names.

    Example:
        >>> late_names("json", {"decoder": ["JSONDecoder"]})("JSONDecoder").__name__
        'JSONDecoder'
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{module_of[name]}"), name)

    return find
