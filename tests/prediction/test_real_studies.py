import pytest

from ichmonai.prediction.engines import make_engine
from ichmonai.prediction.run import BatchOptions, run_batch
from tests.prediction.real_studies import write_real_studies
from tests.prediction.test_run import TABLES, Silent, table

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def results(real_data, whole_bundle, tmp_path_factory):
    """Three whole studies as DICOM, one more as NIfTI, and a tilted GE series; the tables and the studies' names."""
    folder = tmp_path_factory.mktemp("real")
    studies = write_real_studies(real_data, folder / "phe", 3)
    nifti = write_real_studies(real_data, folder / "nifti", 1, nifti=True)
    engine = make_engine("local", workers=2, timeout=300, classifies=True)
    inputs = [folder / "phe", folder / "nifti", real_data / "dicom" / "ge_tilted_head"]
    run_batch(inputs, folder / "out", whole_bundle, engine, BatchOptions(), Silent())
    return {name: table(folder / "out" / name) for name in TABLES}, studies, nifti


def test_whole_studies_are_answered(results):
    tables, studies, nifti = results
    assert tables["rejected.csv"] == []
    rows = {row["study"]: row for row in tables["studies.csv"]}
    assert {*studies, *nifti} < set(rows)
    assert all(row["outcome"] in ("positive", "negative") for row in rows.values())
    assert all(8 <= int(row["brain_slices"]) <= int(row["slices"]) for row in rows.values())


def test_the_format_does_not_matter(results):
    tables, studies, nifti = results
    rows = {row["study"]: row for row in tables["studies.csv"]}
    names = ("sha256", "p_ich", "slices", "brain_slices", "leading_slice")
    assert [rows[studies[0]][name] for name in names] == [rows[nifti[0]][name] for name in names]


def test_a_tilted_series_of_uneven_spacing_is_taken_with_warnings(results):
    tables, studies, nifti = results
    (row,) = [row for row in tables["studies.csv"] if row["study"] not in {*studies, *nifti}]
    assert row["slices"] == "28"
    assert set(row["flags"].split(";")) == {"gantry_tilt", "varying_spacing"}
