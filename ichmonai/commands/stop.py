"""How a command ends that cannot do what it was asked for, or is told to stop."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import typer
from rich.console import Console

from ichmonai.errors import InputError


def stop(error: InputError, code: int) -> NoReturn:
    """Show an error's sentence in red on standard error, and end with an exit code."""
    Console(stderr=True).print(f"ichmonai: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code) from error


@contextlib.contextmanager
def stoppable(sentence: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a command with a sentence, once what it had started has ended.

    To be used in the main thread. The exit code is 128 and the number of the signal, as shells have it.

    Args:
        sentence: what to do afterwards.
    """
    number = signal.SIGINT

    def interrupt(received: int, _frame: FrameType | None) -> None:
        nonlocal number
        number = signal.Signals(received)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        stop(InputError(sentence), 128 + number)
    finally:
        signal.signal(signal.SIGTERM, before)
