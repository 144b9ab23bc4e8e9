"""Time the decoders of compressed DICOM pixels that are installed, and count what each makes of damaged ones.

Every decoder of pydicom decodes the same frames of each transfer syntax. The baseline is the one that the reader takes
(`chosen`); ratios are above 1 where another is faster. "reader" is all that the reader does: its checks of the code,
the chosen decoder, and listening to what it prints. Time is CPU time of the process, the median of interleaved rounds.

Damage is one byte that is changed, drawn with a fixed seed; the reader decodes with each decoder in its place, in a
process of its own. `flagged` are other pixels that the reader says it suspects, `silent` those of which it says
nothing. The later check of neighbouring slices (`scripts.check.damaged_pixels`) is not in it.

Decoders that are not dependencies are measured where they are found (pylibjpeg with pylibjpeg-openjpeg, -rle and
-libjpeg, the last under GPL). Nothing here encodes HTJ2K, which only pylibjpeg-openjpeg decodes; deflated files are
inflated by zlib before any decoder, and stand here as such.

    python -m scripts.bench.decoders --out scripts/results/bench_decoders.csv
    python -m scripts.bench.decoders --dicom folder/*.dcm --out /tmp/real.csv
"""

import argparse
import datetime
import io
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from ichmonai.datasets.phantom import make_study
from ichmonai.io import load_head_ct
from ichmonai.io.formats.dicom.pixels import decode
from ichmonai.tables import write_csv
from scripts.bench.machine import machine
from scripts.check.damaged_pixels import CODECS, dicom_of
from scripts.check.disturbed.pixels import one_byte

READER = "reader"
OUTCOMES = ("refused", "equal", "flagged", "silent")
PACKAGES = (
    "pydicom",
    "pillow",
    "python-gdcm",
    "pyjpegls",
    "pylibjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pylibjpeg-libjpeg",
)
Pixels = NDArray[np.generic]


def jpeg(one: Dataset, folder: Path) -> bytes:
    """Baseline JPEG, which has 8 bits."""
    stored = np.frombuffer(one.PixelData, np.uint16)
    stream = io.BytesIO()
    Image.fromarray((stored.reshape(one.Rows, one.Columns) // 32).clip(0, 255).astype(np.uint8)).save(stream, "JPEG")
    one.BitsAllocated, one.BitsStored, one.HighBit = 8, 8, 7
    one.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return stream.getvalue()


ENCODERS = {"jpeg": jpeg} | {name: encode for name, encode in CODECS.items() if name != "native"}


def encoded(hu: NDArray[np.int16], codec: str) -> tuple[Dataset, bytes]:
    """An image, and its compressed frame."""
    one = dicom_of(hu, 0)
    with tempfile.TemporaryDirectory() as folder:
        code = ENCODERS[codec](one, Path(folder))
    return with_code(one, code), code


def with_code(one: Dataset, code: bytes) -> Dataset:
    one.PixelData = encapsulate([code])
    one["PixelData"].VR, one["PixelData"].is_undefined_length = "OB", True
    return one


def by_plugin(plugin: str) -> Callable[[Dataset], Pixels]:
    return lambda one: next(iter_pixels(one, raw=True, decoding_plugin=plugin))


def by_reader(one: Dataset) -> Pixels:
    return next(decode.read_pixels(one, [0]))[0]


def timed(way: Callable[[Dataset], Pixels], images: list[Dataset]) -> tuple[float, list[Pixels]]:
    start = time.process_time()
    results = [way(one) for one in images]
    return 1000 * (time.process_time() - start) / len(images), results


def compared(
    ways: dict[str, Callable[[Dataset], Pixels]], images: list[Dataset], rounds: int, baseline: str
) -> dict[str, tuple[float, bool]]:
    """CPU ms a frame of each way, and whether its pixels are those of the baseline."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    results = {name: timed(way, images)[1] for name, way in ways.items()}  # which warms up
    for _ in range(rounds):
        for name, way in ways.items():
            spent[name].append(timed(way, images)[0])
    return {
        name: (statistics.median(spent[name]), all(map(np.array_equal, results[name], results[baseline])))
        for name in ways
    }


def damaged(one: Dataset, code: bytes, plugin: str, number: int) -> dict[str, int]:
    """What the reader makes of damaged codes with a decoder."""
    counts = dict.fromkeys(OUTCOMES, 0)
    whole, rng = by_reader(with_code(one, code)), np.random.default_rng(0)
    with patch.dict(decode._PLUGINS, {one.file_meta.TransferSyntaxUID: plugin}):
        for _ in range(number):
            changed = bytearray(code)
            one_byte(changed, b"", rng)
            try:
                found, suspicion = next(decode.read_pixels(with_code(one, bytes(changed)), [0]))
            except Exception:
                counts["refused"] += 1
            else:
                same = np.array_equal(found, whole)
                counts["equal" if same else "flagged" if suspicion else "silent"] += 1
    return counts


def survived(one: Dataset, code: bytes, plugin: str, number: int) -> dict[str, object]:
    """The same in a process of its own, which a decoder may end."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        try:
            return {**pool.submit(damaged, one, code, plugin, number).result(), "ended_process": False}
        except BrokenProcessPool:
            return {"ended_process": True}


def deflated(images: list[Dataset], rounds: int) -> dict[str, object]:
    """What inflating costs, against files that are not deflated."""
    files: dict[str, list[bytes]] = {"not deflated": [], "zlib": []}
    for one in images:
        for name, kept in files.items():
            stream = io.BytesIO()
            if name == "zlib":
                one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
            one.save_as(stream, enforce_file_format=True)
            kept.append(stream.getvalue())
    spent: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, kept in files.items():
            start = time.process_time()
            for content in kept:
                by_reader(pydicom.dcmread(io.BytesIO(content)))
            spent[name].append(1000 * (time.process_time() - start) / len(kept))
    plain, inflated = (statistics.median(spent[name]) for name in files)
    return {
        "codec": "deflated",
        "syntax": str(DeflatedExplicitVRLittleEndian),
        "decoder": "zlib",
        "chosen": True,
        "ms": f"{inflated:.2f}",
        "ratio": f"{plain / inflated:.2f} (not deflated)",
        "same_pixels": True,
    }


def versions() -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package}={version(package)}")
        except PackageNotFoundError:
            continue
    return " ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="csv to write")
    parser.add_argument("--dicom", type=Path, nargs="*", help="uncompressed CT images; a phantom by default")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--damages", type=int, default=200, help="of each decoder")
    parser.add_argument("--codecs", nargs="*", default=list(ENCODERS), choices=list(ENCODERS))
    args = parser.parse_args()
    hu = load_head_ct(args.dicom)[0].numpy().astype(np.int16) if args.dicom else make_study(0, "deep", 512).hu
    chosen = [np.ascontiguousarray(hu[..., at]) for at in np.linspace(0, hu.shape[2] - 1, args.frames + 2).astype(int)]
    rows: list[dict[str, object]] = []
    facts = {
        "source": "dicom" if args.dicom else "phantom",
        "frames": args.frames,
        "rounds": args.rounds,
        "machine": machine(),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }
    for codec in args.codecs:
        images, codes = zip(*(encoded(one, codec) for one in chosen[1:-1]), strict=True)
        syntax = images[0].file_meta.TransferSyntaxUID
        plugins = decode.available_plugins(syntax)
        baseline = decode._PLUGINS.get(syntax, plugins[0])
        found = compared(
            {READER: by_reader, **{name: by_plugin(name) for name in plugins}}, list(images), args.rounds, baseline
        )
        for name, (ms, same) in found.items():
            harm = survived(images[0], codes[0], name, args.damages) if name != READER else {}
            of_decoder = {"codec": codec, "syntax": str(syntax), "decoder": name, "chosen": name == baseline}
            speed = {"ms": f"{ms:.2f}", "ratio": f"{found[baseline][0] / ms:.2f}", "same_pixels": same}
            rows.append({**of_decoder, **speed, "damages": args.damages if harm else "", **harm})
            print(*rows[-1].values(), flush=True)
    rows.append(deflated([dicom_of(one, 0) for one in chosen[1:-1]], args.rounds))
    columns = ("codec", "syntax", "decoder", "chosen", "ms", "ratio", "same_pixels", "damages", *OUTCOMES)
    write_csv(args.out, (*columns, "ended_process", *facts), ({**row, **facts} for row in rows))


if __name__ == "__main__":
    main()
