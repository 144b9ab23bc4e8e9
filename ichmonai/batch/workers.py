"""How worker processes are started; imports nothing heavy."""

import multiprocessing
import os
import signal
from multiprocessing.context import BaseContext

_PRELOAD = ["ichmonai.batch.local", "monai.transforms", "ichmonai.transforms"]


def worker_context() -> BaseContext:
    """The way in which worker processes are started here.

    A thread beside a process that forks without exec can leave locks held. A fork server has no threads, and imports
    what workers need once for all of them.
    """
    if os.name != "posix":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


def prepare_workers() -> None:
    """Let the fork server import its modules, which takes seconds, while this process imports its own.

    To be called in the main thread.
    """
    if os.name != "posix":
        return
    from multiprocessing import forkserver

    worker_context()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this process, which then ends the others
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
