"""The HU of a study for a page to scroll through, read by a process of its own when a reader first looks."""

import concurrent.futures
import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessPool

from ichmonai.errors import InputError
from ichmonai.io import load_head_ct
from ichmonai.io.geometry import Geometry
from ichmonai.io.series import ImageSource
from ichmonai.private_files import make_folder, replacing
from ichmonai.processes.contexts import end_with_parent, worker_context
from ichmonai.serve.store import Store
from ichmonai.transforms.inplane import to_slices

KEPT = 86_400.0
"""Seconds for which a volume that nobody looks at is kept; it can be read again."""


class Volumes:
    """Volumes of studies on the disk, for as long as they are looked at.

    Args:
        store: of the server.
        timeout: seconds that reading one may take.
    """

    def __init__(self, store: Store, timeout: float) -> None:
        self.store, self.timeout = store, timeout
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None

    def open(self, study: Mapping[str, Any]) -> tuple[NDArray[np.int16], dict[str, Any]]:
        """The volume of a study.

        Args:
            study: as the store has it.

        Returns:
            int16 (S, H, W) HU, inferior to superior, H to posterior and W to the patient's left, read from the disk as
            needed; its `spacing`, mm between rows and columns, and whether it is `placed`: only then W is known to
            run to the patient's left.

        Raises:
            InputError: it cannot be read again.
        """
        path = self.store.place(study["upload"]) / "volumes" / f"{study['id']}.npy"
        with self._lock:  # two readers of one study must not read it twice
            if not path.with_suffix(".json").is_file():
                self._read(study, path)
        path.touch()
        return np.load(path, mmap_mode="r"), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    def remove_unused(self) -> None:
        """Remove what nobody has looked at for a day."""
        for path in (self.store.folder / "uploads").glob("*/volumes/*.npy"):
            if time.time() - path.stat().st_mtime > KEPT:
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()

    def _read(self, study: Mapping[str, Any], path: Path) -> None:
        if self._pool is None:
            self._pool = ProcessPool(1, initializer=end_with_parent, context=worker_context())
        future = self._pool.schedule(_write, args=(study["images"], path), timeout=self.timeout)
        try:
            future.result()
        except (Exception, concurrent.futures.CancelledError) as error:
            raise InputError("The images of this study cannot be read any more; upload it again.") from error


def mask_array(store: Store, upload: str, study: str) -> Path:
    """Where the mask of a study is, where its network makes one: uint8 (S, H, W) as `Answer.mask` has it."""
    return store.place(upload) / "masks" / f"{study}.npy"


def _write(images: list[list[Any]], path: Path) -> None:
    """In the process: read a volume and write it down."""
    volume = load_head_ct([ImageSource(*image) for image in images])
    row, column = (float(one) for one in volume.pixdim[:2])
    hu = to_slices(volume)[:, 0].numpy().round().clip(-32768, 32767).astype(np.int16)
    make_folder(path.parent)
    with replacing(path, "wb") as file:
        np.save(file, hu)
    with replacing(path.with_suffix(".json"), "w", encoding="utf-8") as file:
        json.dump({"spacing": [row, column], "placed": Geometry.of(volume).is_placed}, file)
