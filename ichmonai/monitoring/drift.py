"""What a comparison of now with the reference leaves: a page, numbers, and gauges for Prometheus."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from ichmonai import __version__
from ichmonai.evaluation.intervals import json_number
from ichmonai.monitoring.compare import MINIMUM, Check, Scanner, State, compare, scanners
from ichmonai.monitoring.feedback import Agreement
from ichmonai.monitoring.observed import Observed
from ichmonai.notice import NOTICE
from ichmonai.prediction import report
from ichmonai.private_files import make_folder, write_text

_CODES = {State.FEW: -1, State.SAME: 0, State.LOOK: 1, State.ALARM: 2}
_ORDER = (State.ALARM, State.LOOK, State.SAME, State.FEW)


@dataclass(frozen=True)
class Drift:
    """A comparison.

    Attributes:
        before: the reference.
        now: what was judged.
        checks: of every property, the gravest first.
        scanners: of both, the unknown first.
        agreement: with readers; None where nothing is known of them.
    """

    before: Observed
    now: Observed
    checks: Sequence[Check]
    scanners: Sequence[Scanner]
    agreement: Agreement | None = None

    @classmethod
    def of(cls, before: Observed, now: Observed, agreement: Agreement | None = None) -> "Drift":
        """Compare."""
        checks = sorted(compare(before, now), key=lambda one: _ORDER.index(one.state))
        return cls(before, now, checks, scanners(before, now), agreement)

    @property
    def sentences(self) -> list[tuple[State, str]]:
        """What somebody has to look at, the gravest first."""
        found = [(State.ALARM, f"{one.name} was not in the evaluation; studies now: {one.now}") for one in self.unknown]
        few = [one for one in self.scanners if one.state is State.LOOK]
        found += [(one.state, _sentence(one)) for one in self.checks if one.state in (State.ALARM, State.LOOK)]
        found += [(State.LOOK, f"{one.name} had only {one.before} studies in the evaluation") for one in few]
        if self.agreement and self.agreement.state is State.LOOK:
            found.append((State.LOOK, "Probabilities are not what readers find: fit the temperature anew"))
        if set(self.before.weights) != set(self.now.weights):
            found.append((State.LOOK, "Answers are of other weights than the reference, which may be why they differ"))
        return sorted(found, key=lambda one: _ORDER.index(one[0]))

    @property
    def unknown(self) -> list[Scanner]:
        """Scanners that were not in the reference."""
        return [one for one in self.scanners if one.state is State.ALARM]

    @property
    def alarmed(self) -> bool:
        """Whether anything is an alarm."""
        return any(state is State.ALARM for state, _ in self.sentences)


def write_drift(drift: Drift, out: Path) -> None:
    """Write `drift.html`, `drift.json` and `drift.prom`.

    Args:
        drift: the comparison.
        out: folder; made if absent.
    """
    make_folder(out)
    write_text(out / "drift.html", page(drift))
    write_text(out / "drift.json", json.dumps(_record(drift), indent=2, allow_nan=False) + "\n")
    write_text(out / "drift.prom", gauges(drift))


def page(drift: Drift) -> str:
    """A page that needs no network and no script; everything in it is escaped."""
    here, style = Path(__file__).parent, Path(report.__path__[0]) / "style.css"
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return environment.get_template("drift.html.j2").render(
        drift=drift,
        style=style.read_text(encoding="utf-8"),
        notice=NOTICE,
        version=__version__,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        minimum=MINIMUM,
        percent=_percent,
        number=_number,
        State=State,
    )


def gauges(drift: Drift) -> str:
    """The numbers as Prometheus reads them from a file (node_exporter's textfile collector)."""
    registry = CollectorRegistry()

    def gauge(name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"ichmonai_drift_{name}", words, labels, registry=registry)

    gauge("timestamp_seconds", "When it was compared.").set(datetime.now(UTC).timestamp())
    inputs = gauge("inputs", "Inputs that were compared.", "of")
    inputs.labels("reference").set(drift.before.inputs)
    inputs.labels("now").set(drift.now.inputs)
    state = gauge("state", "-1 too few to say, 0 no change seen, 1 look, 2 alarm.", "check")
    p_value = gauge("p_value", "Of the same distribution, after Holm's correction.", "check")
    effect = gauge("effect", "Population stability index, or difference of two shares.", "check")
    for one in drift.checks:
        state.labels(one.name).set(_CODES[one.state])
        if not math.isnan(one.corrected):
            p_value.labels(one.name).set(one.corrected)
            effect.labels(one.name).set(one.effect)
    unknown = gauge("unknown_scanner_studies", "Studies of a scanner that was not in the reference.", "scanner")
    for scanner in drift.unknown:
        unknown.labels(scanner.name).set(scanner.now)
    gauge("unknown_scanners", "Scanners that were not in the reference.").set(len(drift.unknown))
    if drift.agreement:
        state.labels("agreement").set(_CODES[drift.agreement.state])
        readers = gauge("readers", "How answers agree with readers.", "measure")
        for name, found in drift.agreement.estimates.items():
            readers.labels(name).set(found.value)
    return generate_latest(registry).decode("utf-8")


def _record(drift: Drift) -> dict[str, Any]:
    readers = drift.agreement and {
        "state": drift.agreement.state.value,
        "positives": drift.agreement.positives,
        "negatives": drift.agreement.negatives,
        **{name: found.record() for name, found in drift.agreement.estimates.items()},
    }
    return {
        "notice": NOTICE,
        "version": __version__,
        "inputs": {"reference": drift.before.inputs, "now": drift.now.inputs},
        "weights": {"reference": drift.before.weights, "now": drift.now.weights},
        "findings": [{"state": state.value, "sentence": sentence} for state, sentence in drift.sentences],
        "checks": [_check_record(one) for one in drift.checks],
        "scanners": [{**vars(one), "state": one.state.value} for one in drift.scanners],
        "readers": readers,
    }


def _check_record(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "state": check.state.value,
        "studies": list(check.studies),
        "p_value": json_number(check.p_value),
        "corrected_p_value": json_number(check.corrected),
        "effect": json_number(check.effect),
        "interval_95": check.interval and list(check.interval),
        "medians": check.medians and list(check.medians),
        "shares": {label: [json_number(p), json_number(q)] for label, (p, q) in check.cells.items()},
    }


def _sentence(check: Check) -> str:
    if check.interval:
        ((before, now),) = check.cells.values()
        return f"{check.title}: {_percent(now)} of {check.studies[1]} now, {_percent(before)} in the reference"
    if check.medians:
        before, now = check.medians
        return (
            f"{check.title}: median {now:.3g} now, {before:.3g} in the reference (stability index {check.effect:.2f})"
        )
    return f"{check.title}: other than in the reference (stability index {check.effect:.2f})"


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:.1f}%"


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    return "< 0.001" if 0 <= value < 0.001 else f"{value:.3f}"
