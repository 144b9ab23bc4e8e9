"""What each table or figure compares: the trainings, and the paper's numbers for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError
from ichmonai.networks.encoders import check_name
from scripts.papers.reproduction import paper
from scripts.papers.reproduction.runs import Run

DTVIT = "dtvit"
"""Stands for the DTViT of `Options.backbone` among the networks."""

PAPER_BACKBONE = "vit_large_patch16_224"
PAPER_IMAGE_SIZE = 224
PAPER_EPOCHS = 10


@dataclass(frozen=True)
class Options:
    """What the user asked for; the defaults are the papers'.

    Attributes:
        data: dataset.
        out: folder of the results.
        protocols: of `protocols.PROTOCOLS`.
        epochs: of each training.
        image_size: in pixels.
        backbone: DTViT's, or None for the paper's; for Scopeformer the CNN of the branches.
        networks: rows of Table 4 or of Scopeformer's Table 1; None: the paper's.
        max_patients: None: all.
        max_slices: of a patient; None: all.
        random_weights: do not start from ImageNet weights.
        imagenet_weights: file for Scopeformer's branches of that kind.
        gan_weights: the same of those pretrained on images restyled by a GAN.
        seed: of the choice of patients, of the split and of the training.
        settings: further parameters of the bundle, or parts of them.
    """

    data: Path
    out: Path
    protocols: tuple[str, ...]
    epochs: int = PAPER_EPOCHS
    image_size: int = PAPER_IMAGE_SIZE
    backbone: str | None = None
    networks: tuple[str, ...] | None = None
    max_patients: int | None = None
    max_slices: int | None = None
    random_weights: bool = False
    imagenet_weights: Path | None = None
    gan_weights: Path | None = None
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A training, what it is called in the table, and what the paper prints for it (None: nothing)."""

    label: str
    run: Run
    paper: Any


@dataclass(frozen=True)
class Experiment:
    """A table or figure.

    Attributes:
        title: heading.
        kind: `heads`: by both definitions of the metrics; `curves`: by epoch; `rsna`: six labels.
        entries: what it compares; the published protocol and then the other.
        remark: what the paper does not say.
    """

    title: str
    kind: str
    entries: Callable[[Options], list[Entry]]
    remark: str = ""

    @property
    def rsna(self) -> bool:
        """Whether it needs the data of RSNA 2019."""
        return self.kind == "rsna"


def _table3(options: Options) -> list[Entry]:
    return [
        Entry(
            "with replication" if replicated else "without replication",
            _run(options, f"replicated_{replicated}".lower(), protocol, replicated, 32 if replicated else 8),
            paper.TABLE3[replicated],
        )
        for replicated in (True, False)
        for protocol in options.protocols
    ]


def _table4(options: Options) -> list[Entry]:
    def entry(network: str, protocol: str) -> Entry:
        name = _backbone(options) if network == DTVIT else network
        label = f"DTViT ({name})" if network == DTVIT else name
        run = _run(options, network, protocol, batch_size=8, backbone=name, head="mlp")
        return Entry(label, run, paper.TABLE4.get(network))

    networks = options.networks or tuple(paper.TABLE4)
    for network in networks:
        check_name(network, also=[DTVIT])
    return [entry(network, protocol) for network in networks for protocol in options.protocols]


def _fig5(options: Options) -> list[Entry]:
    return [
        Entry(
            "with replication" if replicated else "without replication",
            _curve_run(
                options, f"curve_replicated_{replicated}".lower(), protocol, 32 if replicated else 8, replicated
            ),
            paper.FIG5[replicated],
        )
        for replicated in (True, False)
        for protocol in options.protocols
    ]


def _fig7(options: Options) -> list[Entry]:
    return [
        Entry(
            f"learning rate {rate:g}, batch {batch}",
            _curve_run(options, f"rate_{rate:g}_batch_{batch}", protocol, batch, learning_rate=rate),
            printed,
        )
        for (rate, batch), printed in paper.FIG7.items()
        for protocol in options.protocols
    ]


def _patch32(options: Options) -> list[Entry]:
    sixteen = _backbone(options)
    names = options.networks or (sixteen, sixteen.replace("patch16", "patch32"))
    for name in names:
        check_name(name)
    if len(names) != 2 or names[0] == names[1]:
        raise InputError(f"patch32 compares two networks, not {', '.join(names)}; name them with --networks.")
    return [
        Entry(f"patch {size} ({name})", _curve_run(options, f"patch{size}", protocol, 32, backbone=name), printed)
        for name, (size, printed) in zip(names, paper.PATCH.items(), strict=True)
        for protocol in options.protocols
    ]


def _scopeformer(options: Options) -> list[Entry]:
    names = options.networks or tuple(paper.SCOPEFORMER_TABLE1)
    unknown = [name for name in names if name not in paper.SCOPEFORMER_TABLE1]
    if unknown:
        raise InputError(f"{unknown[0]} is no row of this table: choose from {', '.join(paper.SCOPEFORMER_TABLE1)}.")
    return [_scopeformer_entry(options, name, protocol) for name in names for protocol in options.protocols]


def _scopeformer_entry(options: Options, name: str, protocol: str) -> Entry:
    label, printed = paper.SCOPEFORMER_TABLE1[name]
    imagenet: bool | str = str(options.imagenet_weights) if options.imagenet_weights else not options.random_weights
    gan: bool | str = str(options.gan_weights) if options.gan_weights else False
    weights = {"1": [gan], "2": [imagenet, gan], "3": [imagenet, imagenet, gan]}.get(name[len("scopeformer_")], [])
    if weights and not gan and not options.random_weights:
        raise InputError(f"{label} needs --gan-weights, a file of the GAN's pretraining, or else --random-weights.")
    overrides: dict[str, Any] = {
        "backbone": name,
        "pretrained": weights or False,
        "image_size": options.image_size if weights else _pure_vit_size(options.image_size),
    }
    if weights and options.backbone:
        overrides["branch"] = options.backbone
    published = protocol == "published"
    run = Run(
        name,
        protocol,
        judged="validation" if published else "test",
        overrides=_overrides(options, **overrides),
        rsna=True,
    )
    return Entry(label, run, printed)


def _pure_vit_size(image_size: int) -> int:
    """The paper's 256 pixels, where the others have 224; a multiple of the patch of 16."""
    return round(image_size * 256 / PAPER_IMAGE_SIZE / 16) * 16


def _backbone(options: Options) -> str:
    return options.backbone or PAPER_BACKBONE


def _run(
    options: Options, name: str, protocol: str, replicated: bool | None = None, batch_size: int = 8, **more: Any
) -> Run:
    """A run on DTViT's heads.

    Without replication to speak of, the patients' training part is drawn class by class in equal shares, which leaves
    an epoch as long as the published one.
    """
    published = protocol == "published"
    balance = "weighted" if replicated is None else "replication" if replicated else "none"
    overrides = {
        "backbone": _backbone(options),
        "batch_size": batch_size,
        "image_size": options.image_size,
        "pretrained": not options.random_weights,
        "balance": "none" if published else balance,
        "location_classes": 4 if published else 3,
    }
    overrides |= more
    return Run(
        name,
        protocol,
        replicated=bool(replicated),
        last_epoch=published,
        overrides=_overrides(options, **overrides),
    )


def _curve_run(
    options: Options, name: str, protocol: str, batch_size: int, replicated: bool | None = None, **more: Any
) -> Run:
    run = _run(options, name, protocol, replicated, batch_size, **more)
    return Run(name, protocol, run.replicated, judged="validation", last_epoch=True, overrides=run.overrides)


def _overrides(options: Options, **overrides: Any) -> dict[str, Any]:
    return {**overrides, "max_epochs": options.epochs, "seed": options.seed, **options.settings}


_ORIGINAL = "The paper does not say whether this was with replication; the stated times suggest it was not."

EXPERIMENTS = {
    "table3": Experiment("DTViT, Table 3: with and without replication", "heads", _table3),
    "table4": Experiment(
        "DTViT, Table 4: networks", "heads", _table4, "As in the paper, of the original slices, without replication."
    ),
    "fig5": Experiment("DTViT, Figure 5: training with and without replication", "curves", _fig5),
    "fig7": Experiment("DTViT, Figure 7: learning rate and batch size", "curves", _fig7, _ORIGINAL),
    "patch32": Experiment("DTViT, patch size 16 or 32", "curves", _patch32, _ORIGINAL),
    "scopeformer-table1": Experiment(
        "Scopeformer, Table 1: number of CNNs",
        "rsna",
        _scopeformer,
        "The paper states neither the split nor the epochs; its accuracy is taken to be the mean over the six labels "
        "at 0.5, which the answer 'no haemorrhage' reaches too: compare with the baselines.",
    ),
}
"""By the name that the command takes."""
