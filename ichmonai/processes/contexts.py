"""The ways in which worker processes are started; imports nothing heavy."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing import process, resource_tracker, spawn, util
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from typing import Any

from ichmonai.processes.guard import guard_folder, guard_process
from ichmonai.processes.safe_path import safe_environment, without_current_folder

_PRELOAD = ["ichmonai.prediction.local", "monai.transforms", "ichmonai.transforms"]
_starting = threading.RLock()
_LONGEST_FOLDER = 75
"""Bytes; a socket's address has 103 at most on the strictest system, of which multiprocessing takes 28 for names."""


def spawn_context() -> BaseContext:
    """A new interpreter for each worker, which imports only what it needs."""
    _ensure_tracker()
    return _Spawn()


def worker_context() -> BaseContext:
    """A fork server, which imports once, for all workers, what work on head CT needs.

    A thread beside a process that forks without exec can leave locks held. A fork server has no threads.
    """
    if os.name != "posix":
        return spawn_context()
    _ensure_tracker()
    context = _ForkServer()
    context.set_forkserver_preload(_PRELOAD)
    return context


def prepare_workers(here: bool = False) -> None:
    """Start the fork server, which imports its modules, for seconds, while this process imports its own.

    To be called in the main thread.

    Args:
        here: let it be forked from this process, with what that has imported. For a process that is ours alone and has
            done nothing yet but import: whatever threads it has otherwise may hold locks.
    """
    if os.name != "posix":
        return
    worker_context()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this process, which then ends the others
    try:
        with _safely(), _forking() if here and threading.active_count() == 1 else contextlib.nullcontext():
            _ensure_server()
    finally:
        signal.signal(signal.SIGINT, before)


def end_with_parent() -> None:
    """In a worker: end when its parent has, should nothing else do so. A pool's workers would wait for ever.

    Each of them holds both ends of the pool's pipes.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def _safely() -> Iterator[None]:
    """What is started meanwhile has no part of its path from the current folder.

    The path of this process, which may be a user's own, stays as it is; so do its environment variables, after.
    """
    flags, data = util._args_from_interpreter_flags, spawn.get_preparation_data  # type: ignore[attr-defined]

    def safe_data(name: str) -> dict[str, Any]:
        folder = getattr(process, "ORIGINAL_DIR", None) or os.sep
        return {**data(name), "sys_path": without_current_folder(sys.path, folder)}

    with _starting:
        before = {name: os.environ.get(name) for name in ("PYTHONSAFEPATH", "PYTHONPATH")}
        os.environ.update(safe_environment())
        util._args_from_interpreter_flags = lambda: ["-P", *flags()]  # type: ignore[attr-defined]  # -E hides variables
        spawn.get_preparation_data = safe_data
        try:
            yield
        finally:
            util._args_from_interpreter_flags, spawn.get_preparation_data = flags, data  # type: ignore[attr-defined]
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


@contextlib.contextmanager
def _forking() -> Iterator[None]:
    """What is started meanwhile as a new interpreter that runs a command is forked instead, and runs it."""
    real = util.spawnv_passfds  # type: ignore[attr-defined]

    def fork(path: bytes | str, args: list[str], kept: list[int]) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            limit, first = os.sysconf("SC_OPEN_MAX"), 3
            for one in sorted(kept):
                os.closerange(first, one)
                first = one + 1
            os.closerange(first, limit)
            exec(args[-1], {})  # noqa: S102  multiprocessing's own
        finally:
            os._exit(0)  # nothing of this process's end is the other's

    util.spawnv_passfds = fork  # type: ignore[attr-defined, assignment]
    try:
        yield
    finally:
        util.spawnv_passfds = real  # type: ignore[attr-defined]


def _ensure_tracker() -> None:
    """The process that a pool's locks start, before there is any worker."""
    with _safely():
        if os.name == "posix":
            resource_tracker.ensure_running()


class _SpawnProcess(SpawnProcess):
    """Started safely, and ended with this process."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # It would take this process's folder for its own, and its guard would remove that in the end.
        self._config.pop("tempdir", None)  # type: ignore[attr-defined]

    @staticmethod
    def _Popen(process_object: Any) -> Any:  # noqa: N802  multiprocessing's name
        with _safely():
            started = SpawnProcess._Popen(process_object)  # type: ignore[attr-defined]
        guard_process(started.pid)
        return started


@contextlib.contextmanager
def _short_paths() -> Iterator[None]:
    """Temporary folders of which a socket's address can be made, as Python 3.14 chooses them by itself."""
    before = tempfile.gettempdir()
    if len(os.fsencode(before)) > _LONGEST_FOLDER:
        tempfile.tempdir = "/tmp"  # noqa: S108  # what is made there is for its owner alone
    try:
        yield
    finally:
        tempfile.tempdir = before


class _Spawn(SpawnContext):
    Process = _SpawnProcess


if os.name == "posix":
    from multiprocessing import forkserver
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    class _ForkServerProcess(ForkServerProcess):
        """As `_SpawnProcess`."""

        @staticmethod
        def _Popen(process_object: Any) -> Any:  # noqa: N802
            with _safely():
                _ensure_server()  # it may have been ended
                started = ForkServerProcess._Popen(process_object)  # type: ignore[attr-defined]
            guard_process(started.pid)
            return started

    class _ForkServer(ForkServerContext):
        Process = _ForkServerProcess

    def _ensure_server() -> None:
        with _short_paths():
            guard_folder(util.get_temp_dir())  # of the server's socket
        forkserver.ensure_running()
        guard_process(forkserver._forkserver._forkserver_pid)  # type: ignore[attr-defined]
