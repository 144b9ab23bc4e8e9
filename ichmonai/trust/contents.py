"""Everything in a bundle's folder or zip that would run, or reaches out of it."""

import configparser
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError
from ichmonai.processes.scratch import scratch_folder
from ichmonai.trust import rules, weights

_CONFIGS = (".json", ".yaml", ".yml")
_CODE = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".exe", ".sh", ".bat", ".ps1", ".pth.py", ".ipynb", ".engine")
_WEIGHTS = (*weights.PICKLES, ".ts", ".safetensors", ".npy", ".npz")
_LARGEST_CONFIG = 5 * 2**20
_LARGEST_BUNDLE = 2**33
_MOST_FILES = 10_000
_RATIO = 100
_OWN = "byte for byte one of ichmonai's own"


class Content(NamedTuple):
    """One thing in a bundle.

    Attributes:
        file: relative to the bundle.
        kind: as `Part`, or `own`, `pickle`, `weights`, `torchscript`, `code`, `executable`, `link`, `logging`, `file`.
        place: where in the file.
        text: what it is, as it is written.
        refusal: why it is not allowed unless trusted; empty where it is.
    """

    file: str
    kind: str
    place: str
    text: str
    refusal: str


def contents(path: Path) -> list[Content]:
    """What a bundle would import, call and evaluate. Nothing of it is imported, unpickled or run.

    Args:
        path: folder, or zip.

    Raises:
        InputError: there is no such bundle, or it is too large to be one.
    """
    if path.is_dir():
        return list(_folder(path))
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise InputError(f"{path} is neither a folder nor a zip; give a bundle.")
    with scratch_folder() as scratch:
        found = list(_unpack(path, scratch / "bundle"))
        return [*found, *_folder(scratch / "bundle")]


def _unpack(path: Path, folder: Path) -> Iterator[Content]:
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = sum(one.file_size for one in members)
            if len(members) > _MOST_FILES or total > min(_LARGEST_BUNDLE, _RATIO * path.stat().st_size):
                raise InputError(f"{path} declares {len(members)} files of {total} bytes; no bundle is like that.")
            seen: set[str] = set()
            for one in members:
                name = PurePosixPath(one.filename.replace("\\", "/"))
                mode = one.external_attr >> 16
                if name.is_absolute() or ".." in name.parts or ":" in one.filename:
                    yield Content(one.filename, "file", "", "", "leads out of the bundle")
                elif str(name).lower() in seen and not one.is_dir():
                    yield Content(one.filename, "file", "", "", "is there twice")
                elif stat.S_ISLNK(mode):
                    yield Content(one.filename, "link", "", "", "is a link")
                elif not one.is_dir():
                    seen.add(str(name).lower())
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _copy(archive, one, target)
                    target.chmod(0o700 if mode & 0o111 else 0o600)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be unpacked ({type(error).__name__}); get it again.") from error


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    left = member.file_size
    with archive.open(member) as source, target.open("xb") as file:
        while left > 0 and (block := source.read(min(left, 2**20))):
            file.write(block)
            left -= len(block)


def _folder(root: Path) -> Iterator[Content]:
    count = 0
    for place, folders, files in os.walk(root):
        for name in sorted([*folders, *files]):
            path = Path(place, name)
            relative = path.relative_to(root).as_posix()
            count += 1
            if count > _MOST_FILES:
                raise InputError(f"{root} holds more than {_MOST_FILES} files; no bundle is like that.")
            if path.is_symlink():
                inside = path.resolve().is_relative_to(root.resolve())
                yield Content(relative, "link", "", str(path.readlink()), "" if inside else "leads out of the bundle")
            elif name in files:
                yield from _file(path, relative)


def _file(path: Path, name: str) -> Iterator[Content]:
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        yield Content(name, "file", "", "", "is no regular file")
        return
    if state.st_mode & 0o111:
        yield Content(name, "executable", "", "", "can be run")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        start = file.read(8)
    if suffix in _CONFIGS:
        yield from _config(path, name)
    elif suffix in (".conf", ".ini", ".cfg"):
        yield from _logging(path, name)
    elif suffix in _CODE or start.startswith((b"#!", b"\x7fELF", b"MZ")):
        own = rules.is_own_code(sha256_of_file(path))
        yield Content(name, "own", "", _OWN, "") if own else Content(name, "code", "", "", "is code")
    elif suffix in _WEIGHTS or weights.is_pickle(start) or zipfile.is_zipfile(path):
        yield from _weights(path, name)


def _config(path: Path, name: str) -> Iterator[Content]:
    if rules.is_own(sha256_of_file(path)):
        yield Content(name, "own", "", _OWN, "")
        return
    try:
        config = _read(path)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        yield Content(name, "file", "", type(error).__name__, "is not readable as a config")
        return
    for part in rules.parts(config):
        yield Content(name, *part)


def _read(path: Path) -> Any:
    if path.stat().st_size > _LARGEST_CONFIG:
        raise ValueError("too large")
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() == ".json":
        return json.loads(text)
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise ValueError("aliases")  # a few of them are enough for more entries than memory holds
    return yaml.safe_load(text)


def _logging(path: Path, name: str) -> Iterator[Content]:
    """`logging.config.fileConfig`, which `monai.bundle` calls, evaluates arguments and imports classes."""
    if rules.is_own(sha256_of_file(path)):
        yield Content(name, "own", "", _OWN, "")
        return
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (configparser.Error, ValueError):
        yield Content(name, "logging", "", "", "is not readable as a configuration of logging")
        return
    for section in parser.sections():
        for key in ("class", "args", "kwargs"):
            if parser.has_option(section, key):
                yield Content(name, "logging", f"{section}#{key}", parser.get(section, key), "is evaluated by logging")


def _weights(path: Path, name: str) -> Iterator[Content]:
    try:
        for one in weights.torchscript(path):
            yield Content(name, "torchscript", one, "", "is TorchScript code")
        weights.check_sizes(path)
        with path.open("rb") as file:
            start = file.read(4)
            if path.suffix.lower() not in weights.PICKLES and not (weights.is_pickle(start) or start == b"PK\3\4"):
                yield Content(name, "weights", "", "tensors", "")
                return
            names = weights.pickled_names(file)
    except weights.WeightsError as error:
        yield Content(name, "weights", "", "", str(error))
        return
    refusal = "" if weights.only_tensors(names) else "imports more than tensors need"
    yield Content(name, "pickle", "", ", ".join(sorted(names)), refusal)
