"""How commands end."""

import os
import signal
import subprocess
import sys
import time

import pytest
import typer

from ichmonai.commands.stop import stoppable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the system has no signals")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_with_a_sentence(name, capsys):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(typer.Exit) as end, stoppable("It was stopped; start it again."):
        os.kill(os.getpid(), number)
    assert end.value.exit_code == 128 + number
    assert capsys.readouterr().err == "ichmonai: It was stopped; start it again.\n"
    assert signal.getsignal(number) is before


def test_a_command_that_was_told_to_survive_its_terminal_does():
    """Started by nohup, say."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable("It was stopped; start it again."):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def _lose_a_signal(replaced):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    except KeyboardInterrupt:
        if replaced:
            raise OSError(5, "Input/output error") from None


@pytest.mark.parametrize("replaced", [False, True])
def test_a_signal_whose_interrupt_is_lost_stops_the_command_all_the_same(replaced, capsys):
    with pytest.raises(typer.Exit) as end, stoppable("It was stopped."):
        _lose_a_signal(replaced)
    assert end.value.exit_code == 128 + signal.SIGTERM
    assert "It was stopped." in capsys.readouterr().err


CHATTY = """
import sys, time
import typer
from ichmonai.commands.stop import stoppable
try:
    with stoppable("It was stopped."):
        while True:
            print(".", end="", file=sys.stderr, flush=True)
            time.sleep(0.01)
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


def test_a_write_that_finds_the_terminal_closed_before_the_signal_comes_ends_alike():
    """Here no signal ever comes: the terminal is not the controlling one."""
    import pty

    ours, theirs = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    process = subprocess.Popen([sys.executable, "-c", CHATTY], start_new_session=True, **streams)
    os.close(theirs)
    assert os.read(ours, 1) == b"."
    os.close(ours)
    assert process.wait(60) == 128 + signal.SIGHUP
