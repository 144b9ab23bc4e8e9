"""The table of the ablation, from what variants said of the same slices."""

from types import SimpleNamespace

import numpy as np
import pytest

from scripts.check import ablate_light
from scripts.check.ablate_light import Judged


def judged(noise: float, seed: int) -> Judged:
    """Forty patients of five slices, half with a haemorrhage."""
    rng = np.random.default_rng(seed)
    ich = np.repeat(np.arange(40) % 2, 5)
    p_ich = 1 / (1 + np.exp(-(2 * ich - 1 + rng.normal(0, noise, len(ich)))))
    scores = np.stack([1 - p_ich, p_ich, *[np.full(len(ich), 1 / 3)] * 3], axis=1)
    patients = np.repeat([f"p{number}" for number in range(40)], 5)
    return Judged(scores, np.stack([ich, np.full_like(ich, -1)], axis=1), patients)


@pytest.fixture
def found() -> dict[str, dict[str, Judged]]:
    return {"recipe": {"turned": judged(1, 0)}, "crop": {"turned": judged(3, 1)}}


def test_differences_are_to_the_recipe_in_the_same_draws(found: dict[str, dict[str, Judged]]) -> None:
    rows = {(row["variant"], row["metric"]): row for row in ablate_light.measure(found)}
    own, other = rows["recipe", "ich_auc"], rows["crop", "ich_auc"]
    assert (own["difference"], own["difference_low"], own["difference_high"]) == (0, 0, 0)
    assert other["difference"] == pytest.approx(other["value"] - own["value"])
    assert other["difference_low"] < other["difference"] < other["difference_high"] < 0
    assert other["low"] < other["value"] < other["high"]
    assert (other["slices"], other["patients"]) == (200, 40)


def test_page_leaves_differences_out_without_the_recipe(found: dict[str, dict[str, Judged]]) -> None:
    options = SimpleNamespace(image_size=160, epochs=2, seed=0)
    with_recipe = ablate_light.page(options, ablate_light.measure(found))
    assert with_recipe.count("| crop to the head, strong augmentation |") == 2
    alone = ablate_light.page(options, ablate_light.measure({"crop": found["crop"]}))
    assert alone.count("| crop to the head, strong augmentation |") == 1


def test_what_was_judged_is_kept(
    found: dict[str, dict[str, Judged]], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SimpleNamespace(out=tmp_path_factory.mktemp("runs"))
    (options.out / "crop").mkdir()
    monkeypatch.setattr(ablate_light, "judged_by", lambda options: {})
    monkeypatch.setattr(ablate_light, "judge", lambda options, name, sets: found["crop"])
    ablate_light.judged(options, "crop")
    monkeypatch.delattr(ablate_light, "judge")
    for kept, expected in zip(ablate_light.judged(options, "crop")["turned"], found["crop"]["turned"], strict=True):
        np.testing.assert_array_equal(kept, expected)
