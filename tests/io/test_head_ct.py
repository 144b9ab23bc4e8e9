import gzip
import itertools
import logging

import itk
import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from PIL import Image

from ichmonai.io import Code, HeadCTReadError, load_head_ct

pytestmark = pytest.mark.filterwarnings("ignore:builtin type .*:DeprecationWarning")  # of itk's wrapping

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
DISPLAY = np.array([[0.0, -1, 0, 12], [-2, 0, 0, 20], [0, 0, 5, -30], [0, 0, 0, 1]])  # (P, L, S) of 2 x 1 x 5 mm
ORIENTATIONS = [
    "".join(code) for axes in itertools.permutations(("LR", "AP", "IS")) for code in itertools.product(*axes)
]


@pytest.fixture
def hu():
    return np.random.default_rng(0).integers(-1000, 2000, (6, 5, 4)).astype(np.int16)


def reoriented(hu, codes):
    change = ornt_transform(axcodes2ornt(("P", "L", "S")), axcodes2ornt(codes))
    return nib.orientations.apply_orientation(hu, change), DISPLAY @ inv_ornt_aff(change, hu.shape)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_nifti_in_any_orientation(tmp_path, hu, codes):
    voxels, affine = reoriented(hu, codes)
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "a.nii.gz")
    volume = load_head_ct(tmp_path / "a.nii.gz")
    assert np.array_equal(volume[0], hu)
    np.testing.assert_allclose(volume.affine, DISPLAY, atol=1e-5)
    assert "sop_instance_uids" not in volume.meta


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
@pytest.mark.parametrize("codes", ["LPS", "RAS", "ILA"])
def test_itk_volume_in_lps(tmp_path, hu, suffix, codes):
    voxels, affine = reoriented(hu, codes)
    lps = LPS_TO_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = itk.image_from_array(np.ascontiguousarray(voxels.transpose()))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(lps[:3, :3] / spacing)))
    itk.imwrite(image, str(tmp_path / f"a{suffix}"))
    volume = load_head_ct(tmp_path / f"a{suffix}")
    assert np.array_equal(volume[0], hu)
    np.testing.assert_allclose(volume.affine, DISPLAY, atol=1e-5)


def test_oblique_nifti_keeps_every_voxel_in_its_place(tmp_path, hu):
    angle = np.deg2rad(20)
    turn = np.array(
        [[1, 0, 0, 0], [0, np.cos(angle), -np.sin(angle), 0], [0, np.sin(angle), np.cos(angle), 0], [0, 0, 0, 1]]
    )
    voxels, affine = reoriented(hu, "RSA")
    nib.save(nib.Nifti1Image(voxels, turn @ affine), tmp_path / "a.nii")
    volume = load_head_ct(tmp_path / "a.nii")
    assert np.array_equal(volume[0], hu)
    np.testing.assert_allclose(volume.affine, turn @ DISPLAY, atol=1e-5)


def test_nifti_scaling_trailing_axis_and_air(tmp_path):
    image = nib.Nifti1Image(np.array([0, 1024, 1064, 5000], np.int16).reshape(1, 4, 1, 1), np.eye(4))
    image.header.set_slope_inter(1, -1024)
    nib.save(image, tmp_path / "a.nii")
    assert load_head_ct(tmp_path / "a.nii").flatten().tolist() == [3976, 40, 0, -1024]  # A to P
    nib.save(nib.Nifti1Image(np.full((2, 2, 1), -3024, np.int16), np.eye(4)), tmp_path / "b.nii")
    assert load_head_ct(tmp_path / "b.nii").shape == (1, 2, 2, 1)
    assert load_head_ct(tmp_path / "b.nii").max() == -1024


def test_nifti_without_orientation_is_warned_of(tmp_path, hu, caplog):
    nib.save(nib.Nifti1Image(hu, None), tmp_path / "a.nii")
    with caplog.at_level(logging.WARNING):
        load_head_ct(tmp_path / "a.nii")
    assert "has no orientation" in caplog.text


@pytest.mark.parametrize(
    ("voxels", "affine", "message"),
    [
        (np.zeros((4, 4), np.int16), np.eye(4), "three dimensions"),
        (np.zeros((4, 4, 4, 2), np.int16), np.eye(4), "three dimensions"),
        (np.full((4, 4, 4), np.nan, np.float32), np.eye(4), "not numbers"),
        (np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), np.eye(4), "a colour volume"),
    ],
)
def test_nifti_that_is_no_head_ct(tmp_path, voxels, affine, message):
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "a.nii")
    with pytest.raises(HeadCTReadError, match=message):
        load_head_ct(tmp_path / "a.nii")


def test_affine_that_is_not_invertible(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), None)
    image.header.set_sform(np.diag([1.0, 1, 0, 1]), code=1)
    image.to_filename(tmp_path / "a.nii")
    with pytest.raises(HeadCTReadError, match="not invertible"):
        load_head_ct(tmp_path / "a.nii")


def test_itk_of_other_dimensions(tmp_path):
    itk.imwrite(itk.image_from_array(np.zeros((4, 4), np.int16)), str(tmp_path / "a.mha"))
    itk.imwrite(itk.image_from_array(np.zeros((4, 4, 4, 3), np.uint8), is_vector=True), str(tmp_path / "b.mha"))
    for name, message in (("a.mha", "three dimensions"), ("b.mha", "3 values a voxel")):
        with pytest.raises(HeadCTReadError, match=message):
            load_head_ct(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_8_bit_image_is_read_back_through_its_window(tmp_path, suffix):
    pixels = np.array([[0, 51], [102, 255]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}")
    image = load_head_ct(tmp_path / f"a{suffix}")
    assert image.dtype.is_floating_point
    np.testing.assert_allclose(image, [[[0, 16], [32, 80]]], atol=1e-5)
    wide = load_head_ct(tmp_path / f"a{suffix}", window=(40, 380))
    np.testing.assert_allclose(wide, [[[-150, -74], [2, 230]]], atol=1e-4)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_grey_image_in_any_8_bit_mode(tmp_path, mode):
    grey = Image.fromarray(np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8))
    grey.convert(mode).save(tmp_path / "a.png")
    np.testing.assert_allclose(load_head_ct(tmp_path / "a.png")[0], np.asarray(grey) * (80 / 255), atol=0.35)


def test_16_bit_image_is_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(HeadCTReadError, match="pixel mode I;16; give an 8-bit image"):
        load_head_ct(tmp_path / "a.png")


@pytest.fixture
def whole_files(tmp_path, hu):
    folder = tmp_path / "whole"
    folder.mkdir()
    nib.save(nib.Nifti1Image(hu, DISPLAY), folder / "a.nii")
    nib.save(nib.Nifti1Image(hu, DISPLAY), folder / "b.nii.gz")
    for name in ("c.nrrd", "d.mha"):
        itk.imwrite(itk.image_from_array(hu), str(folder / name))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    for name in ("e.png", "f.jpg", "g.bmp"):
        picture.save(folder / name)
    return sorted(folder.iterdir())


def test_damaged_files_of_every_kind_are_refused_in_one_sentence(tmp_path, whole_files):
    for whole in whole_files:
        content = whole.read_bytes()
        load_head_ct(whole)
        for damaged in (b"", content[:20], content[: len(content) // 2], b"just some text\n" * 50, bytes(2000)):
            broken = tmp_path / f"broken{''.join(whole.suffixes)}"
            broken.write_bytes(damaged)
            with pytest.raises(HeadCTReadError) as info:
                load_head_ct(broken)
            assert broken.name in str(info.value)
            assert "\n" not in str(info.value)
            assert len(str(info.value)) < 600


def test_wrong_content_under_a_right_name(tmp_path, whole_files):
    for whole, other in itertools.pairwise([*whole_files, whole_files[0]]):
        if whole.suffix in (".png", ".jpg", ".bmp") and other.suffix in (".png", ".jpg", ".bmp"):
            continue  # Pillow looks at the content, not the name
        mixed = tmp_path / f"mixed{''.join(whole.suffixes)}"
        mixed.write_bytes(other.read_bytes())
        with pytest.raises(HeadCTReadError, match="mixed"):
            load_head_ct(mixed)


def test_mhd_without_its_raw_file(tmp_path, hu):
    itk.imwrite(itk.image_from_array(hu), str(tmp_path / "a.mhd"))
    (tmp_path / "a.raw").unlink()
    with pytest.raises(HeadCTReadError, match=r"a\.mhd"):
        load_head_ct(tmp_path / "a.mhd")


def test_packed_nifti_is_read_to_its_checksum(tmp_path, hu):
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(hu, DISPLAY), path)
    whole = path.read_bytes()
    wrong = bytearray(whole)
    wrong[-8] ^= 1
    for content in (whole[:-1], whole[:-8], bytes(wrong), whole + b"rubbish"):
        path.write_bytes(content)
        with pytest.raises(HeadCTReadError, match="cannot be decoded") as caught:
            load_head_ct(path)
        assert caught.value.code is Code.UNDECODABLE


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_that_holds_more_than_its_header_says(tmp_path, hu, suffix):
    content = bytearray(nib.Nifti1Image(hu, DISPLAY).to_bytes())
    open_ = gzip.open if suffix == ".nii.gz" else open
    with open_(tmp_path / f"padded{suffix}", "wb") as file:
        file.write(content + bytes(16))
    assert load_head_ct(tmp_path / f"padded{suffix}").numpy().size == hu.size
    content[46:48] = (hu.shape[2] - 1).to_bytes(2, "little")  # dim[3]
    with open_(tmp_path / f"a{suffix}", "wb") as file:
        file.write(content)
    with pytest.raises(HeadCTReadError, match="more slices than its header says"):
        load_head_ct(tmp_path / f"a{suffix}")
    content[46:48] = (hu.shape[2] + 1000).to_bytes(2, "little")
    with open_(tmp_path / f"a{suffix}", "wb") as file:
        file.write(content)
    with pytest.raises(HeadCTReadError, match="cannot be decoded"):
        load_head_ct(tmp_path / f"a{suffix}")


def test_gzip_of_text(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"text" * 200))
    with pytest.raises(HeadCTReadError, match="it is not NIfTI"):
        load_head_ct(tmp_path / "a.nii.gz")


def test_missing_path_and_unknown_file(tmp_path):
    with pytest.raises(HeadCTReadError, match="does not exist"):
        load_head_ct(tmp_path / "nothing.nii")
    (tmp_path / "notes.txt").write_text("not CT")
    with pytest.raises(HeadCTReadError, match="not a readable DICOM file"):
        load_head_ct(tmp_path / "notes.txt")


def test_what_itk_says_is_the_same_in_every_run(tmp_path):
    header = "NDims = 3\nDimSize = 6 5 4\nElementType = MET_NONSENSE\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(header.encode() + bytes(240))
    with pytest.raises(HeadCTReadError, match="component type") as caught:
        load_head_ct(tmp_path / "a.mha")
    assert "0x" not in str(caught.value)


def test_nrrd_as_text_is_refused(tmp_path):
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nspacings: 1 1 5\nencoding: ascii\n\n"
    (tmp_path / "a.nrrd").write_bytes(header.encode() + bytes(240))
    with pytest.raises(HeadCTReadError, match="encoded as 'ascii'"):
        load_head_ct(tmp_path / "a.nrrd")
