"""A small process that ends what a killed process of ours leaves behind: its workers, and its temporary folders.

A worker cannot do it alone: it may be importing, computing in a library, or stopped. This file is run by itself
(`python -I -S guard.py PARENT`), in milliseconds and with 10 MB, and reads from standard input what to look after:
`pid NUMBER` or `folder PATH`, a line each. Where the system has no file descriptors of processes it removes folders
only, and workers end by `end_with_parent`.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import threading
import time

_PATIENCE = 5.0
_lock = threading.Lock()
_channel: tuple[int, int] | None = None  # the process that has started a guard, and the pipe to it


def guard_process(pid: int) -> None:
    """End a process when this one has ended, however that comes about."""
    _tell(f"pid {pid}")


def guard_folder(folder: str) -> None:
    """Remove a folder when this process has ended, however that comes about."""
    _tell(f"folder {folder}")


def _tell(line: str) -> None:
    global _channel
    if os.name != "posix" or "\n" in line:
        return
    with _lock, contextlib.suppress(OSError):  # without a guard what follows is slower, and right
        if _channel is None or _channel[0] != os.getpid():
            _channel = (os.getpid(), _start())
        os.write(_channel[1], os.fsencode(line + "\n"))


def _start() -> int:
    import subprocess  # not needed by the guard itself

    command = [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid())]
    process = subprocess.Popen(  # noqa: S603  this file, by this interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with process.stdin as stdin:  # type: ignore[union-attr]
        pipe = os.dup(stdin.fileno())
    process.returncode = 0  # it ends after this process, which does not wait for it
    return pipe


def main(parent: int) -> None:
    """Wait for the end of a process, then end and remove what it has named.

    Args:
        parent: process id.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    watch = select.poll()
    watch.register(0, select.POLLIN | select.POLLHUP)
    itself = _open(parent)
    if itself is not None:
        watch.register(itself, select.POLLIN)
    if os.getppid() != parent:  # it was quicker
        itself = None
    children: dict[int, int] = {}
    folders: list[str] = []
    rest = b""
    while True:
        ready = {descriptor for descriptor, _ in watch.poll()}
        for ended in ready & set(children):
            watch.unregister(ended)
            os.close(ended)
            del children[ended]
        read = os.read(0, 65536) if 0 in ready else b""
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            kind, _, value = os.fsdecode(line).partition(" ")
            if kind == "folder":
                folders.append(value)
            elif (child := _open(int(value))) is not None:
                children[child] = int(value)
                watch.register(child, select.POLLIN)
        if (0 in ready and not read) or (itself in ready and 0 not in ready):
            break
    for child in children:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(child, signal.SIGKILL)
    end = time.monotonic() + _PATIENCE
    while children and time.monotonic() < end:
        gone, _, _ = select.select(list(children), [], [], end - time.monotonic())
        for child in gone:
            del children[child]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # no such function on this system, or no such process any more
        return None


if __name__ == "__main__":
    main(int(sys.argv[1]))
