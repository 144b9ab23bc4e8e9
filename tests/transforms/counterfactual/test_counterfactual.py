"""The transforms that change a slice together with its label, and the proposal that they rest on."""

import csv
import pickle

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from ichmonai import transforms as T
from ichmonai.classes import KINDS, RSNA_LABELS
from ichmonai.io import load_head_ct
from ichmonai.transforms.anatomy.intracranial import intracranial_mask

NORMAL, DEEP, LOBAR = (np.array(label) for label in ([0, -1], [1, 0], [1, 1]))
BLOOD = (92, 80, 12.0)  # row, column, radius


def draw_slice(head, blood=None, fluid=False, seed=0, clipped=False) -> np.ndarray:
    """A head with noise, (1, 256, 256): perhaps a round bleeding of 66 HU, perhaps two ventricles of 8 HU."""
    hu = head(256, 256, 1.2)[0]
    rows, columns = np.ogrid[:256, :256]
    if fluid:
        for column in (112, 144):
            hu[((rows - 110) / 26) ** 2 + ((columns - column) / 8) ** 2 <= 1] = 8
    if blood:
        row, column, radius = blood
        hu[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 66
    hu += np.random.default_rng(seed).normal(0, 4, hu.shape).astype(np.float32)
    return (hu.clip(0, 80) if clipped else hu)[None]


def donors(head) -> list[T.Bleeding]:
    items = [{"image": draw_slice(head, BLOOD, seed=seed), "label": DEEP, "patient": seed} for seed in (1, 2)]
    return T.bleeding_bank([*items, {"image": draw_slice(head), "label": NORMAL, "patient": 3}], load=dict)


def all_three(head) -> list[tuple[T.RandEraseBleeding, np.ndarray, np.ndarray]]:
    """Each transform with a slice that it changes, and its label."""
    return [
        (T.RandEraseBleeding(prob=1), draw_slice(head, BLOOD), DEEP),
        (T.RandTransplantBleeding(donors(head), prob=1), draw_slice(head), NORMAL),
        (T.RandDrawBleeding(prob=1), draw_slice(head, fluid=True), NORMAL),
    ]


def disc(row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[:256, :256]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("radius", [6.0, 12.0, 30.0])
def test_proposal_finds_blood(head, clipped, radius):
    truth = disc(110, 85, radius)
    mask = T.propose_bleeding(draw_slice(head, (110, 85, radius), clipped=clipped)[0])
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.8


@pytest.mark.parametrize("clipped", [False, True])
def test_nothing_is_proposed_without_blood(head, clipped):
    assert not T.propose_bleeding(draw_slice(head, fluid=True, clipped=clipped)[0]).any()


def test_no_proposal_of_chalk_or_beside_bone(head):
    chalk = draw_slice(head)
    chalk[0][disc(110, 85, 8)] = 300
    assert not T.propose_bleeding(chalk[0]).any()
    beside_bone = draw_slice(head)
    inside = intracranial_mask(beside_bone[0])
    beside_bone[0][inside & (ndimage.distance_transform_edt(inside) < 4)] += 14
    assert not T.propose_bleeding(beside_bone[0]).any()


def test_proposal_keeps_the_kind_of_array_and_refuses_volumes(head):
    hu = draw_slice(head, BLOOD)[0]
    tensor = T.propose_bleeding(torch.from_numpy(hu))
    np.testing.assert_array_equal(tensor.numpy(), T.propose_bleeding(hu))
    np.testing.assert_array_equal(T.propose_bleeding(hu, inside=intracranial_mask(hu)), tensor.numpy())
    with pytest.raises(ValueError, match="slice"):
        T.propose_bleeding(hu[None])


@pytest.mark.parametrize("clipped", [False, True])
def test_erased_blood_leaves_no_trace(head, clipped):
    image = draw_slice(head, BLOOD, clipped=clipped)
    erased, label = T.RandEraseBleeding(prob=1).set_random_state(0)(image, DEEP)
    assert label.tolist() == [0, -1]
    hole, other = (erased[0].numpy()[disc(BLOOD[0], column, 14)] for column in (BLOOD[1], 255 - BLOOD[1]))
    assert abs(hole.mean() - other.mean()) < 1
    assert hole.std() == pytest.approx(other.std(), rel=0.15)
    far = ~disc(*BLOOD[:2], 26)
    np.testing.assert_allclose(erased[0].numpy()[far], image[0][far], atol=0.01)


def test_erased_side_is_no_copy_of_the_other(head):
    erased, _ = T.RandEraseBleeding(prob=1).set_random_state(0)(draw_slice(head, BLOOD), DEEP)
    hole = disc(*BLOOD[:2], 10)
    difference = (erased[0].numpy() - erased[0].numpy()[:, ::-1])[hole]
    assert difference.std() == pytest.approx(4 * np.sqrt(2), rel=0.2)


def test_what_cannot_be_told_is_not_erased(head):
    for image, label in ((draw_slice(head), DEEP), (draw_slice(head, BLOOD), NORMAL)):
        result, after = T.RandEraseBleeding(prob=1)(image, label)
        np.testing.assert_array_equal(result.numpy(), image)
        np.testing.assert_array_equal(after, label)


def test_transplanted_blood_lies_where_it_lay_or_mirrored(head):
    transplant = T.RandTransplantBleeding(donors(head), prob=1).set_random_state(0)
    image = draw_slice(head, seed=9)
    inside = intracranial_mask(image[0])
    columns = []
    for _ in range(12):
        result, label = transplant(image, NORMAL)
        assert label.tolist() == DEEP.tolist()
        change = ndimage.gaussian_filter(result[0].numpy() - image[0], 1)
        assert change.max() == pytest.approx(31, abs=6)
        np.testing.assert_array_equal(result[0].numpy()[~inside], image[0][~inside])
        row, column = ndimage.center_of_mass(change > 15)
        assert abs(row - BLOOD[0]) < 20
        columns.append(column)
    left = np.array(columns) < 128
    assert 0 < left.sum() < 12
    assert np.all(abs(np.where(left, columns, 255 - np.array(columns)) - BLOOD[1]) < 20)


def test_bank_takes_few_of_a_patient_and_no_normal_slice(head):
    images = [draw_slice(head, BLOOD, seed=seed) for seed in range(5)]
    items = [{"image": image, "label": LOBAR, "patient": "a"} for image in images]
    assert len(T.bleeding_bank(items, load=dict, per_patient=2)) == 2
    (one,) = T.bleeding_bank(items[:1], load=dict)
    assert (one.location, one.kinds) == (1, ("intraparenchymal",))
    with pytest.raises(ValueError, match="donors"):
        T.RandTransplantBleeding([])


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_where_they_belong(head, kind):
    image = draw_slice(head, fluid=True, seed=4)
    inside = intracranial_mask(image[0])
    if kind == "subarachnoid":  # needs fluid beside the skull
        image[0][inside & (ndimage.distance_transform_edt(inside) < 6)] -= 27
    depth = ndimage.distance_transform_edt(inside)
    draw = T.RandDrawBleeding([kind], prob=1).set_random_state(1)
    shown = 0
    for _ in range(6):
        result, label = draw(image, np.zeros(6, np.float32))
        if not label.any():
            np.testing.assert_array_equal(result.numpy(), image)
            continue
        shown += 1
        assert label.tolist() == [float(name in ("any", kind)) for name in RSNA_LABELS]
        change = abs(ndimage.gaussian_filter(result[0].numpy() - image[0], 1)) > 5
        np.testing.assert_array_equal(result[0].numpy()[~inside], image[0][~inside])
        match kind:
            case "subdural" | "epidural" | "subarachnoid":
                assert np.median(depth[change]) < 16
            case "intraventricular":
                assert (ndimage.gaussian_filter(image[0], 1) < 30)[change].mean() > 0.8
    assert shown >= 3


def test_drawn_label_has_no_location(head):
    _, label = T.RandDrawBleeding(["epidural"], prob=1).set_random_state(0)(draw_slice(head), torch.tensor([0, -1]))
    assert label.tolist() == [1, -1]
    assert label.dtype == torch.int64
    with pytest.raises(ValueError, match="kinds"):
        T.RandDrawBleeding(["any"])


def test_seed_alone_decides(head):
    for transform, image, label in all_three(head):
        runs = [[transform.set_random_state(seed)(image, label)[0] for seed in (1, 2, 1)] for _ in range(2)]
        torch.testing.assert_close(runs[0], runs[1])
        torch.testing.assert_close(runs[0][0], runs[0][2])
        assert not torch.equal(runs[0][0], runs[0][1])
        copy = pickle.loads(pickle.dumps(transform))
        torch.testing.assert_close(copy.set_random_state(1)(image, label)[0], runs[0][0])


def test_dictionary_equals_array_and_changes_every_label(head):
    bank = donors(head)
    pairs = [
        (T.RandEraseBleedingd("image", prob=1, label_keys=["label", "rsna"]), ()),
        (T.RandTransplantBleedingd("image", bank, prob=1, label_keys=["label", "rsna"]), ("intraparenchymal",)),
        (T.RandDrawBleedingd("image", ["epidural"], prob=1, label_keys=["label", "rsna"]), ("epidural",)),
    ]
    for (dictionary, subtypes), (_, image, label) in zip(pairs, all_three(head), strict=True):
        expected, after = dictionary.transform.set_random_state(5)(image, label)
        dictionary.set_random_state(5)
        item = {"image": image, "label": label, "rsna": torch.full((6,), torch.nan), "other": 1}
        result = dictionary(item)
        torch.testing.assert_close(result["image"], expected)
        assert result["label"].tolist() == after.tolist() != label.tolist()
        assert result["rsna"].tolist() == [float(bool(subtypes)), *(float(n in subtypes) for n in RSNA_LABELS[1:])]
        assert item["label"] is label
        assert result["other"] == 1
        assert set(
            type(dictionary)(
                ["a"], *([bank] if "Transplant" in type(dictionary).__name__ else []), allow_missing_keys=True
            )({"c": 1})
        ) == {"c"}


def test_metadata_input_and_window_stay(head):
    for transform, image, label in all_three(head):
        clipped = image.clip(0, 80)
        picture = MetaTensor(torch.from_numpy(clipped.copy()), meta={"source": "scan"})
        result, _ = transform.set_random_state(0)(picture, label)
        assert isinstance(result, MetaTensor)
        assert result.meta["source"] == "scan"
        assert result.min() >= 0
        assert result.max() <= 80
        np.testing.assert_array_equal(picture.numpy(), clipped)
        assert not np.array_equal(result.numpy(), clipped)


def test_probability_and_shapes(head):
    for transform, image, label in all_three(head):
        with pytest.raises(ValueError, match="slice"):
            transform(np.repeat(image[..., None], 2, axis=-1), label)
        transform.prob = 0
        result, after = transform(image, label)
        np.testing.assert_array_equal(result.numpy(), image)
        assert after is label
        transform.prob = 1
        empty, after = transform(np.full((1, 64, 64), -1000, np.float32), label)
        assert after is label
        assert empty.min() == -1000
    with pytest.raises(ValueError, match="one slice"):
        T.RandEraseBleedingd(["a", "b"])


@pytest.mark.data
def test_most_real_bleedings_are_told_and_few_normal_slices(real_data):
    with (real_data / "dtvit" / "slices.csv").open() as file:
        rows = list(csv.DictReader(file))
    prepare = T.CropToHead(256)
    for ich, least, most in (("1", 0.7, 1.0), ("0", 0.0, 0.15)):
        chosen = [row for row in rows if row["ich"] == ich][::80]
        images = [prepare(load_head_ct(real_data / "dtvit" / row["image"]))[0].as_tensor() for row in chosen]
        share = np.mean([bool(T.propose_bleeding(image).any()) for image in images])
        assert least <= share <= most


@pytest.mark.parametrize("known", [True, False])
def test_kinds_and_mask_say_no_other_than_the_label(head, known):
    before = np.array([0, 1, 0, 0, 0] if known else [np.nan] * 5, dtype=np.float32)
    mask = torch.from_numpy(2 * disc(*BLOOD)[None].astype(np.uint8))
    item = {"image": draw_slice(head, BLOOD), "label": DEEP, "kinds": before, "mask": mask}
    erased = T.RandEraseBleedingd("image", prob=1)(item)
    assert erased["label"].tolist() == NORMAL.tolist()
    assert erased["kinds"].tolist() == [0] * 5
    assert not erased["mask"].any()
    assert erased["mask"].dtype == torch.uint8
    assert item["kinds"] is before
    assert mask.any(), "what was given stays as it is"
    drawn = T.RandDrawBleedingd("image", ["epidural"], prob=1)(erased)
    assert drawn["label"].tolist() == [1, -1]
    assert drawn["kinds"].tolist() == [1, 0, 0, 0, 0]
    assert set(drawn["mask"].unique().tolist()) == {0, 1}
    assert erased["kinds"].tolist() == [0] * 5
    same = T.RandEraseBleedingd("image", prob=0)(item)
    assert same["kinds"] is before
    assert same["mask"] is mask
