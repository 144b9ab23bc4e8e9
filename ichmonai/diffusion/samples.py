"""What a diffusion model makes, to be looked at, beside what it may only have remembered."""

import logging
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.utils import save_image

from ichmonai.classes import KINDS
from ichmonai.datasets import SliceDataset
from ichmonai.errors import InputError
from ichmonai.inpainter import HALF_WIDTH_HU, Inpainter, fill
from ichmonai.tables import write_csv

logger = logging.getLogger(__name__)


class Patches(NamedTuple):
    """Patches (N, 1, H, W), their holes, their kinds (N,)."""

    image: Tensor
    hole: Tensor
    kind: Tensor

    def of(self, chosen: Tensor) -> "Patches":
        """Some of them, by a mask (N,)."""
        return Patches(*(part[chosen] for part in self))


def collect(dataset: SliceDataset, seed: int, most: int) -> Patches:
    """Patches of a dataset's slices with a hole.

    Args:
        dataset: of `RandInpaintingPatchd`.
        seed: of their holes.
        most: slices to take, evenly over the dataset.

    Raises:
        InputError: none has a hole.
    """
    step = max(len(dataset) / most, 1)
    taken = [dataset[(int(index * step), seed + index)] for index in range(min(most, len(dataset)))]
    items = [item for item in taken if item["hole"].any()]
    if not items:
        raise InputError("No slice has room for a hole of this patch; set image_size or patch to other values.")
    return Patches(*(torch.stack([item[name] for item in items]) for name in ("image", "hole", "kind")))


def nearest(made: Patches, seen: Patches) -> tuple[Tensor, Tensor]:
    """The patches of a training that are most like those that were made.

    Args:
        made: N.
        seen: M of the training.

    Returns:
        Distances (N, 2) to the nearest and the next, the root mean square in HU over the hole of the made one, of the
        patch or its mirror image; and the index (N,) of the nearest.
    """
    both = torch.stack([seen.image, seen.image.flip(3)])
    distances = torch.stack(
        [
            ((both - image) * hole).square().sum((2, 3, 4)).div(hole.sum()).sqrt().amin(0) * HALF_WIDTH_HU
            for image, hole in zip(made.image, made.hole.float(), strict=True)
        ]
    )
    found = distances.topk(min(2, distances.shape[1]), largest=False)
    return found.values[:, [0, -1]], found.indices[:, 0]


def write_samples(
    network: Inpainter,
    training: SliceDataset,
    unseen: SliceDataset,
    directory: str | PathLike[str],
    count: int = 8,
    steps: int = 50,
    seed: int = 0,
) -> None:
    """Write sheets of slices of unseen patients that were filled, and the nearest patches of the training.

    `kinds.png` has a row for each of `count` normal slices: the patch, its hole, and that filled with each kind;
    `removed.png` for each slice with blood: the patch, its hole, and that filled with none. `nearest.png` has made
    patches over the nearest of the training, and `nearest.csv` their distances. A model that remembers patients makes
    patches much nearer to the training than real patches of unseen patients are, whose distances stand beside them.
    **The sheets show patients where the data does: keep them where that may be.**

    Args:
        network: trained.
        training: patches that it was trained on.
        unseen: patches of other patients.
        directory: of the files; made if absent.
        count: rows of a sheet.
        steps: of the sampling.
        seed: of holes and noise.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    device = next(network.parameters()).device
    seen, others = collect(training, seed, 2000), collect(unseen, seed, 500)
    seen = seen.of(seen.kind > 0)

    def filled(patches: Patches, kind: int) -> Patches:
        kinds = torch.full((len(patches.image),), kind)
        image, hole, wanted = (part.to(device) for part in (patches.image, patches.hole, kinds))
        made = fill(network, image, hole, wanted, steps, seed)
        return Patches(made.cpu(), patches.hole, kinds)

    normal, bleeding = (
        Patches(*(part[:count] for part in others.of(one))) for one in (others.kind == 0, others.kind > 0)
    )
    made = [filled(normal, kind) for kind in range(1, len(KINDS) + 1)] if len(normal.image) else []
    _save(folder / "kinds.png", normal, made)
    if len(bleeding.image):
        _save(folder / "removed.png", bleeding, [filled(bleeding, 0)])
    if not made or not len(seen.image):
        logger.warning("There are no normal slices to fill, or none with blood to compare with.")
        return
    together = Patches(*(torch.cat(parts) for parts in zip(*made, strict=True)))
    distances, indices = nearest(together, seen)
    save_image((torch.cat([together.image, seen.image[indices]]) + 1) / 2, folder / "nearest.png", nrow=len(indices))
    rows = [
        {
            "made": KINDS[int(kind) - 1],
            "nearest_hu": f"{one:.1f}",
            "next_hu": f"{two:.1f}",
            "training_patch": int(index),
        }
        for kind, (one, two), index in zip(together.kind, distances.tolist(), indices, strict=True)
    ]
    write_csv(folder / "nearest.csv", ("made", "nearest_hu", "next_hu", "training_patch"), rows)
    for row in rows:
        logger.info("made %(made)s: nearest training patch %(training_patch)d at %(nearest_hu)s HU", row)
    real = nearest(bleeding, seen)[0][:, 0].median().item() if len(bleeding.image) else float("nan")
    logger.info(
        "Nearest training patch, median: %.1f HU of what was made, %.1f HU of real blood of unseen patients.",
        distances[:, 0].median().item(),
        real,
    )


def _save(path: Path, patches: Patches, made: list[Patches]) -> None:
    """A row a patch: it, its hole in grey, and what was made of it."""
    shown = [patches.image, patches.image.masked_fill(patches.hole, -0.4), *(one.image for one in made)]
    rows = torch.stack(shown, dim=1).flatten(0, 1)
    save_image(torch.nn.functional.interpolate((rows + 1) / 2, scale_factor=2.0), path, nrow=len(shown))
