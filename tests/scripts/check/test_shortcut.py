import numpy as np
import pytest

from scripts.check.shortcut import judged


def slices(noise_of_blood: float) -> list[dict]:
    """Slices of 15 patients each of two sources, one in two bleeding, with more noise where they bleed or not."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    distance = np.hypot((y - 32) / 28, (x - 32) / 22)
    items = []
    for source in ("one", "two"):
        for index in range(60):
            bleeds = index % 2
            brain = 32 + rng.normal(0, noise_of_blood if bleeds else 2.0, (64, 64))
            image = np.where(distance < 0.9, brain, np.where(distance < 1, 80, 0)).clip(0, 80) / 80
            patient = f"{source}{index // 4}"
            items.append({"image": image[None], "label": np.array([bleeds, -1]), "source": source, "patient": patient})
    return items


@pytest.mark.parametrize(("noise", "verdict"), [(6.0, "serious"), (2.0, "ok")])
def test_noise_that_goes_with_the_label_is_found(noise, verdict):
    rows = judged("drawn", slices(noise), lambda item: item)
    assert [(row["source"], row["slices"], row["ich"]) for row in rows] == [
        ("all", 120, "0.500"),
        ("one", 60, "0.500"),
        ("two", 60, "0.500"),
    ]
    assert {row["verdict"] for row in rows} == {verdict}
    assert "The source alone tells it with an AUC of 0.500." in rows[0]["sentence"]
    assert (float(rows[0]["auc"]) > 0.95) is (verdict == "serious")


def test_a_source_that_always_bleeds_is_said_to_tell_the_label():
    items = slices(2.0)
    for item in items:
        item["label"] = np.array([int(item["source"] == "two"), -1])
    rows = judged("as it is", items, lambda item: item)
    assert "The source alone tells it with an AUC of 1.000." in rows[0]["sentence"]
    assert [row["verdict"] for row in rows[1:]] == ["not checked"] * 2
    assert rows[1]["auc"] == ""
