import json

import numpy as np
import pytest
import torch
from scipy.special import expit, logit, softmax
from sklearn.metrics import log_loss

from ichmonai.errors import InputError
from ichmonai.evaluation.calibration import Calibration, fit_temperature, fit_thresholds
from ichmonai.networks import softmax_heads

DTVIT = Calibration({"ich": 2.5, "location": 0.7})


def labelled(n=4000, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(scale=1.5, size=n)
    return (generator.random(n) < expit(x)).astype(int), x


def test_temperature_undoes_overconfidence():
    truth, x = labelled()
    found = fit_temperature("ich", truth, expit(3 * x))
    assert found == pytest.approx(3, rel=0.1)
    losses = [log_loss(truth, expit(3 * x / t)) for t in (0.98 * found, found, 1.02 * found)]
    assert losses[1] == min(losses)


def test_temperature_of_location():
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=1.5, size=(4000, 3))
    truth = np.array([generator.choice(3, p=p) for p in softmax(logits, axis=1)])
    assert fit_temperature("location", truth, softmax(2 * logits, axis=1)) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("truth", "score"),
    [([1, 1, 1], [0.2, 0.7, 0.9]), ([], []), ([0, 0, 1, 1], [0.1, 0.3, 0.6, 0.8])],
    ids=["one class", "nothing", "never confused"],
)
def test_no_temperature_where_likelihood_has_no_maximum(truth, score):
    assert fit_temperature("ich", np.array(truth, dtype=int), np.array(score)) is None


@pytest.mark.parametrize("columns", [5, 6])
def test_apply_to_logits_and_probabilities_agree(columns):
    logits = np.random.default_rng(0).normal(scale=2, size=(20, columns))
    expected = np.concatenate([softmax(logits[:, :2] / 2.5, 1), softmax(logits[:, 2:5] / 0.7, 1)], axis=1)
    np.testing.assert_allclose(DTVIT.apply_logits(logits), expected)
    np.testing.assert_allclose(DTVIT.apply(softmax_heads(logits)), expected, rtol=1e-9)


def test_apply_keeps_kind_shape_and_dtype():
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for found in (DTVIT.apply(softmax_heads(logits)), DTVIT.apply_logits(logits.requires_grad_())):
        assert isinstance(found, torch.Tensor)
        assert found.dtype == torch.float32
        assert not found.requires_grad
        assert found[:, :2].sum(1) == pytest.approx(np.ones(4), abs=1e-6)
        assert found[:, 2:].sum(1) == pytest.approx(np.ones(4), abs=1e-6)
    array = softmax_heads(np.zeros((3, 5), dtype=np.float32))
    assert DTVIT.apply(array).dtype == np.float32


def test_no_temperature_changes_nothing():
    p = softmax_heads(np.random.default_rng(0).normal(size=(6, 5)))
    np.testing.assert_allclose(Calibration({}).apply(p), p)
    only = Calibration({"ich": 2.0}).apply(p)
    np.testing.assert_allclose(only[:, 2:], p[:, 2:])
    np.testing.assert_allclose(only[:, 1], expit(logit(p[:, 1]) / 2))


def test_multi_label():
    p = np.array([[0.9, 0.5, 0.2]])
    found = Calibration({"any": 2.0, "epidural": 3.0, "subdural": 1.0}).apply(p)
    np.testing.assert_allclose(found, [[expit(logit(0.9) / 2), 0.5, 0.2]])


def test_kinds_have_temperatures():
    logits = np.random.default_rng(0).normal(scale=2, size=(20, 10))
    fitted = Calibration({"ich": 2.5, "subdural": 3.0})
    found = fitted.apply_logits(logits)
    np.testing.assert_allclose(found[:, 9], expit(logits[:, 9] / 3))
    np.testing.assert_allclose(found[:, 5:9], expit(logits[:, 5:9]))
    np.testing.assert_allclose(fitted.apply(softmax_heads(logits)), found, rtol=1e-6)
    np.testing.assert_allclose(Calibration({}).apply(softmax_heads(logits)), softmax_heads(logits))


def test_a_decision_of_three():
    points = {"specificity_90": 0.4, "specificity_95": 0.7, "sensitivity_90": 0.5, "sensitivity_95": 0.2}
    kinds = {"subdural": {"specificity_95": 0.3, "specificity_90": 0.25}, "epidural": {}}
    fitted = Calibration({}, {"series": {"ich": points, **kinds}})
    three = fitted.decision("zone_95")
    assert [three.outcome(p) for p in (0.2, 0.21, 0.7, 0.71, float("nan"))] == [
        "negative",
        "no_prediction",
        "no_prediction",
        "positive",
        "no_prediction",
    ]
    assert three.shown({"subdural": 0.31, "epidural": 0.45, "subarachnoid": 0.51}) == ["subdural", "subarachnoid"]
    one = fitted.decision("zone_90")  # 0.4 holds 90% specificity, 0.5 still 90% sensitivity: no zone is needed
    assert (one.threshold, one.negative_up_to) == (0.45, 0.45)
    two = fitted.decision()
    assert (two.threshold, two.negative_up_to, two.kinds) == (0.4, 0.4, {"subdural": 0.25})
    assert fitted.decision("zone_95", 0.9).threshold == 0.9
    assert Calibration({}).decision().outcome(0.5) == "negative"
    with pytest.raises(InputError, match="No threshold was fitted for operating_point zone_95; fit one"):
        Calibration({}, {"series": {"ich": {"specificity_95": 0.5}}}).decision("zone_95")
    with pytest.raises(InputError, match=r"choose from specificity_90.*zone_95"):
        fitted.decision("zone_99")


def test_certainty_stays_finite():
    found = DTVIT.apply(np.array([[0.0, 1.0, 1.0, 0.0, 0.0]]))
    assert np.isfinite(found).all()
    assert 0.99 < found[0, 1] < 1


def test_apply_refuses_other_columns():
    with pytest.raises(ValueError, match=r"probabilities \(N, 5\), not \(2, 6\)"):
        DTVIT.apply(np.zeros((2, 6)))
    with pytest.raises(ValueError, match=r"probabilities \(N, 2\), not \(2, 5\)"):
        Calibration({"any": 1.0, "epidural": 1.0}).apply(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="Logits"):
        DTVIT.apply_logits(np.zeros((2, 4)))


def test_thresholds_by_hand():
    truth = np.array([0] * 10 + [1] * 10)
    score = np.r_[np.arange(10) / 20 + 0.02, np.arange(10) / 20 + 0.3]  # 0.02 to 0.47, and 0.30 to 0.75
    found = fit_thresholds(truth, score)
    assert found["specificity_90"] == pytest.approx((0.42 + 0.45) / 2)  # the tenth negative is at 0.47
    assert found["specificity_95"] == pytest.approx((0.47 + 0.50) / 2)
    assert found["sensitivity_90"] == pytest.approx((0.32 + 0.35) / 2)  # the first positive is at 0.30
    assert found["sensitivity_95"] == pytest.approx((0.27 + 0.30) / 2)


@pytest.mark.parametrize("digits", [6, 1], ids=["no ties", "ties"])
def test_thresholds_hold_what_they_promise_and_no_better_one_does(digits):
    truth, x = labelled(500)
    score = expit(x).round(digits).clip(1e-6, 1 - 1e-6)
    cuts = np.r_[0, np.unique(score)]

    def rates(cut):
        return {"sensitivity": (score[truth == 1] > cut).mean(), "specificity": (score[truth == 0] <= cut).mean()}

    for name, threshold in fit_thresholds(truth, score).items():
        held, percent = name.split("_")
        other = {"sensitivity": "specificity", "specificity": "sensitivity"}[held]
        found = rates(threshold)
        assert found[held] >= int(percent) / 100
        assert found[other] == max(rates(cut)[other] for cut in cuts if rates(cut)[held] >= int(percent) / 100)
        assert 0 < threshold < 1
        assert not np.isin(threshold, score)


def test_no_thresholds_for_one_class():
    assert fit_thresholds(np.array([1, 1]), np.array([0.2, 0.4])) == {}


def test_written_and_read(tmp_path):
    calibration = Calibration(
        {"ich": 1.3}, {"slice": {"ich": {"specificity_90": 0.61}}}, "two neighbours", "val.csv", 100, 9
    )
    calibration.write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json") == calibration
    record = json.loads((tmp_path / "calibration.json").read_text())
    assert record["temperature"] == {"ich": 1.3}
    assert {"thresholds", "study_rule", "fitted_on", "n"} <= record.keys()


def test_numbers_as_text_are_read_as_numbers(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text('{"temperature": {"ich": "2"}, "thresholds": {"series": {"ich": {"specificity_90": "0.3"}}}}')
    found = Calibration.read(path)
    assert found.apply_logits(np.array([[0.0, 2.0, 0, 0, 0]]))[0, 1] == pytest.approx(1 / (1 + np.exp(-1)))
    assert found.study_threshold("specificity_90") == found.study_threshold() == 0.3
    assert Calibration({}).study_threshold() == 0.5
    with pytest.raises(InputError, match="No threshold was fitted for operating_point sensitivity_90; fit one"):
        Calibration({}).study_threshold("sensitivity_90")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "cannot be read as a calibration"),
        ("{}", "cannot be read as a calibration"),
        ("[1]", "cannot be read as a calibration"),
        ('{"temperature": {"ich": "warm"}}', "cannot be read as a calibration"),
        (f'{{"temperature": {{"ich": 1{"0" * 400}}}}}', "cannot be read as a calibration"),
        ('{"temperature": {}, "fitted_on": NaN}', "cannot be read as a calibration"),
        ('{"temperature": {"ich": 0}}', "not positive"),
        ('{"temperature": {"ich": 1}, "thresholds": {"slice": {"ich": {"specificity_90": 1.5}}}}', "outside 0 to 1"),
    ],
)
def test_reading_refuses(tmp_path, content, message):
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Calibration.read(tmp_path / "calibration.json")
    with pytest.raises(InputError, match=r"absent.json cannot be read"):
        Calibration.read(tmp_path / "absent.json")
