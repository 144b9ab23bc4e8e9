"""SHA-256 of what results depend on."""

import hashlib
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def sha256_of_hu(hu: NDArray[np.floating]) -> str:
    """The SHA-256 of an image's shape and values, slice by slice, in hexadecimal; images of other names share it."""
    digest = hashlib.sha256(f"{hu.shape}".encode())
    digest.update(np.ascontiguousarray(np.moveaxis(hu, -1, 0)).ravel().data)  # as volumes are read: not copied
    return digest.hexdigest()


def sha256_of_file(path: str | PathLike) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
