from typing import Any

from ichmonai.monailabel.worklist import SCORE, most_likely_bleeding, most_uncertain, next_study


def score(p_ich: float, positive: bool) -> dict[str, Any]:
    return {SCORE: {"outcome": "positive" if positive else "negative", "p_ich": p_ich}}


IMAGES: dict[str, dict[str, Any]] = {
    "sure": score(0.95, True),
    "likely": score(0.7, True),
    "doubtful": score(0.48, False),
    "normal": score(0.02, False),
    "new": {},
    "damaged": {SCORE: {"outcome": "no_prediction", "reason": "It cannot be read."}},
}


def served(strategy: str, rank: Any, times: int) -> list[str]:
    """What a reader is given who submits nothing and asks so often."""
    images = {name: dict(info) for name, info in IMAGES.items()}
    names = []
    for second in range(times):
        name = next_study(images, strategy, rank)
        assert name is not None
        images[name]["strategy"] = {strategy: {"ts": 1_000 + second}, "another": {"ts": 5_000}}
        names.append(name)
    return names


def test_most_likely_bleeding_first():
    """A failure ranks before every negative, and the list starts again at its end."""
    expected = ["sure", "likely", "damaged", "new", "doubtful", "normal"]
    assert served("likely", most_likely_bleeding, 8) == [*expected, "sure", "likely"]


def test_most_uncertain_first():
    assert served("uncertain", most_uncertain, 6) == ["damaged", "new", "doubtful", "likely", "sure", "normal"]


def test_what_is_new_goes_to_its_place():
    images = {name: {**info, "strategy": {"s": {"ts": 1_000}}} for name, info in IMAGES.items()}
    images["late"] = score(0.1, False)
    assert next_study(images, "s", most_likely_bleeding) == "late"


def test_nothing_left():
    assert next_study({}, "s", most_likely_bleeding) is None
