"""What a target may do with an input, and what is a find."""

import hashlib
import re
import resource
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from ichmonai.errors import InputError
from ichmonai.io.findings import HeadCTReadError

LONGEST = 600
"""Characters of a sentence, without the names of files in it."""
MEMORY = 512 * 2**20
"""Bytes by which resident memory may grow for an input of less than 1 MB."""
_LEAKS = re.compile(r"Traceback|File \"|(at |\()0x[0-9a-f]{6,}|\.py\b|<class '|site-packages")
"""Of tracebacks, and of addresses that differ from run to run."""
_OUT_OF_MEMORY = re.compile(r"Unable to allocate|[Cc]annot allocate|bad_alloc|not enough memory")


class ViolationError(Exception):
    """An input made a target do what it must not.

    Args:
        kind: which oracle says so.
        sentence: what happened.
        where: what tells it from other finds of its kind.
    """

    def __init__(self, kind: str, sentence: str, where: str = "") -> None:
        super().__init__(f"{kind}: {sentence}")
        self.kind = kind
        self.signature = hashlib.sha256(f"{kind} {where or sentence}".encode(errors="replace")).hexdigest()[:12]


@dataclass(frozen=True)
class Target:
    """One thing that reads what others wrote.

    Attributes:
        name: of the target and of its folder of the corpus.
        seeds: valid inputs by name.
        run: reads an input, for which there is an empty folder, and says how it ended: `image`, the code of a
            rejection, or another word. What it raises but `InputError` is a find.
        mutate: changes an input by its structure.
    """

    name: str
    seeds: Callable[[], Mapping[str, bytes]]
    run: Callable[[Path, bytes], str]
    mutate: Callable[..., bytes]


def judge(target: Target, folder: Path, data: bytes) -> str:
    """Run a target on an input.

    Returns:
        How it ended.

    Raises:
        ViolationError: as it must not.
    """
    before = psutil.Process().memory_info().rss
    peak = _peak()
    try:
        outcome = target.run(folder, data)
    except ViolationError:
        raise
    except HeadCTReadError as error:
        check_sentence(str(error), where=_where(error))
        outcome = error.code.value
    except InputError as error:
        check_sentence(str(error), where=_where(error))
        outcome = "refused"
    except MemoryError as error:
        raise ViolationError("memory", _told(error), _where(error)) from error
    except Exception as error:
        raise ViolationError("exception", _told(error), _where(error)) from error
    if (now := _peak()) > peak and now - before > MEMORY:
        Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far, for the next input
        raise ViolationError("memory", f"grew by {(now - before) / 2**20:.0f} MiB for {len(data)} bytes", "growth")
    return outcome


def check_sentence(sentence: str, *names: str, where: str = "") -> None:
    """What a user reads has to be one printable sentence.

    Args:
        sentence: of an error or a finding.
        names: of files; they may be long, and stand in it.
        where: it is said; by default, what it says.

    Raises:
        ViolationError: it is not.
    """
    shape = where or re.sub(r"[^A-Za-z ]+", "", sentence)[-40:]
    if _OUT_OF_MEMORY.search(sentence):
        raise ViolationError("memory", sentence, shape)
    allowed = LONGEST + 2 * sum(map(len, names))
    if not sentence.isprintable():
        raise ViolationError("sentence", f"not printable: {sentence!r:.400}", shape)
    if len(sentence) > allowed:
        raise ViolationError("sentence", f"of {len(sentence)} characters: {sentence[:400]}", shape)
    if not sentence.endswith((".", ".)")):
        raise ViolationError("sentence", f"without an end: {sentence[:400]}", shape)
    if found := _LEAKS.search(sentence.replace(names[0], "") if names else sentence):
        raise ViolationError("sentence", f"with {found[0]}: {sentence[:400]}", shape)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"


def _where(error: BaseException) -> str:
    """The innermost lines of this package that the error came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/ichmonai/" in frame.filename]
    last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {Path(last.filename).name}:{last.name}:{last.line}"
