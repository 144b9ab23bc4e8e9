"""Pages of a report: what they show, what they must not, and that they are of the answers that the tables have."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ichmonai.prediction.pictures import Pictures
from ichmonai.prediction.report import templates
from ichmonai.prediction.report.curve import curve
from ichmonai.prediction.report.drawing import CELL, draw
from ichmonai.prediction.report.pages import Page
from ichmonai.prediction.report.templates import read_templates
from tests.io.dicom_factory import uid_of, write_slice
from tests.prediction.in_process import run

FORMATS = ("csv", "html")
PATIENT = {"PatientID": "<script>alert(1)</script>", "AccessionNumber": "=1+1", "StudyDate": "20200102"}


@pytest.fixture
def scans(volume):
    for name in ("b", "a"):
        folder = volume(name).parent
    headless = volume("headless")
    headless.write_bytes(headless.read_bytes()[:100])
    return folder


def studies(out):
    with (out / "studies.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(out):
    return {path.name: path.read_bytes() for path in (*(out / "report").iterdir(), out / "report.html")}


def test_a_page_for_each_answer_in_the_order_of_the_worklist(small_bundle, scans, tmp_path):
    out = tmp_path / "out"
    summary = run(small_bundle, [scans], out, formats=FORMATS)
    assert "report.html" in summary.files
    index = (out / "report.html").read_text()
    pages = re.findall(r'<td><a href="(report/[0-9a-f]{16}\.html)">(\d)</a>', index)
    assert [number for _, number in pages] == ["1", "2"]
    for (page, _), row in zip(pages, studies(out), strict=True):
        text = (out / page).read_text()
        assert f"{int(row['leading_slice']) + 1} of {row['slices']}" in text
        assert row["outcome"] in text
        assert text.count("<circle") == int(row["brain_slices"])
        for picture in re.findall(r'(?:src|href)="([0-9a-f]{16}-\w+\.jpg)"', text):
            assert Image.open(out / "report" / picture).size > (0, 0)
    assert "cannot be read" in index  # of the file that gets no answer
    assert "cannot be read" not in "".join(path for path, _ in pages)


def test_pages_say_nothing_of_whose_they_are_and_load_nothing(small_bundle, scans, tmp_path):
    out = tmp_path / "out"
    run(small_bundle, [scans], out, formats=FORMATS)
    for name, content in files(out).items():
        if name.endswith(".html"):
            text = content.decode()
            assert str(tmp_path) not in text
            assert "a.nii" not in text
            assert "http" not in text.replace("http-equiv", "")
            assert "<script" not in text


def test_whose_they_are_for_who_asks_and_escaped(small_bundle, tmp_path):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    hu = np.random.default_rng(0).normal(30, 20, (96, 96)).round()
    for i in range(12):
        place, options = (-10, -12, 9.0 * i), {"StudyInstanceUID": uid_of("study"), **PATIENT}
        write_slice(scans / f"{i}.dcm", place, shape=hu.shape, spacing=(2, 2), hu=hu, **options)
    run(small_bundle, [scans], out, formats=FORMATS, identify=True, all_series=True)
    (row,) = studies(out)
    assert (row["patient_id"], row["study_date"]) == (PATIENT["PatientID"], "20200102")
    assert row["accession_number"] == "'=1+1"  # no formula
    page = next((out / "report").glob("*.html")).read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert str(scans) in page
    assert b"alert" not in (out / "journal.sqlite").read_bytes()


def test_a_stopped_run_and_another_content_leave_the_pages_of_what_the_tables_have(small_bundle, scans, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(small_bundle, [scans], whole, formats=FORMATS)
    run(small_bundle, [scans], out, formats=FORMATS)
    run(small_bundle, [scans], out, formats=FORMATS)
    assert files(out) == files(whole)
    (scans / "a.nii.gz").unlink()
    shutil.copy(scans / "b.nii.gz", scans / "a.nii.gz")
    run(small_bundle, [scans], out, formats=FORMATS)
    assert len(list((out / "report").glob("*.html"))) == 2
    assert not files(out).keys() >= files(whole).keys() - {"report.html"}
    assert len(list((out / "report").glob("*.jpg"))) == 8


def test_a_draft_in_words_is_escaped_in_pages_and_no_formula_in_tables(small_bundle, scans, tmp_path):
    own, out = tmp_path / "own.toml", tmp_path / "out"
    shipped = (Path(templates.__file__).parent / "en.toml").read_text()
    own.write_text(
        shipped.replace('"No intracranial', '"=1+1 <script>no').replace('"Suspected', '"=1+1 <script>yes')
        + '\n[codes]\nthin_slices = "<b>thin</b>"\n'
    )
    run(small_bundle, [scans], out, formats=(*FORMATS, "jsonl"), templates=read_templates(str(own)))
    rows = studies(out)
    assert all(row["impression"].startswith("'=1+1 <script>") for row in rows if row["p_ich"])
    assert [json.loads(line)["impression"] for line in (out / "studies.jsonl").read_text().splitlines()] == [
        row["impression"].removeprefix("'") for row in rows
    ]
    for page in (out / "report").glob("*.html"):
        text = page.read_text()
        assert "<script" not in text
        assert "=1+1 &lt;script&gt;" in text
        (traced,) = set(re.findall(r'data-from="(p_ich = [^"]*; outcome = [^"]*)"', text))
        assert traced.startswith(tuple(f"p_ich = {row['p_ich']};" for row in rows if row["p_ich"]))
        assert text.count(f"<td>{traced}</td>") == 1
    said = json.loads((out / "run.json").read_text())["report"]
    assert said == {"language": "en", "templates_sha256": read_templates(str(own)).sha256}
    run(small_bundle, [scans], out, formats=FORMATS, templates=read_templates("de"))  # answers of before, other words
    assert 'lang="de"' in next((out / "report").glob("*.html")).read_text()
    assert all("Entwurf" in row["impression"] for row in studies(out))


def test_many_series_have_pages_only_where_they_are_asked_for(small_bundle, scans, tmp_path):
    summary = run(small_bundle, [scans], tmp_path / "many", formats=FORMATS, reported=1)
    assert "report.html" not in summary.files
    assert not (tmp_path / "many" / "report").exists()
    run(small_bundle, [scans], tmp_path / "many", formats=FORMATS)  # answers without pictures
    page = next((tmp_path / "many" / "report").glob("*.html")).read_text()
    assert "No pictures" in page
    assert "<img" not in page


def test_kinds_are_shown_where_a_network_says_them():
    row = {"outcome": "positive", "location": "deep", "p_subdural": "0.7", "p_epidural": 0.9, "p_subarachnoid": ""}
    assert list(Page(1, "0", row, False).kinds.items()) == [("epidural", "0.90"), ("subdural", "0.70")]
    assert Page(1, "0", row | {"location": ""}, False).kinds == {}


def test_the_outline_of_the_blood_is_beside_the_plain_slice(marking_bundle, tmp_path):
    hu = np.full((64, 64, 12), 30, np.float32)
    hu[20:40, 20:36, 4:8] = 62
    hu[:5] = hu[-5:] = -1000
    nib.save(nib.Nifti1Image(hu, np.diag([2.0, 2, 9, 1])), tmp_path / "head.nii.gz")
    out = tmp_path / "out"
    run(marking_bundle, [tmp_path / "head.nii.gz"], out, formats=FORMATS)
    (row,) = studies(out)
    (page,) = (out / "report").glob("*.html")
    text = page.read_text()
    said = f"{float(row['volume_ml']):.1f} mL"
    assert said in text
    assert said in (out / "report.html").read_text()
    (name,) = re.findall(r'src="(\w+-marked\.jpg)"', text)
    plain, marked = (
        np.asarray(Image.open(page.with_name(f"{page.stem}-{one}"))) for one in ("slice.jpg", "marked.jpg")
    )
    assert name == f"{page.stem}-marked.jpg"
    coloured = np.ptp(marked.astype(int), axis=2) > 60
    assert marked.shape[:2] == plain.shape
    grey = np.abs(marked.astype(int).mean(2) - plain) < 12
    assert grey[~ndimage.binary_dilation(coloured, iterations=6)].mean() > 0.99
    bright = plain > 150
    inside = ndimage.binary_erosion(bright, iterations=8)
    around = ndimage.binary_dilation(bright, iterations=8) & ~inside
    assert coloured[around].sum() == coloured.sum() > 500


def test_a_negative_study_has_neither_volume_nor_kinds():
    row = {"volume_ml": "2.0", "volume_low_ml": "1.0", "volume_high_ml": "3.0", "volume_subdural_ml": "2.0"}
    assert Page(1, "0", row | {"location": "lobar"}, False).volume == "2.0 mL (1.0 to 3.0)"
    assert Page(1, "0", row | {"location": "lobar"}, False).volumes == {"subdural": 2.0}
    assert (Page(1, "0", row | {"location": ""}, False).volume, Page(1, "0", row, False).volumes) == ("", {})


def test_pictures_have_square_pixels():
    slices = np.zeros((3, 100, 200), np.uint8)
    slices[1] = 255
    drawn = draw(Pictures(slices, np.zeros((32, 32), np.uint8), (1.0, 0.5)), {"leading_slice": "1"})
    sizes = {name: Image.open(io.BytesIO(content)).size for name, content in drawn.items()}
    assert sizes == {
        "slice.jpg": (768, 768),
        "small.jpg": (128, 128),
        "seen.jpg": (32, 32),
        "strip.jpg": (3 * CELL, CELL),
    }
    strip = np.asarray(Image.open(io.BytesIO(drawn["strip.jpg"])))
    assert [round(float(strip[:, i * CELL + 8 : (i + 1) * CELL - 8].mean())) for i in range(3)] == [0, 255, 0]


def test_no_page_says_that_a_probability_is_certain():
    row = {"outcome": "positive", "p_ich": "0.999995", "location": "deep", "p_deep": "0.9951", "p_lobar": "0.0004"}
    page = Page(1, "0", row, False)
    assert (page.probability, page.locations["deep"], page.locations["lobar"]) == ("> 0.99", "> 0.99", "< 0.01")
    assert "slice 1: &gt; 0.99<" in curve([{"slice": 0, "p_ich": "0.999995"}], leading=0)


def test_the_curve_is_broken_where_a_slice_was_left_out():
    rows = [{"slice": i, "p_ich": p} for i, p in enumerate(["0.1", "0.9", "", "0.5"])]
    drawn = curve(rows, leading=1, threshold=0.25)
    assert drawn.count('class="threshold"') == 1
    assert drawn.count("<polyline") == 2
    assert drawn.count('class="mark"') == 1
    assert "slice 2: 0.90" in drawn
