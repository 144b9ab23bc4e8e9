"""An archive of phantom studies and a bundle for it, for scripts that measure batch prediction."""

from pathlib import Path
from typing import Any

import torch
from pydicom.uid import generate_uid

from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.datasets.phantom.study import make_study
from ichmonai.networks import DTViT
from ichmonai.paths import bundle_root


def write_archive(folder: Path, studies: int, size: int, phantoms: int = 4) -> int:
    """Write DICOM studies, a folder each; a few phantoms are drawn, and all others are copies with UIDs of their own.

    Args:
        folder: made if absent.
        studies: how many.
        size: pixels along each side of a slice.
        phantoms: how many are drawn.

    Returns:
        Number of files.
    """
    files = 0
    for seed in range(min(phantoms, studies)):
        phantom = make_study(seed, size=size)
        slices = [slice_dataset(phantom, index) for index in range(phantom.hu.shape[-1])]
        for number in range(seed, studies, phantoms):
            target = folder / f"{number:04d}"
            target.mkdir(parents=True)
            for index, one in enumerate(slices):
                one.PatientID, one.PatientName = f"PH{number:06d}", f"Phantom^{number}"
                one.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {number}"])
                one.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {number}"])
                one.SOPInstanceUID = generate_uid(entropy_srcs=[f"image {number} {index}"])
                one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
                one.save_as(target / f"{one.SOPInstanceUID[-12:]}.dcm", enforce_file_format=True)
                files += 1
    return files


def write_bundle(root: Path, **network: Any) -> Path:
    """Write a bundle with the inference of ichmonai's own and random weights; `network` as `DTViT` takes it."""
    for name in ("configs", "models"):
        (root / name).mkdir(parents=True)
    (root / "configs" / "inference.json").write_text((bundle_root() / "configs" / "inference.json").read_text())
    torch.manual_seed(0)
    torch.save(DTViT(pretrained=False, **network).state_dict(), root / "models" / "model.pt")
    return root
