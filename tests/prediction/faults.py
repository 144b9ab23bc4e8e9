"""A transform that fails as real inputs make a worker fail."""

import os
import signal
import time
from pathlib import Path

from monai.transforms import MapTransform


class Faultd(MapTransform):
    """Crashes, hangs or raises where the name of the study says so; `once` in it does so the first time only."""

    def __init__(self, keys: str, folder: str) -> None:
        super().__init__(keys)
        self.folder = Path(folder)

    def __call__(self, data: dict) -> dict:
        name = Path(data["study"]).name
        marker = self.folder / name
        if "once" in name and marker.exists():
            return data
        marker.touch()
        if "crash" in name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in name:
            time.sleep(3600)
        if "raise" in name:
            raise RuntimeError("of a kind that nobody expects")
        return data
