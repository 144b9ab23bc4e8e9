"""Weights files, before anything in them is read: what they would call, and whether their sizes are their own."""

import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib")
_TENSORS = {
    "collections OrderedDict",
    "torch Size",
    "torch device",
    "torch _utils",
    "torch.nn.parameter Parameter",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch.serialization _get_layout",
    *(
        f"torch {kind}Storage"
        for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
    ),
    *(f"torch {kind}" for kind in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8")),
}
"""What a state_dict of tensors names."""
_COMPUTED = "a name that is computed"
_MAGIC = 0x1950A86A20F9469CFC6C
"""The number with which files of PyTorch before 1.6 begin."""
_LARGEST_HEADER = 100 * 2**20  # as safetensors itself
_MEMBERS = 100_000
_LARGEST_PICKLE = 2**28


class WeightsError(ValueError):
    """A weights file is not what it says; the message ends the sentence "FILE ..."."""


def is_pickle(start: bytes) -> bool:
    """Whether bytes begin as a pickle of protocol 2 or later, as `torch.save` and `pickle` write them."""
    return len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5


def pickled_names(file: BinaryIO) -> set[str]:
    """Everything that unpickling a file would import, as `module name`; nothing is unpickled.

    Args:
        file: a pickle, several one after another, or a zip of `torch.save`.

    Raises:
        WeightsError: where it cannot be told.
    """
    names: set[str] = set()
    for stream in _pickles(file):
        texts: list[str] = []
        try:
            while True:
                for opcode, argument, _ in pickletools.genops(stream):
                    if opcode.name in ("GLOBAL", "INST"):
                        names.add(str(argument))
                    elif opcode.name.startswith("EXT"):
                        names.add(_COMPUTED)
                    elif opcode.name == "STACK_GLOBAL":
                        names.add(" ".join(texts[-2:]) if len(texts) > 1 else _COMPUTED)
                    if "UNICODE" in opcode.name:
                        texts.append(str(argument))
                    elif opcode.name != "MEMOIZE" and "PUT" not in opcode.name:
                        texts.clear()  # the two names must have been put there directly before
                if not is_pickle(stream.read(2)):
                    break
                stream.seek(-2, 1)
        except (ValueError, UnicodeDecodeError, EOFError, IndexError) as error:
            raise WeightsError("is a damaged pickle") from error
    return names


def only_tensors(names: set[str]) -> bool:
    """Whether what a pickle names is what tensors need."""
    return names <= _TENSORS


def check_sizes(path: Path) -> None:
    """Refuse a file that would take more memory than it has bytes, or whose parts overlap.

    Args:
        path: of any format; what is neither safetensors nor of PyTorch passes.

    Raises:
        WeightsError: where it would.
        OSError: where it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if path.suffix == ".safetensors":
            _check_safetensors(file, size)
        elif zipfile.is_zipfile(file):
            for _ in _members(file, size):
                pass
        elif path.suffix in PICKLES:
            _check_old_pickle(file, size)


def torchscript(path: Path) -> list[str]:
    """Names of the code that a file of TorchScript carries; empty for other files.

    Raises:
        WeightsError: the file is a damaged zip.
    """
    if not zipfile.is_zipfile(path):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if "/code/" in name]
    except (zipfile.BadZipFile, NotImplementedError, struct.error, OverflowError) as error:
        raise WeightsError("is a damaged zip") from error


def _members(file: BinaryIO, size: int) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS or sum(one.file_size for one in members) > size:
                raise WeightsError("declares more than it holds")
            if any(one.compress_type != zipfile.ZIP_STORED for one in members):
                raise WeightsError("is compressed, as PyTorch does not write it")
            for one in members:
                yield archive, one
    except (zipfile.BadZipFile, NotImplementedError, struct.error, OverflowError, EOFError) as error:
        raise WeightsError("is a damaged zip") from error


def _pickles(file: BinaryIO) -> Iterator[BinaryIO]:
    if not zipfile.is_zipfile(file):
        file.seek(0)
        yield file
        return
    size = file.seek(0, 2)
    for archive, member in _members(file, size):
        if member.filename.endswith((".pkl", ".pickle")) and member.file_size <= _LARGEST_PICKLE:
            yield io.BytesIO(archive.read(member))


def _check_safetensors(file: BinaryIO, size: int) -> None:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, _LARGEST_HEADER):
        raise WeightsError("declares a header longer than itself")
    try:
        header = json.loads(file.read(length))
        spans = sorted(tuple(one["data_offsets"]) for name, one in header.items() if name != "__metadata__")
        end = 0
        for begin, after in spans:
            if begin < end or after < begin:
                raise WeightsError("has tensors that overlap")
            end = after
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise error if isinstance(error, WeightsError) else WeightsError("has a damaged header") from error
    if end > size - 8 - length:
        raise WeightsError("declares more than it holds")


def _check_old_pickle(file: BinaryIO, size: int) -> None:
    """PyTorch before 1.6 wrote the sizes of storages into pickles, and sets memory aside for them before it reads."""
    try:
        while is_pickle(file.read(2)):
            file.seek(-2, 1)
            for _, argument, _ in pickletools.genops(file):
                if isinstance(argument, int) and size < argument != _MAGIC:
                    raise WeightsError("declares more than it holds")
    except (ValueError, UnicodeDecodeError, EOFError, IndexError) as error:
        raise error if isinstance(error, WeightsError) else WeightsError("is a damaged pickle") from error
