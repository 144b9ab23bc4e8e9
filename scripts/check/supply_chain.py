"""What this package stands on: consistent, known, and without published vulnerabilities as far as that can be asked.

- `pip check`: the installed packages fit one another.
- An SBOM in CycloneDX of the environment (needs cyclonedx-bom).
- pip-audit of the environment, and of the floors: the lowest version of each dependency that pyproject.toml allows
  (needs pip-audit, and the network for its data: PyPI's JSON, which mirrors of packages do not have).

    python -m scripts.check.supply_chain --sbom sbom.json

Exit code: 0 where nothing is wrong, 1 where something is, 3 where the data could not be had, which is no good news.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNKNOWN = 3
PATIENCE = 120  # seconds


def floors(project: dict) -> list[str]:
    """Requirements at their lowest: those of the package, and of its extras, that name a lowest version."""
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    lowest = (re.match(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)", text) for group in groups for text in group)
    return sorted({f"{match[1]}=={match[2]}" for match in lowest if match})


def verdict(report: dict) -> tuple[list[str], list[str]]:
    """What pip-audit says: known vulnerabilities, and packages of which it knows nothing.

    Args:
        report: its JSON.
    """
    found = [
        f"{one['name']} {one['version']}: {fault['id']} (mended in {', '.join(fault['fix_versions']) or 'none'})"
        for one in report["dependencies"]
        for fault in one.get("vulns", ())
    ]
    unknown = [one["name"] for one in report["dependencies"] if "skip_reason" in one]
    return found, unknown


def audit(name: str, *options: str) -> int:
    """Ask pip-audit, and print what it says: 0, 1 or UNKNOWN."""
    command = [sys.executable, "-P", "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"{name}: not audited: no answer within {PATIENCE} s")
        return UNKNOWN
    try:
        report = json.loads(done.stdout)
    except ValueError:
        print(f"{name}: not audited: {(done.stderr.strip().splitlines() or ['pip-audit said nothing'])[-1]}")
        return UNKNOWN
    found, unknown = verdict(report)
    audited = len(report["dependencies"]) - len(unknown)
    print(f"{name}: {audited} packages audited, {len(found)} vulnerabilities, {len(unknown)} packages without data")
    print(*(f"  {line}" for line in found), sep="\n", end="\n" if found else "")
    return 1 if found else UNKNOWN if unknown else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sbom", type=Path, help="CycloneDX file to write")
    arguments = parser.parse_args()
    codes = [min(subprocess.run([sys.executable, "-P", "-m", "pip", "check"], check=False).returncode, 1)]
    if arguments.sbom:
        command = [sys.executable, "-P", "-m", "cyclonedx_py", "environment", "--output-reproducible", "-o"]
        written = subprocess.run([*command, str(arguments.sbom), sys.executable], check=False)
        codes.append(min(written.returncode, 1))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(floors(project)) + "\n")
        file.flush()
        codes.append(audit("floors", "--no-deps", "--disable-pip", "-r", file.name))
    codes.append(audit("installed"))
    sys.exit(1 if 1 in codes else max(codes))


if __name__ == "__main__":
    main()
