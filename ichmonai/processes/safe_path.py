"""Nothing is imported from the folder in which the user happens to stand.

Imports only what Python itself has loaded before it looks into any folder.
"""

import os
import sys

_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CARRIED = os.path.basename(_HOME) == "ichmonai_code"
"""Whether this package is a bundle's own, which no Python finds by itself."""
_ours = False


def safe_environment(environment: dict[str, str] | None = None) -> dict[str, str]:
    """Environment variables for a Python that is started: its path has no folder that depends on where it stands.

    Args:
        environment: what to begin with; this process's own unless given.
    """
    safe = dict(os.environ if environment is None else environment)
    safe["PYTHONSAFEPATH"] = "1"
    if "PYTHONPATH" in safe:  # an empty entry, as PYTHONPATH=$PYTHONPATH:/x leaves one, is the current folder
        safe["PYTHONPATH"] = os.pathsep.join(filter(os.path.isabs, safe["PYTHONPATH"].split(os.pathsep)))
    if _CARRIED:
        given = filter(None, safe.get("PYTHONPATH", "").split(os.pathsep))
        safe["PYTHONPATH"] = os.pathsep.join([*(one for one in given if one != _HOME), _HOME])
    return safe


def without_current_folder(paths: list[str], folder: str) -> list[str]:
    """A `sys.path` without what Python put there because a process was started in a folder.

    Python does so for `-c`, for `-m`, interactively, and for relative entries of PYTHONPATH. Entries that somebody
    named in full stay. A folder from which this package itself is imported stays too, behind all others.

    Args:
        paths: as `sys.path`.
        folder: in which the process was started.
    """
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep) if not sys.flags.ignore_environment else []
    put = {os.path.abspath(os.path.join(folder, one)) for one in given if not os.path.isabs(one)}
    put -= {os.path.abspath(one) for one in given if os.path.isabs(one)}
    kept = [path for path in paths if path not in put and (os.path.isabs(path) or path.endswith(".zip"))]
    started_by_name = getattr(sys.modules.get("__main__"), "__spec__", None) is not None  # python -m
    if started_by_name and not sys.flags.safe_path and folder in kept:
        kept.remove(folder)
    if _HOME in paths and _HOME not in kept:
        kept.append(_HOME)
    return kept


def is_ours() -> bool:
    """Whether this process is a command of ours and nobody else's, see `leave_current_folder`."""
    return _ours


def leave_current_folder() -> None:
    """Make this process, and all that it starts, safe; for a process that is ours alone, at its beginning."""
    global _ours
    _ours = True
    try:
        folder = os.getcwd()
    except OSError:  # it is gone
        folder = os.sep
    sys.path[:] = without_current_folder(sys.path, folder)
    os.environ.update(safe_environment())
    if os.path.lexists("matplotlibrc"):  # matplotlib takes settings from it when it is imported
        import contextlib

        with contextlib.chdir(os.sep):
            import matplotlib  # noqa: F401
