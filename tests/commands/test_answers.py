import io
from pathlib import Path

import pytest
from rich.console import Console

from ichmonai.commands.answers import show_answers
from ichmonai.io.findings import IN_WORDS, Code
from ichmonai.prediction.run import Summary

POSITIVE = {
    "study": "1.2.3",
    "series": "1.2.3.4",
    "path": "/scans/one",
    "outcome": "positive",
    "p_normal": 0.02,
    "p_ich": 0.98,
    "p_deep": 0.7,
    "p_lobar": 0.2,
    "p_subtentorial": 0.1,
    "location": "deep",
    "slices": 32,
    "brain_slices": 28,
    "leading_slice": 13,
    "flags": "gantry_tilt;varying_spacing",
}
NEGATIVE = POSITIVE | {"path": "/scans/two", "outcome": "negative", "p_ich": 0.031, "location": "", "flags": ""}
REFUSED = {"study": "3", "series": "", "path": "/scans/three", "outcome": "no_prediction", "flags": "localizer"}


def shown(width=200, **parts):
    stream = io.StringIO()
    summary = Summary(seconds={"total": 1.0}, **parts)
    show_answers(Console(file=stream, width=width), summary, Path("out"))
    return stream.getvalue()


def test_one_study_is_a_card_with_its_answer():
    said = shown(series=1, usable=1, positive=1, worklist=[POSITIVE])
    for text in ("/scans/one", "positive", "0.98", "deep (0.70)", "14 of 32", "tilted gantry, slices at different"):
        assert text in said
    assert "1.2.3" not in said  # a UID says nothing to a reader


def test_no_probability_is_said_to_be_certain():
    sure = POSITIVE | {"p_ich": "0.999995", "p_deep": "0.9951"}
    said = shown(worklist=[sure, NEGATIVE | {"p_ich": "0.0004"}])
    assert "> 0.99" in said
    assert "deep (> 0.99)" in said
    assert "< 0.01" in said
    assert "1.00" not in said


def test_several_studies_are_rows_in_the_order_of_the_worklist():
    said = shown(series=2, positive=1, no_prediction=1, negative=1, worklist=[POSITIVE, REFUSED, NEGATIVE])
    order = [said.index(name) for name in ("│ one", "│ three", "│ two")]
    assert order == sorted(order)
    assert "0.03" in said
    assert "localizer" in said


def test_kinds_are_said_where_the_network_says_them():
    kinds = {"p_epidural": 0.7, "p_subdural": 0.9, "p_subarachnoid": 0.1, "kinds": "subdural;epidural"}
    assert "subdural, epidural" in shown(worklist=[POSITIVE | kinds])
    assert "dural" not in shown(worklist=[POSITIVE])
    assert "dural" not in shown(worklist=[NEGATIVE | kinds | {"kinds": ""}])


def test_the_volume_is_said_where_blood_is_marked():
    volume = {"volume_ml": "12.345", "volume_low_ml": "9.96", "volume_high_ml": 15}
    for said in (shown(worklist=[POSITIVE | volume]), shown(worklist=[POSITIVE | volume, NEGATIVE])):
        assert "12.3 mL (10.0 to 15.0)" in said
    assert "mL" not in shown(worklist=[POSITIVE])
    assert "mL" not in shown(worklist=[POSITIVE | dict.fromkeys(volume, "")])
    assert "mL" not in shown(worklist=[NEGATIVE | volume])


def test_what_was_refused_is_said_with_its_sentence_and_what_is_left_out_is_counted():
    refused = [{"study": "x", "series": "", "path": "x", "code": "unreadable", "sentence": "x is [bold]damaged."}]
    said = shown(
        refused=refused, rejected={"unreadable": 3, "not_selected": 4}, no_prediction=9, worklist=[REFUSED] * 2
    )
    assert "Refused (unreadable): x is [bold]damaged." in said
    assert "and 2 more in the table of rejections" in said
    assert "and 7 more in the table of studies" in said
    assert "Tables: out" in said


def test_a_narrow_screen_shows_every_word_and_paths_below_their_common_folder():
    rows = [POSITIVE | {"path": f"/an/archive/of/scans/{name}/volume.nii.gz"} for name in ("first", "second")]
    said = shown(width=80, worklist=rows)
    for text in ("/an/archive/of/scans", "haemorrhage", "positive", "0.98", "deep (0.70)", "14 of 32"):
        assert text in said
    assert said.count("/an/archive") == 1


def test_paths_that_have_nothing_in_common_are_shown_whole():
    assert "C:x" in shown(width=200, worklist=[POSITIVE | {"path": "C:x"}, NEGATIVE])


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_words(code):
    assert 0 < len(IN_WORDS[code]) < 40


def test_a_narrow_screen_shows_whole_words_and_whole_names():
    uid = "1.2.840.113619.2.416." + ".".join(["10634020992529420000"] * 4)
    long = {"path": f"/archive/{uid}/{uid}"}
    (line, *_) = shown(80, worklist=[POSITIVE | long]).splitlines()
    assert line == long["path"]  # of one study, to be copied
    others = {"path": f"/archive/{uid}/other"}
    said = shown(80, series=2, positive=1, negative=1, worklist=[POSITIVE | long, NEGATIVE | others])
    lines = said.splitlines()
    assert lines[0] == f"/archive/{uid}"
    assert max(map(len, lines[1:])) <= 80
    for text in ("haemorrhage", "positive", "0.98", "deep (0.70)", "tilted", "warnings"):
        assert text in said
