"""The report in words on a study's page is that of `ichmonai predict`."""

import csv
import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ichmonai.io.findings import Code
from ichmonai.prediction.bundle import BundleSource
from ichmonai.prediction.report import templates
from ichmonai.prediction.report.templates import read_templates
from tests.serve.conftest import Server

Scan = Callable[[str], Path]
Make = Callable[..., Server]


def page_and_row(server: Server) -> tuple[str, dict[str, str]]:
    """The page of the only study, and its row of the table that the upload's run wrote."""
    (study,) = server.client.get("/api/worklist").json()["studies"]
    table = server.client.get(f"/api/studies/{study['id']}/studies.csv").text
    (row,) = csv.DictReader(table.splitlines())
    return server.client.get(f"/studies/{study['id']}").text, row


def words(page: str) -> list[tuple[str, str]]:
    """Sentences with what they were made of, as a browser reads them."""
    said = re.findall(r'<span data-from="([^"]*)" title="\1">([^<]*)</span>', page)
    return [(html.unescape(text), html.unescape(source)) for source, text in said]


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_page_says_what_the_table_says(make_server: Make, scan: Scan, language: str) -> None:
    server = make_server(templates=read_templates(language))
    server.upload(scan("one"))
    page, row = page_and_row(server)
    said = words(page)
    assert " ".join(text for text, _ in said) == f"{row['findings']} {row['impression']}"
    assert f'<section class="words" lang="{language}">' in page
    assert any(f"p_ich = {row['p_ich']}" in source for _, source in said)


def test_between_two_thresholds_the_page_says_so(make_server: Make, small_bundle: BundleSource, scan: Scan) -> None:
    zone = {"_target_": "ichmonai.study_rule.StudyDecision", "threshold": 0.999, "negative_up_to": 0.001}
    server = make_server(replace(small_bundle, settings={**small_bundle.settings, "decision": zone}))
    server.upload(scan("one"))
    page, row = page_and_row(server)
    assert row["flags"].split(";")[-1] == Code.UNCERTAIN.value
    uncertain = next(source for text, source in words(page) if text.startswith("Too uncertain"))
    assert "negative_up_to = 0.001; threshold = 0.999" in uncertain
    assert "positive above 1.00, negative up to 0.00." in page


def test_own_words_are_text_and_no_markup(make_server: Make, scan: Scan, tmp_path: Path) -> None:
    own = (Path(templates.__file__).parent / "en.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(own.replace("Slices read", "<b>Slices</b> & more"), encoding="utf-8")
    server = make_server(templates=read_templates(str(tmp_path / "own.toml")))
    server.upload(scan("one"))
    page, _ = page_and_row(server)
    assert words(page)[0][0].startswith("<b>Slices</b> & more")
    assert "<b>Slices" not in page


def test_a_study_of_which_all_was_refused_has_words(server: Server, tmp_path: Path) -> None:
    coarse = nib.Nifti1Image(np.zeros((24, 24, 12), np.float32), np.diag([9.0, 9.0, 9.0, 1.0]))
    nib.save(coarse, tmp_path / "coarse.nii.gz")
    server.upload(tmp_path / "coarse.nii.gz")
    page, row = page_and_row(server)
    assert words(page)[0][0].startswith("No statement, since the images were not looked at")
    assert " ".join(text for text, _ in words(page)) == row["impression"]


def test_an_answer_of_an_earlier_version_has_a_page(server: Server, scan: Scan) -> None:
    server.upload(scan("one"))
    with server.store.writing() as db:
        db.execute("UPDATE studies SET facts = '{}'")
    page, _ = page_and_row(server)
    assert not words(page)
