import csv
import json
import warnings

import numpy as np
import pytest

from ichmonai import provenance
from ichmonai.classes import RSNA_LABELS
from ichmonai.errors import InputError
from ichmonai.evaluation import Calibration, evaluate, head_metrics, write_evaluation
from ichmonai.evaluation.files import evaluation_record, measures
from ichmonai.evaluation.levels import HIGHEST
from ichmonai.evaluation.report import NOTICE
from ichmonai.provenance import table_digests
from ichmonai.study_rule import RULE

PREDICTED = ("image", "study", "slice", "p_ich", "p_deep", "p_lobar", "p_subtentorial")
TRUTH = ("image", "patient", "ich", "location", "age", "scanner")


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def recorded(evaluation):
    return json.loads(json.dumps(evaluation_record(evaluation), allow_nan=False))


def written(evaluation, folder):
    write_evaluation(evaluation, folder)
    record = json.loads((folder / "metrics.json").read_text(encoding="utf-8"), parse_constant=no_constant)
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return record, list(csv.DictReader(file))


def test_slice_metrics_are_head_metrics(columns, write):
    whole = columns()
    found = evaluate(write("p.csv", whole, PREDICTED), write("t.csv", whole, TRUTH), resamples=50)
    p = np.array([whole[f"p_{name}"] for name in ("ich", "deep", "lobar", "subtentorial")], dtype=float)
    ich = np.array(whole["ich"], dtype=int)
    location = [("deep", "lobar", "subtentorial").index(name) if name else -1 for name in whole["location"]]
    expected = head_metrics(np.vstack([1 - p[:1], p]).T, np.stack([ich, location], axis=1))
    got = {f"{head}_{name}": one for head, h in found.finest.heads.items() for name, one in h.metrics.items()}
    assert {name: one.value for name, one in got.items()} == pytest.approx(expected)
    assert all(one.low <= one.value <= one.high for one in got.values())
    assert found.finest.heads["ich"].confusion.sum() == 360
    assert found.finest.heads["location"].confusion.sum() == ich.sum()
    assert found.finest.heads["ich"].baseline_accuracy == pytest.approx(1 - ich.mean())


def test_levels_and_their_rules(table):
    found = evaluate(table(patients=20), resamples=10)
    assert {level: len(result.cases) for level, result in found.levels.items()} == {
        "slice": 120,
        "series": 20,
        "patient": 20,
    }
    assert found.levels["series"].cases.rule == RULE
    unordered = evaluate(table(patients=20, without=("study", "slice")), resamples=10)
    assert list(unordered.levels) == ["slice", "patient"]
    assert unordered.levels["patient"].cases.rule == HIGHEST
    assert unordered.levels["patient"].heads["ich"].counts == {"without ich": 10, "ich": 10}


def test_truth_of_studies_is_judged_at_studies(columns, write):
    whole = columns(patients=20)
    rows = slice(None, None, 6)
    truth = {"study": whole["study"][rows], "patient": whole["patient"][rows], "ich": [str(i % 2) for i in range(20)]}
    found = evaluate(write("p.csv", whole, PREDICTED), write("t.csv", truth), resamples=10)
    assert list(found.levels) == ["series", "patient"]
    assert found.finest.heads["ich"].n == 20


def test_nothing_is_fitted_without_validation(table):
    found = evaluate(table(patients=20), resamples=10)
    record = recorded(found)
    assert found.calibration is None
    assert record["temperature"] is None
    for level in (record, *record["levels"].values()):
        points = level["heads"]["ich"]["operating_points"]
        assert points["sensitivity and specificity at 90 and 95%"] == "not fitted"
        assert set(points) == {"default", "sensitivity and specificity at 90 and 95%"}
        assert set(level["heads"]["ich"]["calibration"]) == {"before"}
    assert not any(condition in ("after", "specificity_90") for _, _, _, condition, *_ in measures(found))


def test_validation_fits_and_the_test_is_only_judged(columns, table, tmp_path):
    test = table(patients=80, sharpness=3.0, seed=1)
    validation = table(patients=80, sharpness=3.0, seed=2, prefix="v", name="val.csv")
    found = evaluate(test, validation=validation, resamples=50)
    record, _ = written(found, tmp_path)
    stored = Calibration.read(tmp_path / "calibration.json")
    assert stored == found.calibration
    assert (stored.n, stored.patients, stored.study_rule) == (480, 80, RULE)
    assert stored.fitted_on.startswith("val.csv")
    assert set(stored.thresholds) == {"slice", "series", "patient"}
    assert stored.temperature["ich"] > 1.2, "the scores were three times too sharp"
    for head in ("ich", "location"):
        before, after = (record["heads"][head]["calibration"][version]["log_loss"] for version in ("before", "after"))
        assert after["value"] < before["value"]

    # Other test data change nothing of what was fitted, and the stored file gives the same numbers.
    other = evaluate(table(patients=40, sharpness=3.0, seed=5), validation=validation, resamples=10)
    assert other.calibration == found.calibration
    again = evaluate(test, calibration=tmp_path / "calibration.json", resamples=50)
    assert again.levels["series"].heads["ich"].operating_points == found.levels["series"].heads["ich"].operating_points
    written(again, tmp_path / "again")
    assert not (tmp_path / "again" / "calibration.json").exists(), "nothing new was fitted"


def test_one_truth_for_validation_and_test(columns, write):
    test, validation = columns(patients=20), columns(patients=20, prefix="v", seed=1)
    truth = write("t.csv", {k: test[k] + validation[k] for k in TRUTH})
    names = tuple(name for name in PREDICTED if name not in ("study", "slice"))
    found = evaluate(write("p.csv", test, names), truth, validation=write("v.csv", validation, names), resamples=5)
    assert found.intake.truth_without_prediction == 0
    assert found.calibration.n == 120


def test_the_zone_without_a_prediction_is_fitted_on_validation_and_judged_on_the_test(table, tmp_path):
    test, validation = table(patients=200, seed=1), table(patients=200, seed=2, prefix="v")
    found = evaluate(test, validation=validation, resamples=20)
    record, rows = written(found, tmp_path)
    for level, result in found.levels.items():
        head = result.heads["ich"]
        points = found.calibration.thresholds[level]["ich"]
        score, truth = result.calibrated.scores["ich"], result.cases.truth["ich"]
        for name, share in (("zone_90", 0.9), ("zone_95", 0.95)):
            low, high = head.bounds[name]
            assert low <= high
            if low < high:
                assert (low, high) == (points[f"sensitivity_{share:.0%}"[:-1]], points[f"specificity_{share:.0%}"[:-1]])
            one = {metric: estimate.value for metric, estimate in head.zones[name].items()}
            between = (score > low) & (score <= high)
            assert one["no_prediction"] == pytest.approx(between.mean())
            assert one["missed"] == pytest.approx((score[truth == 1] <= low).mean())
            assert one["false_alarms"] == pytest.approx((score[truth == 0] > high).mean())
            decided = truth[~between]
            assert one["ppv"] == pytest.approx(decided[score[~between] > high].mean())
            assert one["npv"] == pytest.approx(1 - decided[score[~between] <= low].mean())
    slices = found.levels["slice"].heads["ich"]
    assert slices.zones["zone_90"]["no_prediction"].value < slices.zones["zone_95"]["no_prediction"].value
    assert record["heads"]["ich"]["zones"]["zone_95"]["negative_up_to"] == slices.bounds["zone_95"][0]
    assert any((row["section"], row["condition"], row["metric"]) == ("zone", "zone_95", "missed") for row in rows)
    assert "Three-way decision" in (tmp_path / "report.html").read_text()
    own = evaluate(validation, calibration=found.calibration, resamples=5)
    for result in own.levels.values():
        for name, error in (("zone_90", 0.1), ("zone_95", 0.05)):
            judged = result.heads["ich"].zones[name]
            assert max(judged["missed"].value, judged["false_alarms"].value) <= error + 1e-9


def test_operating_points_use_the_validation_s_thresholds(table):
    test, validation = table(patients=60, seed=1), table(patients=60, seed=2, prefix="v")
    found = evaluate(test, validation=validation, resamples=10)
    for level, result in found.levels.items():
        head = result.heads["ich"]
        threshold = found.calibration.thresholds[level]["ich"]["specificity_90"]
        score, truth = result.calibrated.scores["ich"], result.cases.truth["ich"]
        assert head.thresholds["specificity_90"] == threshold
        point = head.operating_points["specificity_90"]
        assert point["specificity"].value == pytest.approx((score[truth == 0] <= threshold).mean())
        assert point["sensitivity"].value == pytest.approx((score[truth == 1] > threshold).mean())
    own = evaluate(validation, calibration=found.calibration, resamples=10)
    assert own.finest.heads["ich"].operating_points["specificity_90"]["specificity"].value >= 0.9


def test_calibration_of_calibrated_predictions_is_of_the_logits(columns, write, tmp_path):
    rows = {"test": columns(patients=60, seed=1), "validation": columns(patients=60, seed=2, prefix="v")}
    used = Calibration({"ich": 1.25, "location": 0.8})
    raw = {role: write(f"{role}.csv", one) for role, one in rows.items()}
    expected = evaluate(raw["test"], validation=raw["validation"], resamples=10)

    # The same predictions as `ichmonai predict` writes them with a calibration beside its weights.
    (tmp_path / "predicted").mkdir()
    locations = [f"p_{name}" for name in ("deep", "lobar", "subtentorial")]
    predicted = {}
    for role, one in rows.items():
        places = used.scale("location", np.array([[float(p) for p in one[name]] for name in locations]).T)
        p_ich = used.scale("ich", np.array([float(p) for p in one["p_ich"]]))
        scaled = {"p_ich": p_ich, **{name: places[:, k] for k, name in enumerate(locations)}}
        cells = {**one, **{name: list(map(str, column.tolist())) for name, column in scaled.items()}}
        predicted[role] = write(f"predicted/{role}.csv", cells)
    tables = table_digests(predicted.values())
    (tmp_path / "predicted" / "run.json").write_text(json.dumps({"temperature": used.temperature, "tables": tables}))
    found = evaluate(predicted["test"], validation=predicted["validation"], resamples=10)
    assert found.calibration.temperature == pytest.approx(expected.calibration.temperature, rel=1e-4)
    for level, heads in expected.calibration.thresholds.items():
        assert found.calibration.thresholds[level]["ich"] == pytest.approx(heads["ich"], abs=1e-4)
    np.testing.assert_allclose(
        found.finest.calibrated.scores["ich"], expected.finest.calibrated.scores["ich"], atol=1e-4
    )

    again = evaluate(predicted["test"], calibration=used, resamples=10)
    np.testing.assert_array_equal(again.finest.calibrated.scores["ich"], again.finest.cases.scores["ich"])
    without = evaluate(predicted["test"], calibration=Calibration({}), resamples=10)
    assert without.finest.calibrated.scores["ich"] == pytest.approx(expected.finest.cases.scores["ich"], abs=1e-5)


def test_head_that_cannot_be_fitted_keeps_its_temperature(columns, write, tmp_path):
    one_place = {"p_deep": ["0.8"] * 360, "p_lobar": ["0.1"] * 360, "p_subtentorial": ["0.1"] * 360}
    validation = columns(patients=60, prefix="v") | one_place
    validation["location"] = [one and "deep" for one in validation["location"]]
    test, validation = write("test.csv", columns(patients=20, seed=1)), write("val.csv", validation)
    record = {"temperature": {"ich": 0.5, "location": 2.0}, "tables": table_digests([test, validation])}
    (tmp_path / "run.json").write_text(json.dumps(record))
    found = evaluate(test, validation=validation, resamples=10)
    assert found.calibration.temperature["location"] == 2.0


def test_temperature_of_another_table_is_refused(columns, write, tmp_path):
    path = write("test.csv", columns(patients=20))
    record = {"temperature": {"ich": 0.5}, "tables": table_digests([path])}
    (tmp_path / "run.json").write_text(json.dumps(record))
    evaluate(path, resamples=10)
    for other in (write("other.csv", columns(patients=20)), write("test.csv", columns(patients=20, seed=1))):
        with pytest.raises(InputError, match="is of another table than"):
            evaluate(other, resamples=10)


def test_run_without_readable_temperature_is_refused(columns, write, tmp_path):
    (tmp_path / "run.json").write_text('{"temperature": {"ich": "warm"}}')
    with pytest.raises(InputError, match=r"run.json does not say at which temperature test.csv was predicted"):
        evaluate(write("test.csv", columns(patients=20)), resamples=10)


def test_validation_must_be_of_other_patients(table):
    with pytest.raises(InputError, match=r"20 patients of val.csv are also in rows.csv"):
        evaluate(table(patients=20), validation=table(patients=20, seed=3, name="val.csv"))
    with pytest.raises(InputError, match="not both"):
        evaluate(table(), validation=table(prefix="v"), calibration=Calibration({}))


def test_compared_with_another_model(columns, write):
    whole, worse = columns(sharpness=2.0), columns(sharpness=2.0)
    generator = np.random.default_rng(9)
    worse["p_ich"] = [f"{p:.6f}" for p in 0.5 * np.array(worse["p_ich"], dtype=float) + 0.5 * generator.random(360)]
    reversed_rows = {name: worse[name][:11:-1] for name in PREDICTED}  # two patients short, and in another order
    files = write("p.csv", whole, PREDICTED), write("t.csv", whole, TRUTH)
    found = evaluate(*files, compare=write("o.csv", reversed_rows), resamples=10)
    assert found.comparison_unmatched == 12
    head = found.finest.heads["ich"]
    p = np.array(worse["p_ich"], dtype=float)[12:]
    ich = np.array(whole["ich"], dtype=int)[12:]
    expected = evaluate(write("w.csv", {k: v[12:] for k, v in worse.items()}), resamples=1)
    assert head.comparison.auc[1] == pytest.approx(expected.finest.heads["ich"].metrics["auc"].value)
    assert len(p) == len(ich)
    assert head.comparison.difference > 0
    assert head.comparison.p_value < 0.05
    assert set(found.levels) == {"slice", "series", "patient"}
    assert all(result.heads["ich"].comparison is not None for result in found.levels.values())


def test_comparison_needs_the_same_truth_and_heads(columns, table):
    other = columns()
    other["ich"] = ["1" if i == 0 else cell for i, cell in enumerate(other["ich"])]
    other["location"] = ["deep" if i == 0 else cell for i, cell in enumerate(other["location"])]
    with pytest.raises(InputError, match=r"o.csv and rows.csv differ in ich"):
        evaluate(table(), compare=table(other, name="o.csv"), resamples=1)
    without = ("p_deep", "p_lobar", "p_subtentorial")
    with pytest.raises(InputError, match=r"o.csv has no p_location"):
        evaluate(table(), compare=table(name="o.csv", without=without), resamples=1)


def test_six_labels(table):
    generator = np.random.default_rng(0)
    truth = generator.random((300, 6)) < 0.3
    truth[:, 0] = truth[:, 1:].any(axis=1)
    p = np.where(truth, generator.beta(4, 2, (300, 6)), generator.beta(2, 4, (300, 6)))
    rows = {"study": [f"s{i // 10}" for i in range(300)], "slice": [str(i % 10) for i in range(300)]}
    rows["patient"] = rows["study"]
    for k, label in enumerate(RSNA_LABELS):
        rows |= {label: truth[:, k].astype(int).astype(str).tolist(), f"p_{label}": p[:, k].astype(str).tolist()}
    half = {name: cells[150:] for name, cells in rows.items()}
    found = evaluate(table({name: cells[:150] for name, cells in rows.items()}), validation=table(half), resamples=20)
    record = recorded(found)
    assert tuple(found.finest.heads) == RSNA_LABELS
    assert tuple(found.calibration.temperature) == RSNA_LABELS
    assert {f"{label}_auc" for label in RSNA_LABELS} <= record["metrics"].keys()
    assert "location" not in record["heads"]


def test_one_class_one_patient_and_ties(columns, tmp_path, table):
    whole = columns(patients=3)
    one = {name: cells[:6] for name, cells in whole.items()} | {"p_ich": ["0.5"] * 6}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate(table(one), subgroups=["scanner"], resamples=20)
        record, rows = written(found, tmp_path)
    metrics = found.finest.heads["ich"].metrics
    assert metrics["specificity"].value == metrics["accuracy"].value == 1, "0.5 is not more probable than not"
    assert np.isnan(metrics["auc"].value)
    assert np.isnan(metrics["specificity"].low), "one patient says nothing of others"
    assert record["metrics"]["ich_auc"] == {"value": None, "interval_95": [None, None]}
    assert record["metrics"]["location_accuracy"]["value"] is None
    assert record["heads"]["ich"]["subgroups"]["scanner"][0]["sensitivity"] == "too few"
    assert {row["value"] for row in rows if row["metric"] == "auc"} == {""}


def test_tidy_csv_holds_the_numbers_of_the_json(table, tmp_path):
    found = evaluate(table(), validation=table(prefix="v", seed=1), subgroups=["scanner", "age"], resamples=20)
    record, rows = written(found, tmp_path)
    by_key = {tuple(row[name] for name in ("level", "head", "section", "condition", "metric")): row for row in rows}
    assert len(by_key) == len(rows)
    for level, part in {"slice": record, **record["levels"]}.items():
        for name in ("sensitivity", "auc"):
            row = by_key[level, "ich", "metrics", "", name]
            assert float(row["value"]) == part["metrics"][f"ich_{name}"]["value"]
            assert [float(row["low"]), float(row["high"])] == part["metrics"][f"ich_{name}"]["interval_95"]
    ge = next(g for g in record["heads"]["ich"]["subgroups"]["scanner"] if g["group"] == "GE")
    assert float(by_key["slice", "ich", "subgroup", "scanner=GE", "auc"]["value"]) == ge["auc"]["value"]


def test_record_names_inputs_and_what_was_left_out(columns, write):
    whole = columns(patients=20)
    predictions = write("p.csv", {k: v[6:] for k, v in whole.items()}, PREDICTED)
    found = evaluate(predictions, write("t.csv", {k: v[:-6] for k, v in whole.items()}, TRUTH), resamples=10)
    record = recorded(found)
    assert record["predictions_without_truth"] == record["truth_without_prediction"] == 6
    assert (record["slices"], record["patients"]) == (108, 18)
    assert len(record["inputs"]["truth"]["sha256"]) == 64
    assert record["notice"] == NOTICE == provenance.NOTICE


def test_the_same_seed_gives_the_same_intervals(table):
    one, same, other = (evaluate(table(patients=20), resamples=20, seed=seed).finest.heads["ich"] for seed in (1, 1, 2))
    assert one.metrics == same.metrics
    assert one.metrics["auc"] != other.metrics["auc"]


def test_refuses_what_has_no_truth(columns, table):
    whole = columns(patients=4)
    with pytest.raises(InputError, match=r"No row of rows.csv has a known truth"):
        evaluate(table(whole | {"ich": [""] * 24, "location": [""] * 24}))
