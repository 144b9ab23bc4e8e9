"""Take the README's picture of a report: the page of a phantom's study, as chromium shows it.

python -m scripts.draw_report OUT.png
"""

import argparse
import csv
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from ichmonai.datasets.phantom import PhantomKind, make_study, write_nifti
from ichmonai.prediction.rows import stem

SIZE = (1100, 1060)
"""Of the window, in pixels: to below the leading slice."""


def main(out: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise SystemExit("There is no chromium; install it (Debian: apt-get install chromium).")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "studies").mkdir()
        write_nifti(folder / "studies", [make_study(2, PhantomKind.LOBAR, 512, "phantom")])
        subprocess.run(["ichmonai", "predict", folder / "studies", "--out", folder / "answers"], check=True)  # noqa: S607
        with (folder / "answers" / "studies.csv").open(newline="", encoding="utf-8") as file:
            page = folder / "answers" / "report" / f"{stem(next(csv.DictReader(file)))}.html"
        shot = folder / "shot.png"
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}",
        ]
        window = ["--virtual-time-budget=2000", f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={shot}"]
        subprocess.run([browser, *options, *window, page.as_uri()], check=True, capture_output=True, timeout=120)
        Image.open(shot).convert("RGB").quantize(128).save(out, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="PNG file to write")
    main(parser.parse_args().out)
