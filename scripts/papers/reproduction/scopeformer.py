"""The rows of Scopeformer's Table 1 and the points of its Figure 2."""

from typing import Any

from ichmonai.errors import InputError
from scripts.papers.reproduction import paper
from scripts.papers.reproduction.options import PAPER_IMAGE_SIZE, Entry, Options, overrides_of
from scripts.papers.reproduction.runs import Run

FIG2 = (
    (0, "", ""),
    (1, "ImageNet", "i"),
    (2, "ImageNet", "ii"),
    (3, "ImageNet", "iii"),
    (1, "GAN", "g"),
    (2, "GAN", "gg"),
    (3, "GAN", "ggg"),
    (2, "diverse", "ig"),
    (3, "diverse", "iig"),
)
"""Points of Scopeformer's Figure 2: CNNs, how they were pretrained, and the weights of each."""


def table1(options: Options) -> list[Entry]:
    names = options.networks or tuple(paper.SCOPEFORMER_TABLE1)
    unknown = [name for name in names if name not in paper.SCOPEFORMER_TABLE1]
    if unknown:
        raise InputError(f"{unknown[0]} is no row of this table: choose from {', '.join(paper.SCOPEFORMER_TABLE1)}.")
    weights = {"scopeformer_vit": "", "scopeformer_1cnn": "g", "scopeformer_3cnn": "iig"}
    return [
        Entry(label, _run(options, name, weights.get(name, "ig"), protocol), printed, _judged_rsna(protocol))
        for name, (label, printed) in paper.SCOPEFORMER_TABLE1.items()
        if name in names
        for protocol in options.protocols
    ]


def fig2(options: Options) -> list[Entry]:
    if not options.gan_weights:
        raise InputError(
            "scopeformer-fig2 needs --gan-weights, a file of the GAN's pretraining: random weights are all of one kind."
        )
    return [
        Entry(
            f"{branches}-CNN-ViT, {pretraining}" if branches else "ViT",
            _run(options, name, weights, protocol),
            paper.SCOPEFORMER_TABLE1[name][1] if pretraining in ("", "diverse" if branches > 1 else "GAN") else None,
            _judged_rsna(protocol),
        )
        for branches, pretraining, weights in FIG2
        for name in [f"scopeformer_{branches}cnn" if branches else "scopeformer_vit"]
        for protocol in options.protocols
    ]


def _run(options: Options, name: str, kinds: str, protocol: str) -> Run:
    """A training of Scopeformer whose branches begin with weights of these kinds: i for ImageNet, g for the GAN."""
    imagenet: bool | str = str(options.imagenet_weights) if options.imagenet_weights else not options.random_weights
    gan: bool | str = str(options.gan_weights) if options.gan_weights else False
    if kinds and not gan and not options.random_weights:
        raise InputError(f"{name} needs --gan-weights, a file of the GAN's pretraining, or else --random-weights.")
    overrides: dict[str, Any] = {
        "backbone": name,
        "pretrained": [{"i": imagenet, "g": gan}[kind] for kind in kinds] or False,
        "image_size": options.image_size if kinds else _pure_vit_size(options.image_size),
    }
    if kinds and options.branch:
        overrides["branch"] = options.branch
    return Run(protocol, overrides=overrides_of(options, options.scopeformer_settings, overrides), rsna=True)


def _judged_rsna(protocol: str) -> str:
    return "validation" if protocol == "published" else "test"


def _pure_vit_size(image_size: int) -> int:
    """The paper's 256 pixels, where the others have 224; a multiple of the patch of 16."""
    return round(image_size * 256 / PAPER_IMAGE_SIZE / 16) * 16
