"""What each table or figure compares: the trainings, and the paper's numbers for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ichmonai.errors import InputError
from ichmonai.networks.encoders import check_name
from scripts.papers.reproduction import paper, scopeformer
from scripts.papers.reproduction.options import (
    DTVIT,
    PAPER_BACKBONE,
    PAPER_LEARNING_RATE,
    Entry,
    Options,
    overrides_of,
)
from scripts.papers.reproduction.runs import Run

_REPLICATION = {True: "with replication", False: "without replication"}


@dataclass(frozen=True)
class Experiment:
    """A table or figure.

    Attributes:
        title: heading.
        kind: `heads`: by both definitions of the metrics; `curves`: by epoch; `matrix`: counts; `rsna`: six labels.
        entries: what it compares; the published protocol and then the other.
        remark: what the paper does not say.
        figure: what is drawn of it, of `figures.FIGURES`, if anything.
    """

    title: str
    kind: str
    entries: Callable[[Options], list[Entry]]
    remark: str = ""
    figure: str = ""

    @property
    def rsna(self) -> bool:
        """Whether it needs data with six labels."""
        return self.kind == "rsna"


def _replication(options: Options, name: dict[bool, Any], judged: str) -> list[Entry]:
    return [
        Entry(_REPLICATION[replicated], _replicated(options, protocol, replicated), name[replicated], judged)
        for replicated in (True, False)
        for protocol in options.protocols
    ]


def _table3(options: Options) -> list[Entry]:
    return _replication(options, paper.TABLE3, "test")


def _fig5(options: Options) -> list[Entry]:
    return _replication(options, paper.FIG5, "validation")


def _fig6(options: Options) -> list[Entry]:
    return [
        Entry(_REPLICATION[False], _replicated(options, protocol, False), paper.FIG6_TASK1)
        for protocol in options.protocols
    ]


def _replicated(options: Options, protocol: str, replicated: bool) -> Run:
    return _run(options, protocol, replicated, batch_size=32 if replicated else 8)


def _table4(options: Options) -> list[Entry]:
    def entry(network: str, protocol: str) -> Entry:
        name = _backbone(options) if network == DTVIT else network
        label = f"DTViT ({name})" if network == DTVIT else name
        return Entry(label, _run(options, protocol, batch_size=8, backbone=name, head="mlp"), paper.TABLE4.get(network))

    networks = options.networks or tuple(paper.TABLE4)
    for network in networks:
        check_name(network, also=[DTVIT])
    return [entry(network, protocol) for network in networks for protocol in options.protocols]


def _fig7(options: Options) -> list[Entry]:
    return [
        Entry(
            f"learning rate {rate:g}", _run(options, protocol, batch_size=32, learning_rate=rate), printed, "validation"
        )
        for rate, printed in paper.FIG7.items()
        for protocol in options.protocols
    ]


def _batch(options: Options) -> list[Entry]:
    return [
        Entry(f"batch {size}", _run(options, protocol, batch_size=size), printed, "validation")
        for size, printed in paper.BATCH.items()
        for protocol in options.protocols
    ]


def _patch(options: Options) -> list[Entry]:
    sixteen = _backbone(options)
    names = options.networks or (sixteen, sixteen.replace("patch16", "patch32"))
    for name in names:
        check_name(name)
    if len(names) != 2 or names[0] == names[1]:
        raise InputError(f"patch compares two networks, not {', '.join(names)}; name them with --networks.")
    return [
        Entry(f"patch {size} ({name})", _run(options, protocol, batch_size=32, backbone=name), printed, "validation")
        for name, (size, printed) in zip(names, paper.PATCH.items(), strict=True)
        for protocol in options.protocols
    ]


def _backbone(options: Options) -> str:
    return options.backbone or PAPER_BACKBONE


def _run(options: Options, protocol: str, replicated: bool | None = None, **own: Any) -> Run:
    """A run on DTViT's heads, of which its table sets `own`.

    Without replication to speak of, the patients' training part is drawn class by class in equal shares, which leaves
    an epoch as long as the published one.
    """
    published = protocol == "published"
    balance = "weighted" if replicated is None else "replication" if replicated else "none"
    usual = {
        "backbone": _backbone(options),
        "image_size": options.image_size,
        "pretrained": not options.random_weights,
        "balance": "none" if published else balance,
        "location_classes": 4 if published else 3,
        "learning_rate": PAPER_LEARNING_RATE,
        "head": "linear",
    }
    return Run(protocol, bool(replicated), overrides_of(options, options.settings, usual, own))


_ORIGINAL = "The paper does not say whether this was with replication; the stated times suggest it was not."

_ACCURACY = (
    "The paper states neither the split nor the epochs; its accuracy is taken to be the mean over the six labels at "
    "0.5, which the answer 'no haemorrhage' reaches too: compare with the baselines."
)

EXPERIMENTS = {
    "table3": Experiment("DTViT, Table 3: with and without replication", "heads", _table3),
    "table4": Experiment(
        "DTViT, Table 4: networks", "heads", _table4, "As in the paper, of the original slices, without replication."
    ),
    "fig5": Experiment("DTViT, Figure 5: training with and without replication", "curves", _fig5, figure="curves"),
    "fig6": Experiment(
        "DTViT, Figure 6: confusion matrices",
        "matrix",
        _fig6,
        "Of the training without replication in Table 3, whose test has as many slices of each class as the figure's.",
        figure="matrices",
    ),
    "fig7": Experiment("DTViT, Figure 7: learning rates, batch 32", "curves", _fig7, _ORIGINAL, figure="curves"),
    "batch": Experiment("DTViT, batch size 8 or 32", "curves", _batch, _ORIGINAL),
    "patch": Experiment("DTViT, patch size 16 or 32", "curves", _patch, _ORIGINAL),
    "scopeformer-table1": Experiment("Scopeformer, Table 1: number of CNNs", "rsna", scopeformer.table1, _ACCURACY),
    "scopeformer-fig2": Experiment(
        "Scopeformer, Figure 2: number of CNNs and their pretraining",
        "rsna",
        scopeformer.fig2,
        _ACCURACY,
        figure="number_of_cnns",
    ),
}
"""By the name that the command takes."""
