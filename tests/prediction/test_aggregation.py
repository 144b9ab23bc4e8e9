import pytest
import torch
from monai.data import MetaTensor

from ichmonai.prediction import AggregateSlices, AggregateSlicesd, SliceProbabilitiesd, study_probabilities


def slices(ich, location=None):
    ich = torch.tensor(ich)
    location = torch.full((3, len(ich)), 1 / 3) if location is None else torch.tensor(location).T
    return torch.cat([torch.stack([1 - ich, ich]), location])


@pytest.mark.parametrize(
    ("ich", "expected"),
    [
        ([0.1, 0.1, 0.99, 0.1, 0.1], 0.1),  # one noisy slice does not decide
        ([0.1, 0.8, 0.9, 0.1], 0.8),  # two neighbours do, by what both reach
        ([0.9, 0.1, 0.9], 0.1),  # and they must be neighbours
        ([0.9, 0.7], 0.7),
        ([0.6], 0.6),  # there is but one
    ],
)
def test_rule_of_two_neighbours(ich, expected):
    study = study_probabilities(slices(ich))
    assert study.shape == (5,)
    assert study[1].item() == pytest.approx(expected)
    assert study[0].item() == pytest.approx(1 - expected)
    assert study[2:].sum().item() == pytest.approx(1)


def test_slices_that_overlap_are_no_neighbours():
    ich = [0.1, 0.1, 0.9, 0.8, 0.9, 0.1, 0.1]
    assert study_probabilities(slices(ich), apart=2)[1].item() == pytest.approx(0.8)
    assert study_probabilities(slices(ich), apart=3)[1].item() == pytest.approx(0.1)
    assert study_probabilities(slices([0.9, 0.6]), apart=4)[1].item() == pytest.approx(0.6)  # there are no more
    image = MetaTensor(torch.zeros(3, 4, 4, 7), meta={"slices_apart": 3})
    assert AggregateSlicesd("pred")({"pred": slices(ich), "image": image})["pred"][1].item() == pytest.approx(0.1)


def test_location_is_that_of_the_slices_with_haemorrhage():
    study = study_probabilities(slices([0.0, 0.9, 0.3], [[0, 0, 1.0], [1.0, 0, 0], [0, 1.0, 0]]))
    assert study[2:].tolist() == pytest.approx([0.9, 0.1, 0], abs=1e-6)


def test_location_where_no_slice_shows_anything():
    study = study_probabilities(slices([0.0, 0.0], [[1.0, 0, 0], [0, 1.0, 0]]))
    assert study.tolist() == pytest.approx([1, 0, 0.5, 0.5, 0])


def test_nan_is_not_hidden():
    assert study_probabilities(slices([0.1, float("nan"), 0.2])).isnan()[1]


@pytest.mark.parametrize("columns", [5, 6])
@pytest.mark.parametrize("count", [None, 1, 4])
def test_logits_to_probabilities(columns, count):
    logits = torch.randn(columns) if count is None else torch.randn(columns, count)
    found = SliceProbabilitiesd("pred")({"pred": logits, "study": "s"})
    flat = logits.reshape(columns, -1)
    assert found["study"] == "s"
    torch.testing.assert_close(found["pred"], torch.cat([flat[:2].softmax(0), flat[2:5].softmax(0)]))


def test_dictionary_form_keeps_the_slices_and_suits_monai_label():
    image = MetaTensor(torch.zeros(3, 4, 4, 2), meta={"spatial_shape": [4, 4, 2], "filename_or_obj": "a"})
    probabilities = slices([0.2, 0.9])
    found = AggregateSlicesd("pred")({"pred": probabilities, "image": image})
    assert isinstance(found["pred"], MetaTensor)
    torch.testing.assert_close(found["pred"].as_tensor(), AggregateSlices()(probabilities))
    assert torch.equal(found["pred_slices"], probabilities)
    assert "spatial_shape" not in found["image"].meta
    assert AggregateSlicesd("pred")({"pred": probabilities}).keys() == {"pred", "pred_slices"}
