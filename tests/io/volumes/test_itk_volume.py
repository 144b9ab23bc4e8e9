import gzip
import zlib

import numpy as np
import pytest

from ichmonai.io import Code, HeadCTReadError, load_head_ct

SHAPE = (12, 10, 8)
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 12 10 8\n"
    "space directions: (3,0,0) (0,3,0) (0,0,5)\nendian: little\nencoding: {}\nspace origin: (0,0,0)\n\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = {}\n"
    "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 3 3 5\nDimSize = 12 10 8\n"
    "ElementType = MET_SHORT\nElementDataFile = {}\n"
)
FORMATS = {
    "raw.nrrd": (NRRD.format("raw"), bytes),
    "gzip.nrrd": (NRRD.format("gzip"), gzip.compress),
    "raw.mha": (META.format("False", "LOCAL"), bytes),
    "zlib.mha": (META.format("True", "LOCAL"), zlib.compress),
    "zlib.mhd": (META.format("True", "voxels.zraw"), zlib.compress),
}


@pytest.fixture
def voxels():
    return np.random.default_rng(0).integers(-1000, 2000, SHAPE).astype("<i2").tobytes()


def write(folder, name, block):
    header = FORMATS[name][0]
    if name == "zlib.mha":
        header = header.replace("CompressedData =", f"CompressedDataSize = {len(block)}\nCompressedData =")
    if name.endswith("mhd"):
        (folder / "voxels.zraw").write_bytes(block)
        block = b""
    (folder / name).write_bytes(header.encode() + block)
    return folder / name


@pytest.mark.parametrize("name", FORMATS)
def test_whole_voxels_are_read(tmp_path, voxels, name):
    volume = load_head_ct(write(tmp_path, name, FORMATS[name][1](voxels)))
    assert sorted(volume.flatten().tolist()) == sorted(np.frombuffer(voxels, "<i2").tolist())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda voxels, pack: pack(voxels)[:-1], "too short|cut off"),
        (lambda voxels, pack: pack(voxels[:-240]), "too short"),
        (lambda voxels, pack: pack(voxels + bytes(240)), "more slices"),
    ],
)
def test_missing_and_spare_voxels_are_refused(tmp_path, voxels, name, change, said):
    with pytest.raises(HeadCTReadError, match=said) as caught:
        load_head_ct(write(tmp_path, name, change(voxels, FORMATS[name][1])))
    assert caught.value.code is Code.UNDECODABLE


def test_compressed_voxels_of_unknown_length_are_refused(tmp_path, voxels):
    path = tmp_path / "a.mha"
    path.write_bytes(FORMATS["zlib.mha"][0].encode() + zlib.compress(voxels))
    with pytest.raises(HeadCTReadError, match="lacks CompressedDataSize"):
        load_head_ct(path)


@pytest.mark.parametrize("name", [name for name in FORMATS if "raw" not in name])
def test_the_checksum_of_compressed_voxels_is_checked(tmp_path, voxels, name):
    block = bytearray(FORMATS[name][1](voxels))
    block[len(block) // 2] ^= 1
    with pytest.raises(HeadCTReadError, match="cannot be decoded"):
        load_head_ct(write(tmp_path, name, bytes(block)))
