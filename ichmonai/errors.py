"""Errors that a user can mend, and how the command line shows them."""

import difflib
import re
import sys
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, cast

_LONGEST = 200
"""Characters of what a library says."""


_OBJECT = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")
"""What Python calls an object without a name; its address differs from run to run."""
_AT = re.compile(r" at 0x[0-9a-f]{6,}>")
_LONGEST_SENTENCE = 600
"""Characters of a sentence; what stands in its middle beyond them is a value of a damaged file."""


class InputError(ValueError):
    """Something given to ichmonai cannot be used; its message is one sentence: what, where, what to do.

    Args:
        sentence: may quote what was given: line breaks and what is not printable are escaped, and the middle of what
            is too long is left out, and so are addresses of objects.
    """

    def __init__(self, sentence: str = "") -> None:
        text = _AT.sub(">", printable(re.sub(r"\s*\n\s*", " ", sentence)))
        if len(text) > _LONGEST_SENTENCE:
            end = _LONGEST_SENTENCE // 3
            text = f"{text[: _LONGEST_SENTENCE - end - 5]} ... {text[-end:]}"
        super().__init__(text)


def first_line(error: BaseException) -> str:
    """What a library says of an error, short enough to stand inside a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = _OBJECT.sub("it", lines[0].rstrip(".:")) if lines else type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."  # some quote the damaged bytes


def printable(text: str) -> str:
    """Text with what cannot stand in a sentence or a table escaped: line breaks, bytes of names that are no UTF-8.

    Example:
        >>> len(printable(chr(10)))
        2
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def require_entry(name: str, sentence: str) -> None:
    """From within a config that `monai.bundle` runs, stop where an entry is missing that another config should bring.

    Args:
        name: of the entry.
        sentence: what to say then.

    Raises:
        InputError: with that sentence.
    """
    import inspect

    from monai.bundle import ConfigWorkflow

    for one in inspect.stack(0):
        workflow = one.frame.f_locals.get("self")
        if isinstance(workflow, ConfigWorkflow):
            if name not in workflow.parser:
                raise InputError(sentence)
            return


def refuse_unknown_settings() -> None:
    """From within a config that `monai.bundle` runs, stop where a setting of the command line is in no config.

    MONAI adds such a setting to the config, where nothing reads it: `--epochs 1` would train as many epochs as ever.
    What was set is known only to the function that made the workflow; where another made it, all is accepted.

    Raises:
        InputError: with the nearest name that there is.
    """
    import inspect

    from monai.bundle import ConfigParser, ConfigWorkflow
    from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

    for one in inspect.stack(0):
        if one.function == "create_workflow" and one.frame.f_globals["__name__"] == "monai.bundle.scripts":
            given, files = one.frame.f_locals["_args"], one.frame.f_locals["config_file"]
            known = set(ConfigParser.load_config_files(files))
            allowed = known | set(inspect.signature(ConfigWorkflow).parameters)
            if given.get("tracking") is not None:
                allowed |= set(cast(dict[str, Any], DEFAULT_MLFLOW_SETTINGS["configs"]))
            for name in given:
                if (top := re.split("#|::", name)[0]) not in allowed:
                    shown = [Path(file).name for file in ([files] if isinstance(files, str) else files)]
                    raise InputError(f"{' with '.join(shown)} has no setting {top}; {nearest(top, known)}.")
            return


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that was probably meant, for the end of a sentence.

    Args:
        name: what was written.
        known: names of a config's top section.

    Returns:
        a clause that names it, or says where to look.

    Example:
        >>> nearest("epochs", ["max_epochs", "seed"]), nearest("lr", ["learning_rate", "seed"])
        ('the nearest is max_epochs', 'the nearest is learning_rate')
    """
    short_first = sorted(known, key=lambda one: (len(one), one))
    with_it = [one for one in short_first if name.lower() in one.split("_")]
    initials = [one for one in short_first if name.lower() == "".join(part[:1] for part in one.split("_"))]
    meant = [*with_it, *initials, *difflib.get_close_matches(name.lower(), short_first, 1, cutoff=0.5)]
    return f"the nearest is {meant[0]}" if meant else "its top section lists them"


def show_input_errors_plainly() -> None:
    """From now on, let an uncaught `InputError` or Ctrl-C end the process with a sentence instead of a traceback.

    `monai.bundle` wraps what a config's expressions raise in errors of its own, three deep, so that the sentence would
    be in the middle of a page of traceback. Other errors are shown as always. The exit code is 1 in both cases.
    """
    sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    if kind is KeyboardInterrupt:
        print("ichmonai: stopped.", file=sys.stderr)
    elif cause is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        print(f"ichmonai: {' '.join(str(cause).split())}", file=sys.stderr)
