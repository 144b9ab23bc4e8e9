"""An archive of phantom studies and a bundle for it, for scripts that measure batch prediction."""

import io
import shutil
from pathlib import Path
from typing import Any

import torch

from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.datasets.phantom.study import make_study
from ichmonai.model_description import ModelDescription
from ichmonai.networks import create_network
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
        slices = []
        for index in range(phantom.hu.shape[-1]):
            one = slice_dataset(phantom, index)
            one.StudyInstanceUID, one.SeriesInstanceUID = _uid(1, 0), _uid(2, 0)
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = _uid(3, 0, index)
            buffer = io.BytesIO()
            one.save_as(buffer, enforce_file_format=True)
            slices.append(buffer.getvalue())
        for number in range(seed, studies, phantoms):
            target = folder / f"{number:05d}"
            target.mkdir(parents=True)
            for index, content in enumerate(slices):
                for kind, order in ((1, 0), (2, 0), (3, index)):  # of equal length, so no other byte changes
                    content = content.replace(_uid(kind, 0, order).encode(), _uid(kind, number + 1, order).encode())
                (target / f"{index:03d}.dcm").write_bytes(content)
                files += 1
    return files


def _uid(kind: int, study: int, index: int = 0) -> str:
    return f"1.2.826.0.1.3680043.8.498.{kind}.1{study:05d}.1{index:03d}"


def write_bundle(root: Path, network: str, image_size: int, **options: Any) -> dict[str, Any]:
    """Write a bundle with the configs of ichmonai's own, and random weights of a network for it.

    Args:
        root: folder, made.
        network: name, as `create_network` takes it.
        image_size: of its input in pixels.
        options: other settings of the inference.

    Returns:
        The settings to predict with.
    """
    shutil.copytree(bundle_root() / "configs", root / "configs")
    (root / "models").mkdir()
    torch.manual_seed(0)
    made = create_network(network, image_size=image_size)
    torch.save(made.state_dict(), root / "models" / "model.pt")
    own = ModelDescription.beside(bundle_root() / "models" / "model.pt")
    chain = tuple({**step, "size": image_size} if "size" in step else step for step in own.preprocessing)
    ModelDescription(made.arguments, chain).write(root / "models")
    return {"ckpt_path": str(root / "models" / "model.pt"), **options}
