import numpy as np
import pytest

from ichmonai.evaluation import intervals as module
from ichmonai.evaluation.intervals import estimate, interval, patient_bootstrap, resample
from ichmonai.evaluation.metrics import head_metrics, heads_estimator


def cohort(patients, slices, seed=0):
    """Patients whose slices are all right or all wrong: each patient is worth one observation."""
    generator = np.random.default_rng(seed)
    ich = np.arange(patients) % 2
    location = np.where(ich == 1, generator.integers(3, size=patients), -1)
    right = generator.random(patients) < 0.8
    probabilities = np.full((patients, 5), 0.1)
    probabilities[:, :2] = 0.2
    probabilities[np.arange(patients), np.where(right, ich, 1 - ich)] = 0.8
    probabilities[np.arange(patients), 2 + np.where(right, location.clip(0), (location + 1) % 3)] = 0.8
    labels = np.stack([ich, location], axis=1)
    return *(np.repeat(part, slices, axis=0) for part in (probabilities, labels)), np.repeat(
        np.arange(patients), slices
    )


def test_point_estimates_lie_inside():
    probabilities, labels, patients = cohort(60, 3)
    intervals = patient_bootstrap(probabilities, labels, patients, n=100)
    found = head_metrics(probabilities, labels)
    assert tuple(intervals) == tuple(head_metrics(probabilities, labels))
    for name, (low, high) in intervals.items():
        assert low < found[name] < high


def test_more_slices_of_the_same_patients_make_no_narrower_interval():
    one = patient_bootstrap(*cohort(60, 1), ["ich_accuracy"], n=100)
    ten = patient_bootstrap(*cohort(60, 10), ["ich_accuracy"], n=100)
    assert one["ich_accuracy"] == pytest.approx(ten["ich_accuracy"])
    low, high = one["ich_accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 60), rel=0.3), "the binomial interval of 60"


def test_keys_may_be_strings_in_any_order():
    probabilities, labels, patients = cohort(30, 4)
    order = np.random.default_rng(1).permutation(len(patients))
    names = np.char.add("patient-", np.char.zfill(patients.astype(str), 3))
    shuffled = patient_bootstrap(probabilities[order], labels[order], list(names[order]), n=30)
    for name, expected in patient_bootstrap(probabilities, labels, patients, n=30).items():
        assert shuffled[name] == pytest.approx(expected)


def test_seed():
    data = cohort(30, 2)
    assert patient_bootstrap(*data, n=20, seed=1) == patient_bootstrap(*data, n=20, seed=1)
    assert patient_bootstrap(*data, n=20, seed=1) != patient_bootstrap(*data, n=20, seed=2)


def test_undefined_metrics_are_nan():
    probabilities, labels, patients = cohort(30, 2)
    normal = labels[:, 0] == 0
    intervals = patient_bootstrap(probabilities[normal], labels[normal], patients[normal], n=20)
    assert all(np.isnan(intervals["ich_auc"]))
    assert not any(np.isnan(intervals["ich_accuracy"]))
    empty = patient_bootstrap(probabilities[:0], labels[:0], [], n=5)
    assert np.isnan([*empty.values()]).all()


def test_refuses_other_keys_and_names():
    probabilities, labels, patients = cohort(10, 2)
    with pytest.raises(ValueError, match=r"20 slices, keys \(19,\)"):
        patient_bootstrap(probabilities, labels, patients[1:])
    with pytest.raises(KeyError, match="ich_luck"):
        patient_bootstrap(probabilities, labels, patients, ["ich_luck"], n=1)


@pytest.mark.parametrize("block", [1, 100, 1 << 22], ids=["a draw at a time", "some", "all at once"])
def test_equals_the_loop_over_resamples(monkeypatch, block):
    """Each draw is what `head_metrics` says of the drawn patients' slices, laid end to end."""
    monkeypatch.setattr(module, "_BLOCK", block)
    probabilities, labels, patient = cohort(25, 3)
    generator = np.random.default_rng(3)
    probabilities = generator.dirichlet(np.ones(5), size=len(patient))
    found = resample(heads_estimator(probabilities, labels, patient, 25), 25, 40, seed=7)
    weights = resample(lambda w: {str(p): w[:, p] for p in range(w.shape[1])}, 25, 40, seed=7)
    for draw in range(40):
        rows = np.concatenate([np.tile(np.flatnonzero(patient == p), int(weights[str(p)][draw])) for p in range(25)])
        expected = head_metrics(probabilities[rows], labels[rows])
        assert {name: values[draw] for name, values in found.items()} == pytest.approx(expected, nan_ok=True)


def test_draws_are_of_as_many_patients_as_there_are():
    weights = np.stack([*resample(lambda w: {str(p): w[:, p] for p in range(9)}, 9, 500).values()], axis=1)
    assert (weights.sum(axis=1) == 9).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(9), abs=0.15)
    assert weights.var() == pytest.approx(1 - 1 / 9, rel=0.1)


def test_one_patient_has_values_but_no_interval():
    probabilities, labels, _ = cohort(20, 1)
    one = np.zeros(20, dtype=int)
    found = estimate({"all": heads_estimator(probabilities, labels, one, 1)}, 1)["all"]["ich_accuracy"]
    assert found.value == head_metrics(probabilities, labels)["ich_accuracy"]
    assert np.isnan([found.low, found.high]).all()


def test_interval_is_of_the_draws_that_are_defined():
    draws = np.r_[np.arange(101.0), np.full(100, np.nan)]
    assert interval(draws) == pytest.approx((2.5, 97.5))
    assert np.isnan(interval(np.r_[draws, np.nan, np.nan])).all()
    assert np.isnan(interval(np.zeros(0))).all()
