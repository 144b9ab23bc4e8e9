"""The table of decoders."""

import csv
import os
import sys
from pathlib import Path

import pytest
from pydicom.uid import JPEGBaseline8Bit, RLELossless

from ichmonai.datasets.phantom import make_study
from ichmonai.io.formats.dicom.pixels import decode
from scripts.bench import decoders


def test_the_table_has_a_row_a_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "decoders.csv"
    options = ["--frames", "1", "--rounds", "1", "--damages", "10", "--codecs", "jpeg", "rle"]
    monkeypatch.setattr(sys, "argv", ["decoders", "--out", str(out), *options])
    monkeypatch.setattr(decoders, "make_study", lambda seed, kind, size: make_study(seed, kind, 96))
    decoders.main()
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["syntax"] for row in rows if row["chosen"] == "True"][:2] == [JPEGBaseline8Bit, RLELossless]
    for codec, name in (("jpeg", "pillow"), ("rle", decode.available_plugins(RLELossless)[0])):
        (chosen,) = (row for row in rows if row["codec"] == codec and row["chosen"] == "True")
        assert (chosen["decoder"], chosen["ratio"], chosen["same_pixels"]) == (name, "1.00", "True")
        assert sum(int(chosen[outcome]) for outcome in decoders.OUTCOMES) == 10
        assert int(chosen["refused"]) > 0
        (reader,) = (row for row in rows if row["codec"] == codec and row["decoder"] == decoders.READER)
        assert float(reader["ms"]) > float(chosen["ms"])
    assert rows[-1]["decoder"] == "zlib"
    assert all("pydicom=" in row["versions"] and row["machine"] for row in rows)


def end(*_: object) -> None:
    os._exit(3)


def test_a_decoder_that_ends_its_process_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    one, code = decoders.encoded(make_study(0, "deep", 64).hu[..., 14], "rle")
    assert decoders.survived(one, code, "pydicom", 3)["ended_process"] is False
    monkeypatch.setattr(decoders, "damaged", end)
    assert decoders.survived(one, code, "pydicom", 3) == {"ended_process": True}
