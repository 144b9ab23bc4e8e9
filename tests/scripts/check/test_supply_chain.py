import tomllib
from pathlib import Path

from scripts.check import supply_chain

ROOT = Path(__file__).parents[3]


def test_floors_are_the_lowest_versions_that_are_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = supply_chain.floors(project)
    assert {"pydicom==3.0.2", "monai==1.6"} <= set(floors)
    assert not [one for one in floors if one.startswith("ichmonai")]


def test_no_data_is_not_no_vulnerability():
    fault = {"id": "GHSA-cpwx-vrp4-4pq7", "fix_versions": ["3.1.6"]}
    report = {
        "dependencies": [
            {"name": "jinja2", "version": "3.1.0", "vulns": [fault]},
            {"name": "numpy", "version": "2.0.0", "vulns": []},
            {"name": "itk", "skip_reason": "Dependency not found on PyPI"},
        ]
    }
    found, unknown = supply_chain.verdict(report)
    assert found == ["jinja2 3.1.0: GHSA-cpwx-vrp4-4pq7 (mended in 3.1.6)"]
    assert unknown == ["itk"]
