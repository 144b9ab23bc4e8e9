"""The folder for the model zoo passes the zoo's own checks, in fresh processes that have not this package.

What needs the internet there is named: the schema is downloaded from its address in the metadata (here it is read from
there where that can be reached, else what it asks for is checked from this repository's rendering of it), and apps'
properties are cloned (here they are MONAI's own).
"""

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import monai.bundle.properties
import pytest

from ichmonai.paths import BUNDLE_NAME
from ichmonai.release.zoo import write_zoo
from tests.release.bare import start

RENDERED = Path(__file__).parents[1] / "bundle" / "metadata_schema.json"
MONAIS = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_"


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """The zoo's root, as its CI prepares it for this one bundle."""
    root = tmp_path / "zoo"
    write_zoo(root)
    bundle = root / "models" / BUNDLE_NAME
    (bundle / "eval").mkdir()
    (root / "models" / "model_info.json").write_text("{}")
    (root / "monailabel").mkdir()
    shutil.copy(monai.bundle.properties.__file__, root / "monailabel" / "bundle_properties.py")
    address = json.loads((bundle / "configs" / "metadata.json").read_text())["schema"]
    assert address.startswith(MONAIS)
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            schema = answer.read()
            assert json.loads(schema)
    except (urllib.error.URLError, TimeoutError, ValueError):
        schema = RENDERED.read_bytes()
    (bundle / "eval" / "schema.json").write_bytes(schema)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["min", "full"])
def test_verify_bundle(mode: str, python: Path, zoo: Path) -> None:
    done = start(python, Path(__file__).with_name("zoo_steps.py"), mode, BUNDLE_NAME, cwd=zoo)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_unit_tests(python: Path, zoo: Path) -> None:
    """Initialize, check properties, run and finalize: training, evaluation and inference."""
    name = f"test_{BUNDLE_NAME}"
    done = start(python, "-m", "unittest", "-v", name, cwd=zoo, PYTHONPATH=str(zoo / "ci" / "unit_tests"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Ran 2 tests" in done.stderr
