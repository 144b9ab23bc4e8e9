import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from ichmonai.evaluation import evaluate, write_evaluation
from ichmonai.evaluation.gallery import worst_failures
from ichmonai.evaluation.intervals import Estimate
from ichmonai.evaluation.report import format_estimate, format_p, render_report


class Page(HTMLParser):
    """What a page loads and says."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def evaluation(columns, write, tmp_path):
    """Of slices of which some images exist."""
    whole, other = columns(patients=40, sharpness=1.5), columns(patients=40, sharpness=0.5)
    for i, name in enumerate(whole["image"]):
        if i % 2:
            Image.new("L", (64, 48), color=i % 200).save(tmp_path / name)
    validation = write("val.csv", columns(patients=40, seed=4, prefix="v"))
    names = tuple(name for name in whole if name not in ("study", "slice"))
    files = write("p.csv", whole, names), write("o.csv", other, names)
    return evaluate(
        files[0], validation=validation, compare=files[1], subgroups=["scanner", "age"], resamples=20, split="test"
    )


def test_works_offline_and_says_what_it_is(evaluation):
    html = render_report(evaluation)
    page = Page(html)
    assert page.sources
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", source) for source in page.sources)
    assert "http" not in re.sub(r"data:[^\"]*", "", html)
    assert page.text.count("Research software; not for clinical use.") == 2
    for words in ("Slices", "Patients", "scanner", "too few", "DeLong", "90% specificity on validation", "optimistic"):
        assert words in page.text
    assert "undefined" not in page.text.split("Slices")[0]


def test_figures_are_svg(evaluation):
    for source in Page(render_report(evaluation)).sources:
        content = base64.b64decode(source.split(",")[1])
        assert content.startswith(b"\x89PNG") or b"<svg" in content[:1000]


def test_numbers_are_those_of_the_evaluation(evaluation):
    text = Page(render_report(evaluation)).text
    for result in evaluation.levels.values():
        for head in result.heads.values():
            for name in ("sensitivity", "auc", "log_loss"):
                assert format_estimate(head.metrics[name]) in text
        assert format_estimate(result.heads["ich"].calibration["after"]["ece"]) in text


def test_no_patient_is_named(columns, table):
    whole = columns(patients=20)
    whole["patient"] = [f"Doe^{p}" for p in whole["patient"]]
    html = render_report(evaluate(table(whole), resamples=5))
    assert "Doe" not in html


def test_cells_are_escaped(columns, table):
    whole = columns(patients=20)
    whole["image"] = [f"<script>alert({i})</script>" for i in range(120)]
    assert "<script>" not in render_report(evaluate(table(whole), resamples=5))


def test_gallery_shows_the_worst_of_each_patient(evaluation):
    found = worst_failures(evaluation, 3)
    cases = evaluation.finest.cases
    truth, score = cases.truth["ich"], cases.scores["ich"]
    assert found["false positives"][0].probability == score[truth == 0].max()
    assert found["false negatives"][0].probability == score[truth == 1].min()
    for kind in found:
        assert len(found[kind]) == 3
        rows = [np.flatnonzero(cases.names == one.name)[0] for one in found[kind]]
        assert len({cases.patients[row] for row in rows}) == 3
        for row, one in zip(rows, found[kind], strict=True):
            wrong = (truth == 0) & (score > 0.5) if kind == "false positives" else (truth == 1) & (score <= 0.5)
            assert one.others + 1 == (wrong & (cases.patients == cases.patients[row])).sum()


def test_gallery_embeds_the_images_that_can_be_read(evaluation):
    failures = [one for kind in worst_failures(evaluation, 40).values() for one in kind]
    shown = [one for one in failures if one.picture]
    assert 0 < len(shown) < len(failures)
    for one in shown:
        image = Image.open(io.BytesIO(base64.b64decode(one.picture.split(",")[1])))
        assert image.size == (64, 48)
        position = evaluation.finest.cases.names.tolist().index(one.name)
        assert image.getpixel((0, 0)) == position % 200


def test_a_dicom_image_is_shown_in_the_brain_window(columns, write, tmp_path):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = np.full((8, 8), 1024 + 40, dtype=np.int16).tobytes()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    rows = {"image": ["a.dcm", "b.dcm"], "patient": ["1", "2"], "ich": ["0", "1"], "p_ich": ["0.9", "0.8"]}
    found = worst_failures(evaluate(write("p.csv", rows), resamples=1), 3)
    picture = found["false positives"][0].picture
    assert Image.open(io.BytesIO(base64.b64decode(picture.split(",")[1]))).getpixel((4, 4)) == 128
    assert found["false negatives"] == []


def test_without_a_gallery(evaluation, tmp_path):
    write_evaluation(evaluation, tmp_path / "out", gallery=0)
    assert "data:image/png" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_estimates_in_words():
    nan = float("nan")
    assert format_estimate(Estimate(0.91234, 0.8, 1.0)) == "0.912 (0.800 to 1.000)"
    assert format_estimate(Estimate(0.5, nan, nan)) == "0.500 (no interval)"
    assert format_estimate(Estimate(nan, nan, nan)) == "undefined"
    assert format_estimate(None) == "too few"
    assert [format_p(p) for p in (0.0004, 0.0312, nan)] == ["p < 0.001", "p = 0.031", "p undefined"]
