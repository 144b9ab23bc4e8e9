"""Damage that no decoder complains of, found by what pixels look like and by the bytes that they would take."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless
from scipy.ndimage import gaussian_filter

from ichmonai.datasets.phantom import make_study
from ichmonai.io import HeadCTReadError, load_head_ct
from ichmonai.io.formats.dicom.pixels.jpeg2000_packets import block_lengths
from ichmonai.io.formats.dicom.pixels.plausibility import suspicion
from ichmonai.io.formats.dicom.pixels.recoding import odd_block
from tests.io.dicom_factory import write_slice


@pytest.fixture(scope="module")
def head():
    return make_study(0, "deep", size=256).hu


@pytest.fixture(scope="module")
def brain(head):
    return head[:, :, head.shape[2] // 2].astype(np.float32)


def jpeg2000(pixels, **options):
    stream = io.BytesIO()
    image = Image.fromarray((pixels + 4096).astype(np.uint16))
    image.save(stream, "JPEG2000", **{"no_jp2": True, "irreversible": False, **options})
    return stream.getvalue()


def flags(path):
    return [code for code, _ in load_head_ct(path).meta["findings"]]


def compressed(path, hu, frame, syntax):
    dataset = pydicom.dcmread(write_slice(path, hu=hu, storage=(16, 0, 1, -4096)))
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("seed", [1, 2])
def test_whole_slices_are_plausible(seed):
    hu = make_study(seed, size=256).hu.astype(np.float32)
    assert not any(
        suspicion(hu[:, :, index], row_by_row) for index in range(hu.shape[2]) for row_by_row in (False, True)
    )


def test_noise_and_flat_slices_are_plausible():
    noise = np.random.default_rng(0).normal(0, 100, (512, 512)).astype(np.float32)
    assert suspicion(noise, row_by_row=True) == suspicion(np.zeros((512, 512), np.float32), row_by_row=True) == ""
    assert suspicion(np.zeros((4, 4), np.float32)) == ""


def test_an_odd_pixel(brain):
    brain = brain.copy()
    brain[100, 120] += 512
    assert suspicion(brain) == "a pixel unlike all around it at row 101, column 121"


def test_a_run_of_odd_pixels(brain):
    brain = brain.copy()
    brain[100, 120:130] += 20000
    assert "at row 101" in suspicion(brain)


def test_rows_that_do_not_belong_together(brain):
    brain = brain.copy()
    brain[130:] = np.roll(brain[130:], 100, axis=1)
    assert suspicion(brain) == "a seam below row 130"


def test_what_a_window_leaves_is_plausible(brain):
    """Single pixels above or below it, and sharp borders of what was taken out."""
    window = brain.clip(0, 80)
    window[5, 5], window[7:12, 7:12], window[9, 9], window[230:] = 60, 80, 0, 0
    assert suspicion(window) == ""


def test_bytes_of_something_else(brain):
    brain = brain.copy()
    brain[100:104, 64:192] = np.random.default_rng(0).integers(0, 2**16, (4, 128)) - 1024
    assert suspicion(brain).startswith("noise in row 10")


@pytest.mark.parametrize("shift", [-60, 60])
def test_a_shifted_end_of_a_row(brain, shift):
    brain = brain.copy()
    brain[10, 200:] += shift
    assert suspicion(brain) == ""
    assert suspicion(brain, row_by_row=True) == "shifted values in row 11"


def test_a_couch_at_the_border_is_plausible(brain):
    brain = brain.copy()
    brain[240:244, 180:] += 400
    assert suspicion(brain, row_by_row=True) == ""


@pytest.mark.parametrize("thick", [2, 40, 200])
def test_metal_is_plausible(brain, thick):
    """As sharp as a scanner shows it, and cut off at 3071 HU."""
    for offset in range(2):
        fine = np.zeros((512, 512), np.float32)
        fine[200 + offset : 200 + offset + thick, 150:400] = 20_000
        metal = gaussian_filter(fine, 1.2).reshape(256, 2, 256, 2).mean(axis=(1, 3))
        assert suspicion(np.minimum(brain + metal, 3071)) == ""


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_resolutions": 1},
        {"num_resolutions": 3, "codeblock_size": (32, 16)},
        {"progression": "RLCP"},
        {"progression": "RPCL"},
        {"quality_mode": "rates", "quality_layers": [40, 10, 0]},
    ],
)
@pytest.mark.parametrize("crop", [1, 61])
def test_the_code_blocks_of_whole_images_have_the_length_of_what_they_show(brain, options, crop):
    image = brain[crop:, : 97 + crop]
    frame = jpeg2000(image, **options)
    coding, lengths = block_lengths(frame)
    assert coding.lossless
    assert 0.8 < sum(lengths) / len(frame) < 1
    assert odd_block(frame, image + 4096) == ""


@pytest.mark.parametrize("options", [{"tile_size": (64, 64)}, {"precinct_size": (64, 64)}])
def test_what_is_coded_otherwise_is_not_judged(brain, options):
    frame = jpeg2000(brain, **options)
    assert block_lengths(frame) is None
    assert odd_block(frame, brain + 4096) == ""


def test_lossy_images_are_not_judged(brain):
    frame = jpeg2000(brain, irreversible=True, quality_mode="rates", quality_layers=[10])
    assert odd_block(frame, brain + 4096) == ""
    reversible = jpeg2000(brain, quality_mode="rates", quality_layers=[10])
    decoded = np.asarray(Image.open(io.BytesIO(reversible)))
    assert odd_block(reversible, decoded) == ""


def test_packets_that_end_too_early_or_too_late(brain):
    frame = jpeg2000(brain)
    at = frame.index(b"\xff\x90") + 6
    for change in (b"\x00\x00", b""):
        body = frame[:-2] + change if change else frame[:-12]
        length = int.from_bytes(frame[at : at + 4], "big") + len(body) - len(frame) + 2
        with pytest.raises(ValueError, match="their packets"):
            block_lengths(body[:at] + length.to_bytes(4, "big") + body[at + 4 :] + b"\xff\xd9")


@pytest.mark.parametrize(("codec", "least"), [("rle", 0.3), ("jpeg2000", 0.7)])
def test_changed_bytes_that_matter_are_flagged(tmp_path, head, brain, codec, least):
    path = tmp_path / "a.dcm"
    hu = brain[::2, ::2]
    if codec == "rle":
        dataset = pydicom.dcmread(write_slice(path, hu=hu, storage=(16, 0, 1, -4096)))
        dataset.compress(RLELossless)
        frame, syntax = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)), RLELossless
    else:
        frame, syntax = jpeg2000(hu), JPEG2000Lossless
    assert flags(compressed(path, hu, frame, syntax)) == []
    rng = np.random.default_rng(0)
    seen = silent = 0
    for _ in range(40):
        damaged = bytearray(frame)
        damaged[int(rng.integers(len(frame)))] ^= int(rng.integers(1, 256))
        try:
            image = load_head_ct(compressed(path, hu, bytes(damaged), syntax))
        except HeadCTReadError:
            seen += 1
            continue
        change = np.abs(image[0].numpy() - hu).max()
        flagged = "damaged_pixels" in [code for code, _ in image.meta["findings"]]
        seen += bool(change) and flagged
        silent += change > 5 and not flagged
        assert change or not flagged
    assert seen / (seen + silent) >= least
