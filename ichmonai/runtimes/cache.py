"""Exported networks that are kept from run to run, and how they did."""

import contextlib
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs
import torch
from filelock import FileLock

import ichmonai.networks
from ichmonai import __version__
from ichmonai.digests import sha256_of_file
from ichmonai.runtimes.parity import Trial

_CONVERTERS = ("torch", "timm", "onnx", "onnxruntime", "openvino", "nncf")


def cache_root() -> Path:
    """Folder of the cache: `ICHMONAI_CACHE` of the environment, or the user's cache folder."""
    return Path(os.environ.get("ICHMONAI_CACHE") or platformdirs.user_cache_path("ichmonai"))


class NetworkCache:
    """What is kept of one network: a folder named by its weights, form and the versions of what converts and runs it.

    Args:
        form: what tells the network from others that the same weights may be of.
        weights_sha256: of the file of its weights.
        image_size: height and width of its input.
    """

    def __init__(self, form: str, weights_sha256: str, image_size: int) -> None:
        known_by = {
            "network": form,
            "code": _code(),
            "image_size": image_size,
            "versions": [__version__, *(_version(name) for name in _CONVERTERS)],
        }
        digest = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
        self.folder = cache_root() / "runtimes" / f"{weights_sha256[:20]}-{digest[:12]}"
        computer = json.dumps([_cpu(), torch.get_num_threads()])
        self.computer = hashlib.sha256(computer.encode()).hexdigest()[:8]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """One process at a time fills it; the others wait, and find it full."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            yield

    def model(self, name: str, write: Callable[[Path], None]) -> Path:
        """A file of the network, written where it is not there.

        Args:
            name: of the file.
            write: writes it, in a folder of its own that is moved into place afterwards.
        """
        folder = self.folder / name.replace(".", "_")
        if not (folder / name).is_file():
            partial = self.folder / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
            shutil.rmtree(folder, ignore_errors=True)
            partial.mkdir()
            write(partial / name)
            partial.rename(folder)
        return folder / name

    def trial(self, runtime: str, precision: str, file: Path | None) -> Trial | None:
        """How a runtime did on this computer; None where it was not tried with this very file."""
        try:
            record = json.loads(self._record(runtime, precision).read_text(encoding="utf-8"))
            if record.pop("file_sha256") != _digest(file):
                return None
            return Trial(**record)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_trial(self, runtime: str, precision: str, file: Path | None, trial: Trial) -> None:
        """Remember a trial for the next run."""
        path = self._record(runtime, precision)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({**asdict(trial), "file_sha256": _digest(file)}), encoding="utf-8")
        partial.replace(path)

    def _record(self, runtime: str, precision: str) -> Path:
        return self.folder / f"{runtime}-{precision}-{self.computer}.json"


def _digest(file: Path | None) -> str:
    """SHA-256 of a model's bytes; OpenVINO's are two files."""
    if file is None:
        return ""
    parts = [file, *([file.with_suffix(".bin")] if file.suffix == ".xml" else [])]
    return "".join(sha256_of_file(part) for part in parts)


def _code() -> str:
    """SHA-256 of what builds networks: a version may be worked on."""
    digest = hashlib.sha256()
    for file in sorted(Path(ichmonai.networks.__path__[0]).glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    """What tells processors apart: their name and instructions."""
    return json.dumps([platform.processor(), dict(getattr(torch.cpu, "get_capabilities", dict)())], sort_keys=True)
