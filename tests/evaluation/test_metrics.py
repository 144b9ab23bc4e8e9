import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from ichmonai.evaluation.metrics import confusion_matrices, head_metrics
from ichmonai.networks import softmax_heads

LOCATIONS = ("deep", "lobar", "subtentorial")


@pytest.fixture
def slices():
    """300 slices of all classes with probabilities that know something, but not all."""
    generator = np.random.default_rng(0)
    ich = generator.integers(2, size=300)
    location = np.where(ich == 1, generator.integers(3, size=300), -1)
    logits = generator.normal(size=(300, 5))
    logits[np.arange(300), ich] += 1
    logits[np.arange(300), 2 + location.clip(0)] += 1
    return softmax_heads(logits), np.stack([ich, location], axis=1)


def one_hot(*classes):
    """Probabilities of (ich, location) predictions made with certainty 0.8."""
    probabilities = np.full((len(classes), 5), 0.1)
    for row, (ich, location) in enumerate(classes):
        probabilities[row, :2] = 0.2
        probabilities[row, ich] = 0.8
        probabilities[row, 2 + location] = 0.8
    return probabilities


def test_hand_computed():
    #                        truth:  normal, normal, normal, deep,   deep,   lobar,  subtentorial
    labels = np.array([[0, -1], [0, -1], [0, -1], [1, 0], [1, 0], [1, 1], [1, 2]])
    probabilities = one_hot((0, 0), (0, 1), (1, 2), (1, 0), (1, 1), (0, 1), (1, 2))
    ich, location = confusion_matrices(probabilities, labels)
    assert ich.tolist() == [[2, 1], [1, 3]]
    assert location.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    expected = {
        "ich_accuracy": 5 / 7,
        "ich_ppv": 3 / 4,
        "ich_sensitivity": 3 / 4,
        "ich_f1": 3 / 4,
        "ich_specificity": 2 / 3,
        "ich_balanced_accuracy": (3 / 4 + 2 / 3) / 2,
        "ich_auc": (3 * 2 + 3 * 1 * 0.5 + 1 * 2 * 0.5) / 12,  # pairs in order, and ties by half
        "ich_log_loss": -(5 * np.log(0.8) + 2 * np.log(0.2)) / 7,
        "location_accuracy": 3 / 4,
        "location_balanced_accuracy": (1 / 2 + 1 + 1) / 3,
        "location_sensitivity": (1 / 2 + 1 + 1) / 3,
        "location_ppv": (1 + 1 / 2 + 1) / 3,
        "location_f1": (2 / 3 + 2 / 3 + 1) / 3,
        "location_specificity": (1 + 2 / 3 + 1) / 3,
        "location_deep_sensitivity": 1 / 2,
        "location_lobar_ppv": 1 / 2,
        "location_lobar_specificity": 2 / 3,
        "location_subtentorial_f1": 1,
        "location_log_loss": -(3 * np.log(0.8) + np.log(0.1)) / 4,
    }
    found = head_metrics(probabilities, labels)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_equals_scikit_learn(slices):
    probabilities, labels = slices
    found = head_metrics(probabilities, labels)
    ich, bleeding = labels[:, 0], labels[:, 0] == 1
    location, location_probabilities = labels[bleeding, 1], probabilities[bleeding, 2:]
    predicted, predicted_location = probabilities[:, :2].argmax(1), location_probabilities.argmax(1)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(ich, predicted, average="binary")
    macro = sklearn_metrics.precision_recall_fscore_support(location, predicted_location, average="macro")
    each = sklearn_metrics.precision_recall_fscore_support(location, predicted_location)
    expected = {
        "ich_accuracy": sklearn_metrics.accuracy_score(ich, predicted),
        "ich_balanced_accuracy": sklearn_metrics.balanced_accuracy_score(ich, predicted),
        "ich_ppv": precision,
        "ich_sensitivity": recall,
        "ich_f1": f1,
        "ich_specificity": sklearn_metrics.recall_score(ich, predicted, pos_label=0),
        "ich_auc": sklearn_metrics.roc_auc_score(ich, probabilities[:, 1]),
        "ich_log_loss": sklearn_metrics.log_loss(ich, probabilities[:, :2]),
        "location_accuracy": sklearn_metrics.accuracy_score(location, predicted_location),
        "location_balanced_accuracy": sklearn_metrics.balanced_accuracy_score(location, predicted_location),
        "location_ppv": macro[0],
        "location_sensitivity": macro[1],
        "location_f1": macro[2],
        "location_auc": sklearn_metrics.roc_auc_score(location, location_probabilities, multi_class="ovr"),
        "location_log_loss": sklearn_metrics.log_loss(location, location_probabilities),
        "ich_npv": sklearn_metrics.precision_score(ich, predicted, pos_label=0),
        "ich_average_precision": sklearn_metrics.average_precision_score(ich, probabilities[:, 1]),
        "location_average_precision": sklearn_metrics.average_precision_score(location, location_probabilities),
    }
    for k, name in enumerate(LOCATIONS):
        expected[f"location_{name}_ppv"] = each[0][k]
        expected[f"location_{name}_sensitivity"] = each[1][k]
        expected[f"location_{name}_f1"] = each[2][k]
        expected[f"location_{name}_specificity"] = sklearn_metrics.recall_score(location != k, predicted_location != k)
        expected[f"location_{name}_auc"] = sklearn_metrics.roc_auc_score(location == k, location_probabilities[:, k])
        expected[f"location_{name}_npv"] = sklearn_metrics.precision_score(location != k, predicted_location != k)
        expected[f"location_{name}_average_precision"] = sklearn_metrics.average_precision_score(
            location == k, location_probabilities[:, k]
        )
    for name in ("specificity", "npv"):
        expected[f"location_{name}"] = np.mean([expected[f"location_{place}_{name}"] for place in LOCATIONS])
    assert found == pytest.approx(expected)


def test_normal_slices_do_not_touch_the_location_metrics(slices):
    probabilities, labels = slices
    bleeding = labels[:, 0] == 1
    changed = probabilities.copy()
    changed[~bleeding, 2:] = [1, 0, 0]
    only = head_metrics(probabilities[bleeding], labels[bleeding])
    for name, value in head_metrics(changed, labels).items():
        if name.startswith("location_"):
            assert value == pytest.approx(only[name])


def test_haemorrhage_of_unknown_location_counts_for_the_first_head_only():
    labels = np.array([[0, -1], [1, -1], [1, 2]])
    ich, location = confusion_matrices(one_hot((0, 0), (1, 0), (1, 2)), labels)
    assert ich.sum() == 3
    assert location.sum() == 1


def undefined(found):
    return {name for name, value in found.items() if np.isnan(value)}


@pytest.mark.parametrize("count", [1, 5])
def test_normal_slices_only(count):
    found = head_metrics(one_hot(*[(0, 0)] * count), np.array([[0, -1]] * count))
    assert found["ich_accuracy"] == found["ich_specificity"] == 1
    assert {"ich_sensitivity", "ich_ppv", "ich_f1", "ich_balanced_accuracy", "ich_auc"} <= undefined(found)
    assert {name for name in found if name.startswith("location_")} <= undefined(found)


def test_false_alarms_only():
    found = head_metrics(one_hot((1, 0), (1, 0)), np.array([[0, -1]] * 2))
    assert found["ich_ppv"] == found["ich_f1"] == found["ich_specificity"] == found["ich_accuracy"] == 0
    assert np.isnan(found["ich_sensitivity"])


def test_one_haemorrhage():
    found = head_metrics(one_hot((1, 1)), np.array([[1, 1]]))
    assert found["ich_sensitivity"] == found["ich_ppv"] == found["location_accuracy"] == 1
    assert found["location_lobar_sensitivity"] == found["location_deep_specificity"] == 1
    assert {
        "ich_specificity",
        "ich_auc",
        "location_sensitivity",
        "location_auc",
        "location_lobar_specificity",
    } <= undefined(found)


def test_absent_location_leaves_the_mean_undefined():
    found = head_metrics(one_hot((1, 0), (1, 1), (1, 0)), np.array([[1, 0], [1, 1], [1, 1]]))
    assert found["location_deep_sensitivity"] == 1
    assert found["location_lobar_sensitivity"] == 0.5
    assert np.isnan(found["location_subtentorial_sensitivity"])
    assert np.isnan(found["location_balanced_accuracy"])
    assert found["location_accuracy"] == pytest.approx(2 / 3)


def test_empty():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = head_metrics(np.empty((0, 5)), np.empty((0, 2), dtype=np.int64))
    assert undefined(found) == set(found)
    ich, location = confusion_matrices(np.empty((0, 5)), np.empty((0, 2), dtype=np.int64))
    assert ich.tolist() == [[0, 0]] * 2
    assert location.tolist() == [[0, 0, 0]] * 3


def test_a_certain_mistake_has_a_finite_log_loss():
    found = head_metrics(np.array([[1.0, 0, 1, 0, 0]]), np.array([[1, 1]]))
    assert found["ich_log_loss"] == found["location_log_loss"] == pytest.approx(-np.log(np.finfo(float).eps))


def test_float32_warns_of_nothing(slices):
    probabilities, labels = slices
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = head_metrics(probabilities.astype(np.float32), labels)
    assert found == pytest.approx(head_metrics(probabilities, labels), rel=1e-5)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.float32])
def test_labels_of_other_types(slices, dtype):
    probabilities, labels = slices
    assert head_metrics(probabilities, labels.astype(dtype)) == head_metrics(probabilities, labels)


def test_refuses_nan_and_names_the_rows(slices):
    probabilities, labels = slices
    probabilities[[3, 17], [0, 4]] = np.nan
    with pytest.raises(ValueError, match=r"2 of 300 rows of probabilities are nan \(rows 3, 17\)"):
        head_metrics(probabilities, labels)
    probabilities[:50] = np.nan
    with pytest.raises(ValueError, match=r"rows 0, 1, .*, 9 and more\)"):
        confusion_matrices(probabilities, labels)


def test_refuses_other_shapes_and_labels(slices):
    probabilities, labels = slices
    with pytest.raises(ValueError, match=r"probabilities \(N, 5\) and labels \(N, 2\)"):
        head_metrics(probabilities[:, :4], labels)
    with pytest.raises(ValueError, match=r"labels \(N, 2\)"):
        head_metrics(probabilities, labels[:-1])
    labels[7] = [1, 3]
    with pytest.raises(ValueError, match=r"Row 7 of the labels is \[1, 3\]"):
        head_metrics(probabilities, labels)
