"""Damage a slice's pixel data, many times in each codec, and count what is said of it.

    python -m scripts.check.damaged_pixels --out scripts/results/check_damaged_pixels.csv
    python -m scripts.check.damaged_pixels --dicom folder/*.dcm --out /tmp/real.csv

The slices are those of a phantom, or of uncompressed DICOM files of one series, and are read with their neighbours. One
byte, drawn with a fixed seed from the compressed frame (or the picture's file), is replaced by another; without
compression also what disks and networks damage: a run of zeros, of noise or of what belongs elsewhere, as long as a
sector or a page and where one begins, and bytes that are lost, by which all that follows is shifted. A change matters
where it moves any pixel by more than 5 HU or more than 1% of the pixels at all.
"""

import argparse
import csv
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000, CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid

from ichmonai.datasets.phantom import make_study
from ichmonai.io import HeadCTReadError, load_head_ct
from scripts.check.disturbed.pixels import RUNS, Damage, one_byte

MATTERS_HU, MATTERS_SHARE = 5.0, 0.01
COLUMNS = (
    "source",
    "codec",
    "damage",
    "bytes",
    "changed",
    "equal",
    "refused",
    "flagged",
    "slight",
    "silent",
    "silent_hu",
    "ms",
)
COLUMNS_HELP = """
bytes             of the first slice's frame or file
changed           slices damaged
equal             HU as before
refused           no answer, with a code
flagged           other HU, with the finding damaged_pixels
slight, silent    other HU without a finding: where the change does not matter, and where it does
silent_hu         of the silent, the median of the largest change in HU
ms                to read one undamaged slice
"""


SERIES = generate_uid()


def dicom_of(hu: NDArray[np.int16], number: int) -> Dataset:
    """A CT image of HU as they are, without compression."""
    one = Dataset()
    one.SOPClassUID, one.SOPInstanceUID, one.SeriesInstanceUID = CTImageStorage, generate_uid(), SERIES
    one.Modality, one.PhotometricInterpretation, one.SamplesPerPixel = "CT", "MONOCHROME2", 1
    one.Rows, one.Columns = hu.shape
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    one.RescaleSlope, one.RescaleIntercept = 1, -4096
    one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, 5 * number], [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.SliceThickness = [0.45, 0.45], 5
    one.PixelData = (hu.astype(np.int32) + 4096).clip(0, None).astype(np.uint16).tobytes()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return one


def native(one: Dataset, folder: Path) -> bytes:
    return one.PixelData


def rle(one: Dataset, folder: Path) -> bytes:
    one.compress(RLELossless, generate_instance_uid=False)
    return next(generate_frames(one.PixelData, number_of_frames=1))


def by_gdcm(name: str) -> Callable[[Dataset, Path], bytes]:
    """GDCM is the encoder of lossless JPEG and JPEG-LS that is installed."""

    def encode(one: Dataset, folder: Path) -> bytes:
        source, target = str(folder / "source.dcm"), str(folder / "target.dcm")
        one.save_as(source, enforce_file_format=True)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(source)
        reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        change.SetInput(reader.GetImage())
        change.Change()
        writer.SetFileName(target)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.Write()
        read = pydicom.dcmread(target)
        one.file_meta.TransferSyntaxUID = read.file_meta.TransferSyntaxUID
        return next(generate_frames(read.PixelData, number_of_frames=1))

    return encode


def jpeg2000(**options: object) -> Callable[[Dataset, Path], bytes]:
    def encode(one: Dataset, folder: Path) -> bytes:
        stream = io.BytesIO()
        image = Image.fromarray(np.frombuffer(one.PixelData, np.uint16).reshape(one.Rows, one.Columns))
        image.save(stream, "JPEG2000", no_jp2=True, **options)
        one.file_meta.TransferSyntaxUID = JPEG2000 if options["irreversible"] else JPEG2000Lossless
        return stream.getvalue()

    return encode


CODECS: dict[str, Callable[[Dataset, Path], bytes]] = {
    "native": native,
    "rle": rle,
    "jpeg_lossless": by_gdcm("JPEGLosslessProcess14_1"),
    "jpeg_ls": by_gdcm("JPEGLSLossless"),
    "jpeg_ls_near": by_gdcm("JPEGLSNearLossless"),
    "jpeg2000_lossless": jpeg2000(irreversible=False),
    "jpeg2000_lossy": jpeg2000(irreversible=True, quality_mode="rates", quality_layers=[10]),
}
PICTURES = {"jpg": {"quality": 90}, "png": {}}


class Sample:
    """One slice in one codec, of which bytes can be changed, and its neighbours.

    Args:
        slices: (H, W) each; the second is changed.
        codec: of `CODECS` or `PICTURES`.
        folder: for its files.
    """

    def __init__(self, slices: list[NDArray[np.int16]], codec: str, folder: Path) -> None:
        hu = slices[1]
        self.header = None if codec in PICTURES else dicom_of(hu, 1)
        self.path = folder / f"slice.{codec if codec in PICTURES else 'dcm'}"
        self.paths = [self.path]
        if self.header is None:
            stream = io.BytesIO()
            grey = (hu.clip(0, 80).astype(np.float32) * 255 / 80).round().astype(np.uint8)
            Image.fromarray(grey).save(stream, "JPEG" if codec == "jpg" else "PNG", **PICTURES[codec])
            self.code = stream.getvalue()
        else:
            self.code = CODECS[codec](self.header, folder)
            for number in (0, 2):
                self.paths.append(folder / f"{number}.dcm")
                dicom_of(slices[number], number).save_as(self.paths[-1], enforce_file_format=True)
        self.codec = codec
        self.other = dicom_of(slices[2], 2).PixelData
        self.whole, flagged = self.read(self.code)
        start = time.perf_counter()
        load_head_ct(self.path)
        self.ms = (time.perf_counter() - start) * 1000
        if flagged:
            raise SystemExit(f"An undamaged slice in {codec} is flagged: {flagged}")

    def read(self, code: bytes) -> tuple[NDArray[np.float32], list]:
        """HU, and what is said of damage."""
        if self.header is None:
            self.path.write_bytes(code)
        else:
            compressed = self.codec != "native"
            self.header.PixelData = encapsulate([code]) if compressed else code
            self.header["PixelData"].is_undefined_length = compressed
            self.header["PixelData"].VR = "OB" if compressed else "OW"
            self.header.save_as(self.path, enforce_file_format=True)
        image = load_head_ct(self.paths)
        flagged = [sentence for code, sentence in image.meta["findings"] if code == "damaged_pixels"]
        return image[0].numpy() if self.header is None else image[0, ..., 1].numpy(), flagged

    def outcome(self, damage: Damage, rng: np.random.Generator) -> tuple[str, float]:
        """What becomes of a damage, and the largest change in HU."""
        code = bytearray(self.code)
        damage(code, self.other, rng)
        try:
            hu, flagged = self.read(bytes(code))
        except HeadCTReadError:
            return "refused", 0.0
        if hu.shape != self.whole.shape:
            return "silent", np.inf
        change = np.abs(hu - self.whole)
        if not change.any():
            return "equal", 0.0
        if flagged:
            return "flagged", float(change.max())
        matters = change.max() > MATTERS_HU or (change > 0).mean() > MATTERS_SHARE
        return "silent" if matters else "slight", float(change.max())


def measure(triples: list[list[NDArray[np.int16]]], codec: str, damage: str, number: int) -> dict[str, object]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        outcomes, ms, size = [], [], 0
        for index, slices in enumerate(triples):
            sample = Sample(slices, codec, Path(folder))
            size = size or len(sample.code)
            ms.append(sample.ms)
            change = RUNS.get(damage, one_byte)
            outcomes += [sample.outcome(change, rng) for _ in range(index, number, len(triples))]
    counts = {name: sum(kind == name for kind, _ in outcomes) for name in COLUMNS[5:10]}
    silent = [change for kind, change in outcomes if kind == "silent"]
    hu = f"{np.median(silent):.0f}" if silent else ""
    row = {"codec": codec, "damage": damage, "bytes": size, "changed": len(outcomes), **counts}
    return row | {"silent_hu": hu, "ms": f"{np.median(ms):.0f}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.epilog = COLUMNS_HELP
    parser.add_argument(
        "--dicom", type=Path, nargs="*", help="uncompressed CT images of a series; a phantom by default"
    )
    parser.add_argument("--number", type=int, default=300, help="of damages of each kind")
    parser.add_argument("--codecs", nargs="*", default=[*CODECS, *PICTURES], help="of %(default)s")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    hu = load_head_ct(args.dicom)[0].numpy().astype(np.int16) if args.dicom else make_study(0, "deep").hu
    middles = np.linspace(0, hu.shape[2] - 1, 5).astype(int)[1:-1]
    triples = [[hu[:, :, index + beside] for beside in (-1, 0, 1)] for index in middles]
    with args.out.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for codec, damage in [(one, "1 byte") for one in args.codecs] + [("native", one) for one in RUNS]:
            row = {"source": "dicom" if args.dicom else "phantom"}
            table.writerow(row := row | measure(triples, codec, damage, args.number))
            file.flush()
            print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
