import json
import pickle
import resource
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from ichmonai.errors import InputError
from ichmonai.networks.sources import read_weights


def stored(path, compression=zipfile.ZIP_DEFLATED):
    """A file of PyTorch, packed again."""
    torch.save({"weight": torch.zeros(2**20)}, path.with_suffix(".tmp"))
    with zipfile.ZipFile(path.with_suffix(".tmp")) as source, zipfile.ZipFile(path, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))


def safetensors(path, header, data=b"", length=None):
    text = json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)


def tensor(begin, end):
    return {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end]}


def test_sound_files_are_read(tmp_path):
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.arange(3)}
    torch.save(state, tmp_path / "new.pt")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "a.safetensors")
    for name in ("new.pt", "old.pth", "a.safetensors"):
        assert torch.equal(read_weights(tmp_path / name)["a"], state["a"])


def bombs(folder):
    stored(folder / "packed.pt")
    safetensors(folder / "long.safetensors", {}, length=2**63)
    safetensors(folder / "longer.safetensors", {}, length=2**20)
    safetensors(folder / "overlap.safetensors", {"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12))
    safetensors(folder / "beyond.safetensors", {"a": tensor(0, 2**40)}, bytes(8))
    safetensors(folder / "odd.safetensors", {"a": {"data_offsets": "x"}})
    torch.save({"a": torch.zeros(1).expand(2**40)}, folder / "stretched.pt")
    old = folder / "old.pth"
    torch.save({"a": torch.zeros(77777)}, old, _use_new_zipfile_serialization=False)
    old.write_bytes(old.read_bytes().replace(pickle.dumps(77777, 2)[2:-1], b"J" + (2**31 - 1).to_bytes(4, "little")))
    (folder / "cut.pt").write_bytes((folder / "packed.pt").read_bytes()[:200])
    return sorted(path for path in folder.iterdir() if path.suffix != ".tmp")


def test_no_file_takes_more_memory_than_it_has_bytes(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = bombs(tmp_path)
    assert len(files) == 9
    for path in files:
        with pytest.raises(InputError, match=f"Cannot read weights from {path}"):
            read_weights(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 2**10
