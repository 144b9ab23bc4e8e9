"""Lets a bundle's configs find their code: the package `ichmonai` where it is installed, else the copy beside this.

In a built bundle this is `ichmonai_code/__init__.py`; it imports nothing but Python's own library by itself.
"""

import importlib.metadata
import importlib.util
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent
_SENTENCE = "This bundle needs packages that are not installed; run: pip install "


def find_package() -> None:
    """Import `ichmonai`, but not from the folder in which the user stands, where `python -m` looks first."""
    given = list(sys.path)
    try:
        sys.path[:] = [path for path in given[0 if sys.flags.safe_path else 1 :] if Path(path).is_absolute()]
        if "ichmonai" not in sys.modules and importlib.util.find_spec("ichmonai") is None:
            given.append(str(_FOLDER))
            sys.path.append(str(_FOLDER))
        __import__("ichmonai")
    finally:
        sys.path[:] = given


def compare_versions() -> None:
    """Say, once, where another version than this bundle's is installed."""
    import ichmonai

    text = (_FOLDER / "ichmonai" / "__init__.py").read_text(encoding="utf-8")
    own = re.findall(r'__version__ = "(.*)"', text)[0]
    compared: set[str] = vars(ichmonai).setdefault("_compared_with", set())
    if own != ichmonai.__version__ and str(_FOLDER) not in compared:
        logging.getLogger("ichmonai").warning(
            "This bundle, made with ichmonai %s, is run by the installed %s; uninstall that or install its like.",
            own,
            ichmonai.__version__,
        )
    compared.add(str(_FOLDER))


def missing_packages() -> list[str]:
    """What pip has to install, as `name==version`."""
    metadata = json.loads((_FOLDER.parent / "configs" / "metadata.json").read_text(encoding="utf-8"))
    missing = []
    for name, version in metadata["required_packages_version"].items():
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"{name}=={version}")
    return missing


def settle(workflow: Any) -> None:
    """Read a workflow's config again, now that its code can be imported, with the folder it lies in as `bundle_root`.

    MONAI evaluates imports before anything else, and tells a config nothing of where it is.

    Args:
        workflow: `monai.bundle.ConfigWorkflow`, which is about to evaluate `initialize`.

    Raises:
        InputError: packages are not installed.
    """
    if missing := missing_packages():
        from ichmonai.errors import InputError

        raise InputError(_SENTENCE + " ".join(missing))
    parser, root = workflow.parser, Path(workflow.config_root_path).resolve().parent
    if parser.get("bundle_root") == "." and root != Path.cwd():
        parser["bundle_root"] = str(root)
    parser.parse(reset=True)


def _say_what_is_missing(*_error: Any) -> None:
    print(f"ichmonai: {_SENTENCE}{' '.join(missing_packages())}", file=sys.stderr)


if (_FOLDER / "ichmonai").is_dir():  # in a built bundle
    find_package()
    compare_versions()
    if missing_packages():  # an error raised here would be lost, as MONAI keeps those of imports for later
        sys.excepthook = _say_what_is_missing
