"""Time the way from a DICOM slice to the network's input: ichmonai against the published chain.

Both start at the file and end at a float tensor 3 x 224 x 224, one slice at a time, in one process and one thread.

- ours: pydicom to HU, RemoveHeadHolder, WindowHU, ResizeInPlane, CenterCropInPlane, NormalizeImageNet
- as published: SimpleITK, then clip to [0, 80], min-max to 8 bit, erosion, largest contour (label-based: the component
  of largest filled area), dilation, edge columns zeroed, flood fill and mask as in
  ichmonai.transforms.RemoveHeadHolderAsPublished, then torchvision's Resize, CenterCrop, ToTensor and Normalize on a
  PIL image

The runs are interleaved, slice by slice. Slices of `phe` are wrapped as DICOM in a temporary folder.

    python scripts/bench_preprocess.py --data DIR --out scripts/results/bench_preprocess.csv
"""

import argparse
import csv
import datetime
import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before any library starts its threads

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
import torch
from monai.transforms import Compose
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from torchvision import transforms as tv

from ichmonai.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    CenterCropInPlane,
    NormalizeImageNet,
    RemoveHeadHolder,
    ResizeInPlane,
    WindowHU,
)
from ichmonai.transforms.head_mask import head_mask
from ichmonai.transforms.remove_head_holder_as_published import published_chain

OURS = Compose([RemoveHeadHolder(), WindowHU(), ResizeInPlane(256), CenterCropInPlane(224), NormalizeImageNet()])
PUBLISHED = tv.Compose([tv.Resize(256), tv.CenterCrop(224), tv.ToTensor(), tv.Normalize(IMAGENET_MEAN, IMAGENET_STD)])


def read_hu(path: Path) -> torch.Tensor:
    dataset = pydicom.dcmread(path)
    hu = dataset.pixel_array.astype(np.float32) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    return torch.from_numpy(hu)[None]


def ours(path: Path) -> torch.Tensor:
    return OURS(read_hu(path))


def published(path: Path) -> torch.Tensor:
    grey, mask = published_chain(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0])
    return PUBLISHED(Image.fromarray(grey * mask).convert("RGB"))


def wrap_as_dicom(image: Path, folder: Path) -> Path:
    hu = np.rint(np.asarray(Image.open(image).convert("L"), np.float32) * 80 / 255).astype(np.int16)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.SamplesPerPixel, dataset.PhotometricInterpretation = "CT", 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = hu.tobytes()
    path = folder / f"{image.stem}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def dice(one: np.ndarray, other: np.ndarray) -> float:
    size = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / size if size else 1.0


def compare_masks(name: str, paths: list[Path]) -> dict[str, float]:
    """Dice of the masks and of what they let through; slices where the published mask fails are listed and left out."""
    masks, tissues, failed = [], [], []
    for path in paths:
        hu = read_hu(path)[0].numpy()
        mine = head_mask(hu)
        grey, theirs = published_chain(hu)
        tissue = grey > 3
        size = max(int((tissue & mine).sum()), 1)
        lost, left = int((tissue & mine & ~theirs).sum()) / size, int((tissue & theirs & ~mine).sum()) / size
        if max(lost, left) > 0.01:
            failed.append(f"{path.stem}: Dice {dice(mine, theirs):.3f}, loses {lost:.1%}, keeps {left:.1%} more")
        else:
            masks.append(dice(mine, theirs))
            tissues.append(dice(mine & tissue, theirs & tissue))
    print(f"{name}: the masks differ by more than 1% of the tissue in {len(failed)} of {len(paths)} slices:")
    print(*failed, sep="\n")
    result: dict[str, float] = {"published_mask_differs": len(failed)}
    for kind, values in (("mask", masks), ("tissue", tissues)):
        result[f"dice_{kind}_median"] = round(statistics.median(values), 4) if values else float("nan")
        result[f"dice_{kind}_min"] = round(min(values), 4) if values else float("nan")
    print(f"{name}: on the others {result}")
    return result


def measure(paths: list[Path], repeats: int) -> tuple[float, float]:
    """Median seconds a slice of ours and of the published chain."""
    seconds: dict[str, list[float]] = {"ours": [], "published": []}
    for run in range(repeats + 1):
        for path in paths:
            for name, chain in (("ours", ours), ("published", published)):
                start = time.perf_counter()
                chain(path)
                if run:  # the first round warms up
                    seconds[name].append(time.perf_counter() - start)
    return statistics.median(seconds["ours"]), statistics.median(seconds["published"])


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dicom/ge_tilted_head and phe")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=40, help="take every n-th slice of phe")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary, arguments.out.open("w", newline="") as table:
        images = sorted((arguments.data / "phe" / "images").glob("*.jpg"))[:: arguments.every]
        sets = {
            "ge_tilted_head": sorted((arguments.data / "dicom" / "ge_tilted_head").glob("*.dcm")),
            "phe": [wrap_as_dicom(image, Path(temporary)) for image in images],
        }
        rows = []
        for name, paths in sets.items():
            agreement = compare_masks(name, paths)
            fast, slow = measure(paths, arguments.repeats)
            print(f"{name}: ours {1 / fast:.1f} slices/s, as published {1 / slow:.1f}, ratio {slow / fast:.1f}")
            rows.append(
                {
                    "data": name,
                    "slices": len(paths),
                    "ours_slices_per_s": round(1 / fast, 1),
                    "published_slices_per_s": round(1 / slow, 1),
                    "ratio": round(slow / fast, 2),
                    **agreement,
                    "threads": 1,
                    "cpu": processor(),
                    "cores": os.cpu_count(),
                    **{package: version(package) for package in ("torch", "torchvision", "scikit-image", "SimpleITK")},
                    "date": datetime.date.today().isoformat(),
                }
            )
        writer = csv.DictWriter(table, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
