"""The audit as one HTML page that needs no network."""

from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from ichmonai import __version__
from ichmonai.audit import probes
from ichmonai.audit.audit import Audit, label_name
from ichmonai.audit.figures import features_figure, leading_figure, neighbours_figure
from ichmonai.audit.judgement import PARTLY_READ_OFF, READ_OFF, judge, worst
from ichmonai.audit.neighbours import ALIKE, SAME_DETAIL
from ichmonai.evaluation.report import format_estimate, format_number
from ichmonai.figures import figure_uri, picture_uri
from ichmonai.notice import NOTICE

_SHOWN = 24
"""Groups of images that the report shows of each kind; audit.json has all."""


class Shown(NamedTuple):
    """An image in the report."""

    name: str
    patient: str
    label: str
    splits: str
    picture: str


def render_audit(audit: Audit) -> str:
    """Render the report: HTML with its figures and pictures inside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"estimate": format_estimate, "number": format_number}
    findings = judge(audit)
    near = [(pair.correlation, _group(audit, pair[:2])) for pair in audit.near[:_SHOWN]]
    ran = [probe for probe in audit.leakage_probes.values() if probe]
    return environment.get_template("report.html.j2").render(
        audit=audit,
        findings=findings,
        verdict=worst(findings).value,
        identical=[_group(audit, rows) for rows in audit.identical[:_SHOWN]],
        near=near,
        figures={
            name: {
                "features": figure_uri(features_figure(probe)),
                "leading": figure_uri(leading_figure(probe)) if probe.values.size else "",
            }
            for name, probe in audit.shortcuts.items()
            if probe
        },
        neighbours=figure_uri(neighbours_figure(ran)) if ran else "",
        limits={
            "alike": ALIKE,
            "detail": SAME_DETAIL,
            "serious": READ_OFF,
            "warning": PARTLY_READ_OFF,
            "patients": probes.FEWEST_PATIENTS,
            "folds": probes.FOLDS,
            "resamples": probes.RESAMPLES,
        },
        notice=NOTICE,
        version=__version__,
    )


def _group(audit: Audit, rows: list[int] | tuple[int, ...]) -> list[Shown]:
    return [
        Shown(
            Path(audit.items[row]["image"]).name,
            audit.items[row]["patient"],
            label_name(audit.items[row]),
            " and ".join(audit.items[row]["in_splits"]),
            _picture(audit, row),
        )
        for row in rows
    ]


def _picture(audit: Audit, row: int) -> str:
    return picture_uri(Image.fromarray(audit.facts[row].large))
