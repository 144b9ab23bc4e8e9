import pickle
import subprocess
import sys

import pytest

from ichmonai.errors import InputError, first_line, printable

SENTENCE = "a.nii is not NIfTI; convert it."


def run(code):
    # The file itself, for `import ichmonai` would import PyTorch.
    import ichmonai.errors as module

    prelude = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("errors", {module.__file__!r})
errors = importlib.util.module_from_spec(spec); spec.loader.exec_module(errors)
InputError = errors.InputError
errors.show_input_errors_plainly()
"""
    return subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "code",
    [
        f"raise InputError({SENTENCE!r})",
        "raise InputError('a.nii is not NIfTI;\\n   convert it.')",
        f"""
try:
    try:
        raise InputError({SENTENCE!r})
    except InputError as error:
        raise RuntimeError("Failed to evaluate ConfigExpression") from error
except RuntimeError as error:
    raise RuntimeError("Failed to instantiate ConfigComponent") from error
""",
        f"""
try:
    raise InputError({SENTENCE!r})
except InputError:
    raise KeyError("wrapped without saying so")
""",
        f"class Reading(InputError): pass\nraise Reading({SENTENCE!r})",
    ],
    ids=["bare", "two lines", "chained", "context", "subclass"],
)
def test_input_error_is_one_line(code):
    result = run(code)
    assert result.returncode == 1
    assert result.stderr == f"ichmonai: {SENTENCE}\n"
    assert not result.stdout


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("raise ValueError('a fault of the program')", "ValueError: a fault of the program"),
        ("raise KeyError('x') from ValueError('y')", "KeyError: 'x'"),
        (
            "try:\n    raise InputError('dealt with')\nexcept InputError:\n    raise KeyError('x') from None",
            "KeyError: 'x'",
        ),
    ],
)
def test_other_errors_are_shown_with_a_traceback(code, name):
    result = run(code)
    assert result.returncode == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith(f"{name}\n")


def test_ctrl_c_is_one_line():
    result = run("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)")
    assert result.returncode in (-2, 130)
    assert result.stderr == "ichmonai: stopped.\n"


def test_input_error_is_a_value_error():
    with pytest.raises(ValueError, match="convert it"):
        raise InputError(SENTENCE)


def test_first_line():
    assert first_line(ValueError("\n  bad header:\nmore")) == "bad header"
    assert first_line(EOFError()) == "EOFError"


def test_what_cannot_stand_in_a_sentence_is_escaped():
    assert printable("plain 脑 text") == "plain 脑 text"
    assert printable("two\nlines \udcff") == r"two\nlines \udcff"


def test_a_sentence_stays_one_whatever_it_quotes():
    error = InputError(f"row 3 has label 'a\0b\n  c{'x' * 5000}'; give 0 or 1.")
    assert str(error).isprintable()
    assert len(str(error)) <= 600
    assert str(error).startswith("row 3 has label 'a\\x00b c")
    assert str(error).endswith("; give 0 or 1.")
    assert str(InputError(str(error))) == str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_no_address_stands_in_a_sentence():
    assert first_line(OSError("cannot identify image file <a.b.Reader object at 0x7fd77a2cc2d0>")) == (
        "cannot identify image file it"
    )


def test_a_sentence_has_no_address_of_an_object():
    """Settings of a config may be objects; what they are called differs from run to run."""
    assert (
        str(InputError(f"operating_point is {object()!r}; choose one."))
        == "operating_point is <object object>; choose one."
    )
