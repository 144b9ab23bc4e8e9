"""A format is one module, and headers are read without what decodes voxels."""

import subprocess
import sys

import numpy as np
import pytest

from ichmonai.io import formats, load_head_ct, scan
from ichmonai.io.contents import files_of
from ichmonai.io.header import Kind
from ichmonai.io.series import ImageSource

NEW = """
import numpy as np

from ichmonai.io.format import Format, Voxels
from ichmonai.io.header import ImageHeader, Kind


class Plain(Format):
    name = "Plain"
    kind = Kind.PICTURE
    suffixes = (".plain",)

    def begins(self, start):
        return start.startswith(b"PLAIN")

    def read_headers(self, file, source):
        rows, columns = file.read(7)[5:]
        return [ImageHeader(source, str(source), str(source), Kind.PICTURE, rows=rows, columns=columns)]

    def read(self, source, window):
        with open(source.path, "rb") as file:
            data = file.read()
        return Voxels(np.frombuffer(data[7:], np.uint8).reshape(data[5], data[6]).astype(np.float32))

    def other_files(self, source):
        from pathlib import Path

        return [Path(source.path + ".more")]


FORMAT = Plain()
"""


@pytest.fixture
def a_new_format(tmp_path, monkeypatch):
    folder = tmp_path / "formats"
    folder.mkdir()
    (folder / "plain.py").write_text(NEW)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(folder)])
    known = formats.formats, formats.suffixes_of, formats._suffixes
    for one in known:
        one.cache_clear()
    yield
    sys.modules.pop("ichmonai.io.formats.plain", None)
    for one in known:
        one.cache_clear()


@pytest.mark.parametrize("name", ["a.plain", "a.PLAIN", "without_suffix"])
def test_a_new_format_is_one_module(tmp_path, a_new_format, name):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(b"PLAIN" + bytes([64, 80]) + bytes(range(64)) * 80)
    (header,) = scan([path.parent], workers=1)
    assert (header.kind, header.rows, header.columns) == (Kind.PICTURE, 64, 80)
    if name != "without_suffix":
        assert load_head_ct(path).shape == (1, 64, 80)
        (tmp_path / "in" / f"{name}.more").touch()
        assert files_of(ImageSource(str(path))) == [str(path), f"{path}.more"]


def test_suffixes_belong_to_one_format_each():
    own = [suffix for one in formats.formats() for suffix in one.suffixes]
    assert len(own) == len(set(own))
    assert {one.name for one in formats.formats()} >= {"DICOM", "NIfTI", "NRRD", "MetaImage", "MGH"}


def test_headers_of_all_formats_are_read_without_what_decodes_voxels(tmp_path):
    nib = pytest.importorskip("nibabel")
    volume = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4))
    for name in ("a.nii.gz", "b.hdr"):
        nib.save(volume if name.endswith("gz") else nib.Nifti1Pair(volume.dataobj, np.eye(4)), tmp_path / name)
    nib.save(nib.MGHImage(np.zeros((4, 4, 4), np.int16), np.eye(4)), tmp_path / "c.mgz")
    (tmp_path / "d.nrrd").write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nspacings: 1 1 1\nencoding: raw\n\n" + bytes(64)
    )
    (tmp_path / "e.mha").write_bytes(
        b"NDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n" + bytes(64)
    )
    (tmp_path / "f.dcm").write_bytes(bytes(128) + b"DICM")
    code = (
        "import sys\nfrom ichmonai.io import ImageHeader, scan\n"
        f"found = list(scan([{str(tmp_path)!r}], workers=1))\n"
        "print(sum(isinstance(one, ImageHeader) for one in found))\n"
        "print([name for name in ('torch', 'monai', 'itk') if name in sys.modules])\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split("\n")[:2] == ["5", "[]"]
