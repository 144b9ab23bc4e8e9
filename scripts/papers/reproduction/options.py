"""What the user asks for, and a row of a table."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scripts.papers.reproduction.runs import Run

DTVIT = "dtvit"
"""Stands for the DTViT of `Options.backbone` among the networks."""

PAPER_BACKBONE = "vit_large_patch16_224"
PAPER_IMAGE_SIZE = 224
PAPER_EPOCHS = 10
PAPER_LEARNING_RATE = 2e-5


@dataclass(frozen=True)
class Options:
    """What the user asked for; the defaults are the papers'.

    Attributes:
        data: DTViT's dataset; None: its tables cannot be made.
        rsna: data with six labels, see `protocols.load`; None: Scopeformer's tables cannot be made.
        out: folder of the results.
        protocols: of `protocols.PROTOCOLS`.
        seeds: of the trainings, each table's numbers being the mean over them.
        split_seed: of the choice of patients and of the split, which all trainings share.
        epochs: of each training.
        image_size: in pixels.
        backbone: DTViT's, or None for the paper's.
        branch: the CNN of Scopeformer's branches, or None for the paper's.
        networks: rows of Table 4 or of Scopeformer's Table 1; None: the paper's.
        max_patients: None: all.
        max_slices: of a patient; None: all.
        random_weights: do not start from ImageNet weights.
        imagenet_weights: file for Scopeformer's branches of that kind.
        gan_weights: the same of those pretrained on images restyled by a GAN.
        settings: further parameters of the bundle, or parts of them.
        scopeformer_settings: the same, of Scopeformer's trainings alone.
    """

    data: Path | None
    rsna: Path | None
    out: Path
    protocols: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    split_seed: int = 0
    epochs: int = PAPER_EPOCHS
    image_size: int = PAPER_IMAGE_SIZE
    backbone: str | None = None
    branch: str | None = None
    networks: tuple[str, ...] | None = None
    max_patients: int | None = None
    max_slices: int | None = None
    random_weights: bool = False
    imagenet_weights: Path | None = None
    gan_weights: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    scopeformer_settings: dict[str, Any] = field(default_factory=dict)

    def as_in_the_paper(self) -> "Options":
        """The same data, at the papers' sizes; Scopeformer's weights do not matter to its cost."""
        paper = Options(self.data, self.rsna, self.out, self.protocols, self.seeds, self.split_seed)
        return replace(paper, max_patients=self.max_patients, max_slices=self.max_slices, gan_weights=Path("gan.pt"))


@dataclass(frozen=True)
class Entry:
    """A row: its name, its training (of any seed), what the paper prints for it (None: nothing), and where judged."""

    label: str
    run: Run
    paper: Any
    judged: str = "test"


def overrides_of(
    options: Options, settings: dict[str, Any], usual: dict[str, Any], own: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Parameters of the bundle; what the user sets replaces what is usual, but not what tells a table's rows apart."""
    return {**usual, "max_epochs": options.epochs, "seed": options.seeds[0], **settings, **(own or {})}
