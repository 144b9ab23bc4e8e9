"""Where the bundle is."""

from pathlib import Path


def bundle_root() -> Path:
    """The MONAI bundle: inside the package when that is installed, beside it in a checkout."""
    installed = Path(__file__).parent / "bundle"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "bundle"
