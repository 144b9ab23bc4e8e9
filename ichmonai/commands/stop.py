"""How a command ends that cannot do what it was asked for, or is told to stop."""

import contextlib
import errno
import os
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
    """Let Ctrl-C, SIGTERM and a closed terminal end a command with a sentence, once what it had started has ended.

    To be used in the main thread. The exit code is 128 and the number of the signal, as shells have it. What was told
    to ignore a signal, as nohup does, goes on ignoring it.

    Args:
        sentence: what to do afterwards.
    """
    received: signal.Signals | None = None

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received = signal.Signals(number)
        _leave_closed_terminal()
        raise KeyboardInterrupt

    signals = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))  # not every system has both
    before = {one: kept for one in signals if one and (kept := signal.getsignal(one)) is not signal.SIG_IGN}
    for one in before:
        signal.signal(one, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        stop(InputError(sentence), 128 + (received or signal.SIGINT))
    except Exception:
        # What a signal set off is its end, too: workers that the same signal ended, or a terminal that is gone, which
        # a write may find before the signal comes.
        if received is None and _leave_closed_terminal() and signal.SIGHUP in before:
            received = signal.SIGHUP
        if received is None:
            raise
        stop(InputError(sentence), 128 + received)
    else:
        if received is not None:  # Python passes over what is raised where it cleans up
            stop(InputError(sentence), 128 + received)
    finally:
        for one, kept in before.items():
            signal.signal(one, kept)


def _leave_closed_terminal() -> bool:
    """Let what is still said go nowhere, where writing it would be an error that hides how the command ended.

    Returns:
        whether there was a terminal, and it is closed.
    """
    closed = False
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError as error:
            closed = closed or error.errno == errno.EIO
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
    return closed
