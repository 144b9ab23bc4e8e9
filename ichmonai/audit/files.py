"""What an audit leaves: audit.json and audit.html."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from ichmonai import __version__
from ichmonai.audit.audit import Audit, label_name
from ichmonai.audit.judgement import judge, worst
from ichmonai.audit.neighbours import ALIKE, SAME_DETAIL
from ichmonai.notice import NOTICE
from ichmonai.private_files import write_text


def write_audit(audit: Audit, directory: str | PathLike) -> None:
    """Write the files of an audit.

    - `audit.json`: all of it.
    - `audit.html`: to read; opens without a network. It shows pictures of duplicates, so it is to be kept where the
      dataset may be kept.

    Args:
        audit: result of `audit`.
        directory: folder of the files; made if absent, files of these names are replaced.
    """
    from ichmonai.audit.report import render_audit  # matplotlib takes a second to import

    folder = Path(directory)
    record = json.dumps(audit_record(audit), indent=2, allow_nan=False)
    write_text(folder / "audit.json", record + "\n")
    write_text(folder / "audit.html", render_audit(audit))


def audit_record(audit: Audit) -> dict[str, Any]:
    """All of an audit as JSON values; null where a number is not defined."""
    findings = judge(audit)
    return {
        "notice": NOTICE,
        "version": __version__,
        "source": audit.source,
        "seed": audit.seed,
        "verdict": worst(findings).value,
        "findings": [asdict(finding) for finding in findings],
        "counts": asdict(audit.counts),
        "splits": {name: asdict(found) for name, found in audit.splits.items()},
        "leakage": asdict(audit.leakage) if audit.leakage else None,
        "images_read": len(audit.items),
        "images_left_out": audit.left_out,
        "blank_images": audit.blank,
        "unreadable": audit.unreadable,
        "identical": [_images(audit, rows) for rows in audit.identical],
        "contradictions": [_images(audit, rows) for rows in audit.contradictions],
        "near_duplicates": {
            "correlation_32px": ALIKE,
            "correlation_of_detail_128px": SAME_DETAIL,
            "pairs": [
                {"correlation": round(pair.correlation, 4), "images": _images(audit, pair[:2])} for pair in audit.near
            ],
        },
        "shortcuts": {
            name: probe
            and {
                "images": probe.images,
                "positives": probe.positives,
                "patients": probe.patients,
                "auc": probe.auc.record(),
                "best_single_feature": {"name": probe.leading_name, "auc": probe.leading.record()},
                "features": [asdict(feature) for feature in probe.features],
            }
            for name, probe in audit.shortcuts.items()
        },
        "nearest_neighbour": {
            name: probe
            and {
                "images": probe.images,
                "patients": probe.patients,
                "image_split_accuracy": probe.image_split.record(),
                "patient_split_accuracy": probe.patient_split.record(),
                "majority_accuracy": probe.majority,
            }
            for name, probe in audit.leakage_probes.items()
        },
    }


def _images(audit: Audit, rows: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {
            "image": audit.items[row]["image"],
            "patient": audit.items[row]["patient"],
            "label": label_name(audit.items[row]),
            "splits": audit.items[row]["in_splits"],
        }
        for row in rows
    ]
