from pathlib import Path

import numpy as np
import pytest

from ichmonai.monitoring.compare import MINIMUM, State, compare, scanners
from ichmonai.monitoring.observed import Observed, observe
from tests.monitoring.conftest import SCANNERS, studies, write_results


@pytest.fixture
def reference(tmp_path: Path) -> Observed:
    return observe([write_results(tmp_path / "reference", studies(400, 1))])


def states(before: Observed, rows: list, folder: Path, refused: tuple[str, ...] = ()) -> dict[str, State]:
    return {one.name: one.state for one in compare(before, observe([write_results(folder, rows, refused)]))}


@pytest.mark.parametrize("seed", range(10, 30))
def test_the_same_hospital_is_no_alarm(reference: Observed, tmp_path: Path, seed: int) -> None:
    assert State.ALARM not in states(reference, studies(150, seed), tmp_path / "now").values()


def test_no_more_false_findings_than_promised(tmp_path: Path) -> None:
    random, found = np.random.default_rng(0), 0
    for _ in range(200):
        before, now = (
            Observed(
                n,
                {"scanner": dict(zip("abc", random.multinomial(n, [0.5, 0.3, 0.2]).tolist(), strict=True))}
                | {"kernel": {"x": n}, "kvp": {"120": n}},
                {
                    "thickness_mm": [5.0] * n,
                    "noise_hu": sorted(random.gamma(20, 0.2, n)),
                    "p_ich": sorted(random.random(n)),
                },
                dict(zip(("positive", "negative"), random.multinomial(n, [0.15, 0.85]).tolist(), strict=True)),
                {"gantry_tilt": int(random.binomial(n, 0.1))},
            )
            for n in (300, 40)
        )
        found += any(one.state in (State.LOOK, State.ALARM) for one in compare(before, now))
    assert found <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"noise": 6.0}, "noise_hu"),
        ({"thickness": 1.25}, "thickness_mm"),
        ({"positive": 0.45}, "positive"),
        ({"positive": 0.6}, "p_ich"),
        ({"tilted": 0.4}, "code_gantry_tilt"),
        ({"scanners": SCANNERS[:1]}, "scanner"),
    ],
)
def test_what_has_changed_is_an_alarm(reference: Observed, tmp_path: Path, change: dict, name: str) -> None:
    found = states(reference, studies(150, 2, **change), tmp_path / "now")
    assert found[name] is State.ALARM
    others = {one: state for one, state in found.items() if one != name and "positive" not in change}
    assert set(others.values()) <= {State.SAME}


def test_voltage_kernel_and_refusals(reference: Observed, tmp_path: Path) -> None:
    rows = [row | {"kvp": "100", "kernel": "H60s"} for row in studies(150, 2)]
    found = states(reference, rows, tmp_path / "now", refused=("unreadable",) * 30)
    changed = {name for name, state in found.items() if state is State.ALARM}
    assert changed == {"kvp", "kernel", "code_unreadable"}


def test_of_few_studies_nothing_is_said(reference: Observed, tmp_path: Path) -> None:
    found = states(reference, studies(MINIMUM - 1, 2, noise=9.0, positive=0.9), tmp_path / "now")
    assert set(found.values()) == {State.FEW}
    found = states(reference, studies(MINIMUM, 2, noise=9.0), tmp_path / "more")
    assert found["noise_hu"] is State.ALARM


def test_a_scanner_that_was_not_in_the_evaluation_is_told_of_at_its_first_study(
    reference: Observed, tmp_path: Path
) -> None:
    rows = [*studies(5, 2), *studies(1, 3, scanners=(("Canon", "AQUILION ONE"),))]
    found = scanners(reference, observe([write_results(tmp_path / "now", rows)]))
    assert (found[0].name, found[0].now, found[0].state) == ("Canon AQUILION ONE", 1, State.ALARM)
    assert {one.state for one in found[1:]} == {State.SAME}


def test_one_of_which_the_evaluation_had_few(tmp_path: Path) -> None:
    rows = [*studies(100, 1, scanners=SCANNERS[:1]), *studies(MINIMUM - 1, 5, scanners=SCANNERS[1:2])]
    both = observe([write_results(tmp_path / "r", rows)])
    assert [one.state for one in scanners(both, both)] == [State.LOOK, State.SAME]


def test_nothing_at_all(tmp_path: Path) -> None:
    nothing = observe([write_results(tmp_path / "r", [])])
    assert {one.state for one in compare(nothing, nothing)} == {State.FEW}
    assert scanners(nothing, nothing) == []
