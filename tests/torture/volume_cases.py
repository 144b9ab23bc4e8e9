"""NIfTI, NRRD and MetaImage volumes."""

import gzip
import io
import struct
import zlib

import nibabel as nib
import numpy as np

from tests.torture.cases import ANYTHING, DAMAGED, PREDICTED, REFUSED, VOLUME, Inputs
from tests.torture.dicom_files import phantom

VOXELS = 352
SAME = ("trailing_ones", "double")
HEADER = {
    # offset in the NIfTI-1 header, format, values
    "sizeof_hdr": (0, "<i", (0, -1, 349)),
    "dim0": (40, "<h", (0, 2, 4, 8, -1)),
    "dim1": (42, "<h", (0, -5, 32767, 1)),
    "dim3": (46, "<h", (0, -1, 32767, 1, 27, 29)),
    "datatype": (70, "<h", (0, 1, 32, 128, 2304, 999, 16, 8, 64, 2)),
    "bitpix": (72, "<h", (0, 1, 64)),
    "pixdim0": (76, "<f", (0.0, float("nan"), -7.0)),
    "pixdim1": (80, "<f", (0.0, -2.0, float("nan"), float("inf"), 1e30)),
    "vox_offset": (108, "<f", (0.0, -1.0, float("nan"), 1e30, 400.0)),
    "scl_slope": (112, "<f", (0.0, float("nan"), float("inf"), -1.0, 1e38)),
    "scl_inter": (116, "<f", (float("nan"), float("inf"), 1e38)),
    "qform": (252, "<h", (-1, 99)),
    "sform": (254, "<h", (-1, 99, 0)),
    "srow_x": (280, "<f", (float("nan"), float("inf"), 0.0, 1e20, -1e-20)),
    "magic": (344, "<4s", (b"xxxx", b"ni1\0", b"\0\0\0\0")),
}


def write_volume_cases(inputs: Inputs) -> None:
    """All of them."""
    whole = nifti()
    inputs.file("volumes", "whole.nii", whole, PREDICTED)
    inputs.file("volumes", "whole.nii.gz", gzip.compress(whole), PREDICTED, shows=VOLUME)
    _arrays(inputs)
    _headers(inputs, whole)
    _compression(inputs, whole)
    _text_headers(inputs)


def nifti(voxels: np.ndarray | None = None, affine: np.ndarray | None = None, kind: type = nib.Nifti1Image) -> bytes:
    """A NIfTI file; the phantom unless other voxels are given. Its third axis is the patient's."""
    voxels = _voxels() if voxels is None else voxels
    content = bytearray(kind(voxels, np.diag([-2.4, -2.4, 5.0, 1.0])).to_bytes())
    if affine is not None:  # as it stands, which nibabel would not write
        with np.errstate(over="ignore"):
            struct.pack_into("<12f", content, 280, *affine[:3].astype(np.float32).ravel())
    return bytes(content)


def _voxels() -> np.ndarray:
    return np.ascontiguousarray(phantom().hu.transpose(1, 0, 2))


def _arrays(inputs: Inputs) -> None:
    hu = _voxels().astype(np.float32)
    one_nan, all_nan, one_inf = hu.copy(), np.full_like(hu, np.nan), hu.copy()
    one_nan[40, 40, 10] = np.nan
    one_inf[40, 40, 10] = np.inf
    colour = np.zeros(hu.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for name, voxels, expected in (
        ("nan_voxel", one_nan, {"undecodable"}),
        ("nan_voxels", all_nan, {"undecodable"}),
        ("inf_voxel", one_inf, {"undecodable"}),
        ("zeros", np.zeros_like(hu), {"not_head"}),
        ("constant", np.full_like(hu, 40), {"not_head"}),
        ("air", np.full_like(hu, -1000), {"not_head"}),
        ("huge_values", hu * 1e30, {"not_hu"}),
        ("two_dimensions", hu[..., 10], {"unreadable"}),
        ("one_dimension", hu[:, 10, 10], {"unreadable"}),
        ("four_dimensions", np.stack([hu, hu], axis=-1), {"unreadable"}),
        ("five_dimensions", np.stack([hu, hu], axis=-1)[..., None, :], {"unreadable"}),
        ("trailing_ones", hu[..., None, None], {PREDICTED}),
        ("one_slice", hu[..., 14:15], {PREDICTED}),
        ("one_voxel", hu[:1, :1, :1], {"bad_geometry"}),
        ("one_row", hu[:1], {"bad_geometry"}),
        ("thin", hu[:, 40:42], {"bad_geometry"}),
        ("complex", hu.astype(np.complex64), {"not_hu"}),
        ("colour", colour, {"burned_in"}),
        ("eight_bits", np.clip(hu / 80 * 255, 0, 255).astype(np.uint8), {"not_hu"}),
        ("offset", hu + 1024, {"not_hu"}),
        ("noise", inputs.random.normal(0, 500, hu.shape).astype(np.float32), REFUSED),
        ("double", hu.astype(np.float64), {PREDICTED}),
        ("empty", hu[:, :, :0], {"unreadable"}),
    ):
        inputs.file("arrays", f"{name}.nii", nifti(voxels), expected, shows=VOLUME if name in SAME else "")
    affines = {
        "nan_affine": np.full((4, 4), np.nan),
        "inf_affine": np.diag([np.inf, 2, 5, 1]),
        "zero_affine": np.diag([0.0, 0, 0, 1]),
        "flat_affine": np.diag([2.4, 2.4, 0, 1]),
        "tiny_affine": np.diag([1e-7, 1e-7, 1e-7, 1]),
        "vast_affine": np.diag([1e7, 1e7, 1e7, 1]),
        "sheared_affine": np.array([[2.4, 0, 40, 0], [0, 2.4, 40, 0], [0, 0, 5, 0], [0, 0, 0, 1.0]]),
        "singular_affine": np.array([[1.0, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]]),
    }
    for name, affine in affines.items():
        inputs.file("volumes", f"{name}.nii", nifti(affine=affine), "bad_geometry")
    sagittal = np.array([[0, 0, 5, 0], [2.4, 0, 0, 0], [0, 2.4, 0, 0], [0, 0, 0, 1.0]])
    inputs.file("volumes", "sagittal.nii", nifti(affine=sagittal), "bad_geometry", "not_axial")
    inputs.file("volumes", "second_version.nii", nifti(kind=nib.Nifti2Image), PREDICTED, shows=VOLUME)


def _headers(inputs: Inputs, whole: bytes) -> None:
    for name, (offset, kind, values) in HEADER.items():
        for number, value in enumerate(values):
            content = bytearray(whole)
            struct.pack_into(kind, content, offset, value)
            expected = REFUSED if name in ("sizeof_hdr", "dim1", "dim3", "datatype", "srow_x") else ANYTHING
            inputs.file("volumes", f"header_{name}_{number}.nii", bytes(content), expected)
    for number in range(25):
        inputs.file("volumes", f"header_bits_{number}.nii", inputs.flipped(whole, 1 + number % 4, 0, VOXELS), ANYTHING)
    big = nib.Nifti1Image(_voxels(), np.diag([-2.4, -2.4, 5.0, 1.0]), nib.Nifti1Header(endianness=">"))
    inputs.file("volumes", "big_endian.nii", big.to_bytes(), PREDICTED, shows=VOLUME)
    analyze = nib.AnalyzeImage(_voxels(), np.eye(4))
    files = {"header": io.BytesIO(), "image": io.BytesIO()}
    analyze.to_file_map({key: nib.FileHolder(fileobj=file) for key, file in files.items()})
    inputs.file("volumes", "analyze.nii", files["header"].getvalue(), REFUSED)


def _compression(inputs: Inputs, whole: bytes) -> None:
    for length in (0, 3, 100, 348, 352, *inputs.lengths(whole, 5, 400)):
        inputs.file("volumes", f"cut_{length}.nii", whole[:length], DAMAGED)
    packed = gzip.compress(whole, mtime=0)
    # The last is all voxels without the last byte of their checksum.
    for length in (0, 1, 9, 10, 18, *inputs.lengths(packed, 8, 20)):
        inputs.file("volumes", f"cut_{length}.nii.gz", packed[:length], DAMAGED)
    for number in range(15):
        damaged = inputs.flipped(packed, 1 + number % 3)
        inputs.file("volumes", f"bits_{number}.nii.gz", damaged, DAMAGED, PREDICTED, shows=VOLUME)
    inputs.file("volumes", "not_packed.nii.gz", whole, "unreadable")
    inputs.file("volumes", "packed.nii", packed, "unreadable")
    inputs.file("volumes", "rubbish_behind.nii.gz", packed + b"rubbish", "undecodable")
    parts = gzip.compress(whole[:5000]) + gzip.compress(whole[5000:])
    inputs.file("volumes", "two_members.nii.gz", parts, PREDICTED, shows=VOLUME)
    # 4 GiB of zeros behind what the header promises, and instead of it.
    zeros = gzip.compress(bytes(2**26)) * 64
    inputs.file("volumes", "bomb.nii.gz", packed + zeros, "undecodable")
    for name, shape, step, expected in (
        ("vast", (30_000, 30_000, 30_000), 0.0001, {"too_large", "bad_geometry"}),
        ("kilometres", (96, 96, 30_000), 5, {"bad_geometry"}),
        ("fine", (96, 96, 3000), 0.5, {"undecodable"}),  # nothing in the header is absurd
    ):
        lying = bytearray(whole[:VOXELS])
        struct.pack_into("<3h", lying, 42, *shape)
        struct.pack_into("<f", lying, 320, step)  # the last of srow_z
        inputs.file("volumes", f"{name}_bomb.nii.gz", gzip.compress(bytes(lying)) + zeros, expected)
    short = bytearray(whole[:VOXELS])
    struct.pack_into("<3h", short, 42, 1024, 1024, 500)
    struct.pack_into("<2f", short, 280, -0.25, 0)
    struct.pack_into("<2f", short, 296, 0, -0.25)
    struct.pack_into("<f", short, 320, 0.5)
    inputs.file("volumes", "promises.nii", bytes(short), "undecodable")
    inputs.file("volumes", "promises.nii.gz", gzip.compress(bytes(short)), "undecodable")


def _text_headers(inputs: Inputs) -> None:
    """NRRD and MetaImage."""
    hu = _voxels()
    x, y, z = hu.shape
    raw = np.asfortranarray(hu).tobytes(order="F")
    nrrd = (
        f"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {x} {y} {z}\n"
        "space directions: (2.4,0,0) (0,2.4,0) (0,0,5)\nkinds: domain domain domain\nendian: little\n"
        "encoding: raw\nspace origin: (0,0,0)\n\n"
    )
    mha = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 2.4 2.4 5\n"
        f"DimSize = {x} {y} {z}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    inputs.file("volumes", "whole.nrrd", nrrd.encode() + raw, PREDICTED)
    inputs.file("volumes", "whole.mha", mha.encode() + raw, PREDICTED)
    packed = gzip.compress(raw, mtime=0)
    header = nrrd.replace("encoding: raw", "encoding: gzip").encode()
    inputs.file("volumes", "packed.nrrd", header + packed, PREDICTED, shows="volumes/whole.nrrd")
    for length in inputs.lengths(packed, 4, 20):
        inputs.file("volumes", f"packed_cut_{length}.nrrd", header + packed[:length], DAMAGED)
    for number in range(4):
        damaged = inputs.flipped(packed, 1 + number)
        name = f"packed_bits_{number}.nrrd"
        inputs.file("volumes", name, header + damaged, DAMAGED, PREDICTED, shows="volumes/whole.nrrd")
    packed = zlib.compress(raw)
    sized = f"CompressedData = True\nCompressedDataSize = {len(packed)}\nTransformMatrix"
    header = mha.replace("TransformMatrix", sized).encode()
    inputs.file("volumes", "packed.mha", header + packed, PREDICTED, shows="volumes/whole.mha")
    for length in inputs.lengths(packed, 4, 20):
        inputs.file("volumes", f"packed_cut_{length}.mha", header + packed[:length], DAMAGED)
    for number in range(4):
        damaged = inputs.flipped(packed, 1 + number)
        name = f"packed_bits_{number}.mha"
        inputs.file("volumes", name, header + damaged, DAMAGED, PREDICTED, shows="volumes/whole.mha")
    changes = {
        "nrrd": {
            "sizes": (f": {x} {y} {z}", (": 0 0 0", ": -1 96 28", ": 99999 99999 9999", ": a b")),
            "short": ("short", ("block", "nonsense", "double")),
            "raw": ("raw", ("bzip2", "ascii", "nonsense")),
            "directions": ("(2.4,0,0)", ("(0,0,0)", "(nan,0,0)", "none", "(1e300,0,0)", "(", "(2.4,0)")),
            "dimension": ("dimension: 3", ("dimension: 2", "dimension: 17", "dimension: x")),
            "file": ("encoding", ("data file: ../../../../etc/passwd\nencoding", "data file: absent.raw\nencoding")),
        },
        "mha": {
            "size": (f"DimSize = {x} {y} {z}", ("DimSize = 0 0 0", "DimSize = -4 96 28", "DimSize = 99999 99999 9999")),
            "dims": ("NDims = 3", ("NDims = 2", "NDims = 999999999", "NDims = x", "NDims = -1")),
            "kind": ("MET_SHORT", ("MET_NONSENSE", "MET_DOUBLE", "MET_UCHAR_ARRAY")),
            "matrix": ("1 0 0 0 1 0 0 0 1", ("0 0 0 0 0 0 0 0 0", "nan 0 0 0 1 0 0 0 1", "1 2", "")),
            "spacing": ("2.4 2.4 5", ("0 0 0", "nan nan nan", "2.4", "1e300 1 1")),
            "file": ("LOCAL", ("/etc/passwd", "../absent.raw", "LIST", "absent.raw", "slice%d.raw 1 9 1")),
        },
    }
    for suffix, fields in changes.items():
        header = nrrd if suffix == "nrrd" else mha
        for name, (old, values) in fields.items():
            for number, value in enumerate(values):
                changed = header.replace(old, value, 1).encode() + raw
                inputs.file("volumes", f"{name}_{number}.{suffix}", changed, REFUSED)
        whole = header.encode() + raw
        for length in (0, 5, 60, len(header), len(whole) - 1000):
            inputs.file("volumes", f"cut_{length}.{suffix}", whole[:length], DAMAGED)
        for number in range(8):
            damaged = inputs.flipped(whole, 2, 0, len(header))
            inputs.file("volumes", f"bits_{number}.{suffix}", damaged, ANYTHING)
