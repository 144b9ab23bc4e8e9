"""How worker processes are started; imports nothing heavy."""

import multiprocessing
import os
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
    """Let the fork server import its modules, which takes seconds, while this process imports its own."""
    if os.name == "posix":
        worker_context()
        from multiprocessing import forkserver

        forkserver.ensure_running()
