"""Time the way from a DICOM file to the network's input (float 3 x 224 x 224): ichmonai against the published chain.

Every chain takes one file at a time, in one process and one thread:

- published, contours: DTViT's chain as a straightforward script has it. SimpleITK; clip to [0, 80] HU; min-max to
  8 bit; above 3; erosion with disk(3); largest contour, filled; dilation; edge columns to zero; flood from (1, 1);
  mask; then torchvision's Resize, CenterCrop, ToTensor and Normalize on a PIL image
- published, labels: the same with the largest component by labels in place of the contour, which is faster; the ratios
  are against this one
- ours, as published: load_head_ct, RemoveHeadHolderAsPublished, then the transforms of the bundle
- ours, robust: the preprocessing of a DTViT by inference.json, whose RemoveHeadHolder keeps skin and ears

Rounds over all slices are interleaved; the speeds are of the median round, by CPU time of the process and by the
clock. Dice is against the mask of "published, labels": for "as published" the whole mask, on all slices; for "robust"
the tissue that it lets through, on the `dice_slices` where the two disagree on less than 5% of the tissue either way.
The others, where the published chain loses head or one of the two keeps holder, are listed. Slices of phe are wrapped
as DICOM in a temporary folder.

    python -m scripts.bench.preprocess --data DIR --out scripts/results/bench_preprocess.csv
"""

import argparse
import datetime
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before any library starts its threads

import numpy as np
import SimpleITK as sitk  # noqa: N813
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from PIL import Image, ImageDraw
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from skimage.measure import find_contours, label
from skimage.morphology import dilation, disk, erosion
from skimage.segmentation import flood
from torchvision import transforms as tv

from ichmonai.io import load_head_ct
from ichmonai.paths import absolute_config, bundle_root
from ichmonai.tables import write_csv
from ichmonai.transforms import IMAGENET_MEAN, IMAGENET_STD, RemoveHeadHolderAsPublished
from ichmonai.transforms.anatomy.head_mask import head_mask
from ichmonai.transforms.chain.remove_head_holder_as_published import published_chain
from scripts.bench.machine import machine

TO_INPUT = tv.Compose([tv.Resize(256), tv.CenterCrop(224), tv.ToTensor(), tv.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
DISAGREEMENT = 0.05
Chain = Callable[[Path], torch.Tensor]
Mask = np.ndarray


def largest_contour(binary: Mask) -> Mask:
    contours = find_contours(binary, 0.5)
    areas = [abs(np.sum(c[:-1, 0] * c[1:, 1] - c[1:, 0] * c[:-1, 1])) / 2 for c in contours]
    mask = Image.new("1", binary.shape[::-1])
    outline = contours[int(np.argmax(areas))][:, ::-1]  # skimage's own polygons take a second each
    ImageDraw.Draw(mask).polygon(outline.ravel().tolist(), fill=1)
    return np.asarray(mask)


def largest_component(binary: Mask) -> Mask:
    labels = label(binary)
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax()


def published_mask(hu: np.ndarray, largest: Callable[[Mask], Mask]) -> tuple[np.ndarray, Mask]:
    clipped = np.clip(hu, 0, 80)
    grey = ((clipped - clipped.min()) / (clipped.max() - clipped.min()) * 255).astype(np.uint8)
    eroded = erosion((grey > 3).astype(np.uint8), disk(3))
    head = dilation(largest(eroded).astype(np.uint8), disk(3))
    head[:, [0, -1]] = 0
    return grey, ~flood(head, (1, 1), tolerance=0)


def published(largest: Callable[[Mask], Mask]) -> Chain:
    def chain(path: Path) -> torch.Tensor:
        grey, mask = published_mask(read_as_published(path), largest)
        return TO_INPUT(Image.fromarray(grey * mask).convert("RGB"))

    return chain


def read_as_published(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0].astype(np.float32)


def ours() -> dict[str, Chain]:
    training = ConfigParser(absolute_config(bundle_root(), "dtvit"))
    training["backbone"] = "vit_tiny_patch16_224"  # the chain is the same for all
    parser = ConfigParser(absolute_config(bundle_root(), "inference"))
    parser["description"] = training.get_parsed_content("description")
    robust = parser.get_parsed_content("preprocessing")
    after_removal = [step.transform for step in robust.transforms[2:]]
    as_published = Compose([load_head_ct, RemoveHeadHolderAsPublished(), *after_removal])
    return {"ours, as published": as_published, "ours, robust": lambda path: robust({"image": path})["image"]}


def wrap_as_dicom(image: Path, folder: Path) -> Path:
    hu = np.rint(np.asarray(Image.open(image).convert("L"), np.float32) * 80 / 255).astype(np.int16)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.Modality = generate_uid(), "CT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = hu.tobytes()
    path = folder / f"{image.stem}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def has_foreground(path: Path) -> bool:
    """The published script drops slices without any: it raises there."""
    hu = np.clip(read_as_published(path), 0, 80)
    return bool(hu.max() > hu.min()) and bool(erosion((hu > 1).astype(np.uint8), disk(3)).any())


def dice(one: Mask, other: Mask) -> float:
    return 2 * int((one & other).sum()) / max(1, int(one.sum()) + int(other.sum()))


def agreement(paths: list[Path]) -> dict[str, list[float]]:
    """Dice of each chain against "published, labels", on the slices that count (see above)."""
    result: dict[str, list[float]] = {"published, contours": [], "ours, as published": [], "ours, robust": []}
    for path in paths:
        hu = read_as_published(path)
        grey, theirs = published_mask(hu, largest_component)
        result["published, contours"].append(dice(published_mask(hu, largest_contour)[1], theirs))
        own = load_head_ct(path)[0].numpy()
        result["ours, as published"].append(dice(published_chain(own)[1], theirs))
        tissue, mine = grey > 3, head_mask(own)
        size = max(1, int((tissue & mine).sum()))
        lost, left = int((tissue & mine & ~theirs).sum()) / size, int((tissue & theirs & ~mine).sum()) / size
        if max(lost, left) < DISAGREEMENT:
            result["ours, robust"].append(dice(mine & tissue, theirs & tissue))
        else:
            print(f"{path.stem}: of the robust tissue the published chain loses {lost:.1%}, and keeps {left:.1%} more")
    return result


def measure(chains: dict[str, Chain], paths: list[Path], rounds: int) -> Iterator[tuple[str, float, float]]:
    """Slices per second of CPU time and of wall time, for each chain."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in chains}
    for turn in range(rounds + 1):
        for name, chain in chains.items():
            start = time.process_time(), time.perf_counter()
            for path in paths:
                chain(path)
            if turn:  # the first round warms up
                seconds[name].append((time.process_time() - start[0], time.perf_counter() - start[1]))
    for name, times in seconds.items():
        cpu, wall = (len(paths) / statistics.median(column) for column in zip(*times, strict=True))
        yield name, cpu, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dicom/ge_tilted_head and phe")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--every", type=int, default=40, help="take every n-th slice of phe")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    lenient = "published, labels"
    chains = {"published, contours": published(largest_contour), lenient: published(largest_component), **ours()}
    packages = ("ichmonai", "monai", "torch", "torchvision", "scikit-image", "simpleitk", "pydicom", "numpy")
    computer = {
        "threads": 1,
        "cpu": machine(),
        "versions": " ".join(f"{package}={version(package)}" for package in packages),
        "date": datetime.date.today().isoformat(),
    }
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        images = sorted((arguments.data / "phe" / "images").glob("*.jpg"))[:: arguments.every]
        sets = {
            "ge_tilted_head": sorted((arguments.data / "dicom" / "ge_tilted_head").glob("*.dcm")),
            "phe": [wrap_as_dicom(image, Path(temporary)) for image in images],
        }
        for data, files in sets.items():
            paths = [path for path in files if has_foreground(path)]
            scores = agreement(paths)
            speeds = {name: (cpu, wall) for name, cpu, wall in measure(chains, paths, arguments.rounds)}
            for name, (cpu, wall) in speeds.items():
                values = scores.get(name, [])
                row = {
                    "data": data,
                    "slices": len(paths),
                    "chain": name,
                    "slices_per_s_cpu": round(cpu, 1),
                    "slices_per_s_wall": round(wall, 1),
                    "ratio_to_published_cpu": round(cpu / speeds[lenient][0], 2),
                    "dice_of": "" if not values else "tissue" if name == "ours, robust" else "mask",
                    "dice_slices": len(values) or "",
                    "dice_median": round(statistics.median(values), 4) if values else "",
                    "dice_min": round(min(values), 4) if values else "",
                }
                print(*row.values(), sep="  ", flush=True)
                rows.append({**row, **computer})
    write_csv(arguments.out, rows[0], rows)


if __name__ == "__main__":
    main()
