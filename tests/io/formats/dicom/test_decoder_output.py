"""What decoders print is heard, and never shown."""

import os

import pytest

from ichmonai.io.formats.dicom.pixels.decoder_output import listening


def printing(*lines):
    for number, line in enumerate(lines):
        os.write(2, line.encode())
        yield number


def test_quiet_steps_pass():
    assert list(listening(iter(range(3)))) == [0, 1, 2]


def test_damage_that_a_decoder_prints_is_an_error(capfd):
    steps = listening(printing("", "Corrupt JPEG data: premature end of data segment\n"))
    assert next(steps) == 0
    with pytest.raises(ValueError, match="the decoder says: Corrupt JPEG data: premature end"):
        next(steps)
    assert capfd.readouterr() == ("", "")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_other_words_go_to_the_log(capfd, caplog):
    assert list(listening(printing("made by a decoder\n"))) == [0]
    assert "made by a decoder" in caplog.text
    assert capfd.readouterr().err == ""


def test_an_error_of_a_step_stays_what_it_is(capfd):
    def failing():
        os.write(2, b"Corrupt\n")
        raise KeyError("step")
        yield

    with pytest.raises(KeyError):
        list(listening(failing()))
    assert capfd.readouterr().err == ""
