import pytest

from ichmonai.batch.bundle import BundleSource
from ichmonai.batch.engines import make_engine
from ichmonai.batch.run import BatchOptions, run_batch
from ichmonai.paths import bundle_root
from tests.batch.real_studies import write_real_studies
from tests.batch.test_run import Silent, table

pytestmark = [pytest.mark.data, pytest.mark.slow]


def look(inputs, out):
    """What would be predicted, and what is refused."""
    source = BundleSource(bundle_root(), {})
    engine = make_engine("local", source, workers=2, timeout=300, classifies=False)
    run_batch(inputs, out, source, engine, BatchOptions(dry_run=True), Silent())
    return table(out / "plan.csv"), table(out / "rejected.csv")


def test_whole_studies_pass_every_check(real_data, tmp_path):
    studies = write_real_studies(real_data, tmp_path / "phe", 8)
    plan, rejected = look([tmp_path / "phe"], tmp_path / "out")
    assert rejected == []
    assert {row["study"] for row in plan} == set(studies)
    assert all(8 <= int(row["brain_slices"]) <= int(row["slices"]) for row in plan)


def test_a_tilted_series_of_uneven_spacing_is_taken_with_warnings(real_data, tmp_path):
    plan, rejected = look([real_data / "dicom" / "ge_tilted_head"], tmp_path / "out")
    assert rejected == []
    (row,) = plan
    assert row["slices"] == "28"
    assert set(row["flags"].split(";")) == {"gantry_tilt", "varying_spacing"}
