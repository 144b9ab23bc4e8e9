"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real head CT that ICHMONAI_DATA names; skips where there is none."""
    folder = os.environ.get("ICHMONAI_DATA")
    if not folder:
        pytest.skip("ICHMONAI_DATA is not set")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"ICHMONAI_DATA names {path}, which is not a folder")
    return path
