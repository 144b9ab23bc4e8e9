"""Where the bundle is."""

from pathlib import Path


def bundle_root() -> Path:
    """The MONAI bundle: inside the package when that is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "bundle"
    return installed if installed.is_dir() else package.parent / "bundle"
