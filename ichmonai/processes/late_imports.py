"""MONAI without what nobody asks for: `import monai` alone loads its whole tree, which takes longer than a study.

Here some of its packages, and of the libraries that it imports in case they are there, are empty until something of
them is asked for; their modules can be imported one by one meanwhile. It is for a process that is ours alone: others
may look for what is loaded, as MONAI does where a config names a class without its module.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import version
from types import ModuleType
from typing import Any

_ROOT = "monai"
_PACKAGES = (_ROOT, *(f"{_ROOT}.{name}" for name in ("apps", "bundle", "data", "transforms")))
"""They are empty at first; since they import from each other, which goes well in one order alone, they run together."""
_LIBRARIES = ("matplotlib", "matplotlib.pyplot", "nibabel", "scipy.signal")
_PARTS = ("config", "transforms", "utils")
"""What MONAI's own modules import from its root."""


def spare_monai() -> None:
    """From here on MONAI is loaded part by part; nothing happens where it is loaded already."""
    if _ROOT not in sys.modules and not _is_sparing():
        sys.meta_path.insert(0, _Finder())


def load_monai() -> None:
    """Load all of MONAI, as `import monai` does, where `spare_monai` has kept that back."""
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, _Finder)]
    importlib.import_module(_ROOT)
    for name in [*_PACKAGES[1:], _ROOT]:  # in MONAI's order; the root then loads what is not there yet
        _run(importlib.import_module(name))


def _is_sparing() -> bool:
    return any(isinstance(one, _Finder) for one in sys.meta_path)


class _Late(ModuleType):
    """A module that runs when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__all__", "__version__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if self.__name__ == _ROOT and name in _PARTS:
            return importlib.import_module(f"{_ROOT}.{name}")
        for inner, module in list(sys.modules.items()):  # MONAI names its own classes by their package, too
            value = vars(module).get(name) if inner.startswith(f"{self.__name__}.") else None
            if getattr(value, "__module__", "") == inner and _is_sparing():
                setattr(self, name, value)
                return value
        if self.__name__ in _LIBRARIES or not _is_sparing():  # or all of MONAI is being loaded, and this is its turn
            _run(self)
        else:
            load_monai()
        return getattr(self, name)


def _run(module: ModuleType) -> None:
    if isinstance(module, _Late):
        module.__class__ = ModuleType  # type: ignore[assignment]  # first: what it imports may ask for what it has so far, as ever
        loader = vars(module).pop("_loader")
        loader.exec_module(module)


class _LateLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Late(spec.name)
        if spec.name == _ROOT:
            vars(module)["__version__"] = version(_ROOT)  # its modules ask for it
        return module

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["_loader"] = self.loader


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in (*_PACKAGES, *_LIBRARIES) else None
        if spec and spec.loader:
            spec.loader = _LateLoader(spec.loader)
        return spec
