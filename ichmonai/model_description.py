"""What trained weights need around them, written beside them by the training and read by everything else."""

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from monai.transforms.transform import Randomizable, Transform

import ichmonai.transforms
from ichmonai.classes import ICH_CLASSES, KINDS, LOCATIONS, RSNA_LABELS
from ichmonai.clinical.columns import Column
from ichmonai.errors import InputError, first_line
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.networks.heads import DUAL_HEADS, KIND_HEADS
from ichmonai.transforms.dictionary import DictionaryTransform

NAME = "model.json"
_PACKAGE = "ichmonai.transforms."
_LABELS = {"ich": ICH_CLASSES, "location": (*LOCATIONS, "normal"), "kinds": KINDS, "rsna": RSNA_LABELS}
_MASK = ("none", *KINDS)
"""Of each head, in the order of its logits; the location's last one is of the published code's form alone."""


@dataclass(frozen=True)
class ModelDescription:
    """Which network weights are of, and what makes its input of a slice in HU.

    Attributes:
        network: arguments of `create_network`, `pretrained` not among them; JSON values.
        preprocessing: dictionary transforms between a slice in HU and the network, in their order, as a MONAI config
            has them: `_target_` (of `ichmonai.transforms`), `keys` and arguments; JSON values.

    Example:
        >>> ModelDescription({"name": "resnet10t"}, ()).labels["location"]
        ['deep', 'lobar', 'subtentorial']
    """

    network: Mapping[str, Any]
    preprocessing: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, network: SliceClassifier, transforms: Iterable[Transform]) -> "ModelDescription":
        """Describe a network and its chain.

        Args:
            network: as `create_network` gave it.
            transforms: from a slice in HU to its input, without anything random.

        Raises:
            TypeError: a transform is none that can be written down, or is random.
        """
        return cls(network.arguments, tuple(map(_described, transforms)))

    @classmethod
    def beside(cls, weights: str | PathLike) -> "ModelDescription":
        """Read the `model.json` beside weights.

        Raises:
            InputError: there is none, or no weights either, it is damaged, or it names what this version does not have.
        """
        path = Path(weights).with_name(NAME)
        if not path.is_file() and not Path(weights).is_file():
            raise InputError(f"There is no weights file {weights}; train a network or give the path of its weights.")
        if not path.is_file():
            raise InputError(
                f"{weights} has no {NAME} beside it, which says which network the weights are of and what makes its "
                "input; copy it from where the training wrote both."
            )
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found = cls(dict(record["network"]), tuple(map(dict, record["preprocessing"])))
            found.transforms()
            found.clinical  # noqa: B018  raises where it is damaged
        except Exception as error:  # whatever damaged values make of constructors
            raise InputError(f"{path} describes no model ({first_line(error)}); copy it again.") from error
        return found

    def write(self, folder: str | PathLike) -> None:
        """Write `model.json` into the folder of the weights."""
        record = {**asdict(self), "labels": self.labels, "mask": self.mask_labels}
        partial = Path(folder) / f"{NAME}.partial"
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        partial.replace(Path(folder) / NAME)

    def create_network(self) -> SliceClassifier:
        """The network, with random weights.

        Raises:
            InputError: this version has no such network.
        """
        from ichmonai.networks.registry import (
            create_network,  # with timm, which what runs a converted network never needs
        )

        try:
            return create_network(**self.network)
        except TypeError as error:
            raise InputError(f"{NAME} describes no network ({first_line(error)}); copy it again.") from error

    def transforms(self) -> list[Transform]:
        """The chain from an item with `image` in HU to one with the network's input, newly made.

        Raises:
            ValueError: it names something else than one of the dictionary transforms of `ichmonai.transforms`.
        """
        return [_made(dict(step)) for step in self.preprocessing]

    @property
    def image_size(self) -> int:
        """Height and width of the network's input in pixels."""
        return int(self.network.get("image_size", 224))

    @property
    def heads(self) -> dict[str, int]:
        """Head -> number of its logits, in their order."""
        return dict(self.network.get("heads", DUAL_HEADS))

    @property
    def labels(self) -> dict[str, list[str]]:
        """Head -> names of its logits, in their order."""
        return {head: list(_LABELS.get(head, ())[:size]) for head, size in self.heads.items()}

    @property
    def mask_labels(self) -> list[str]:
        """Names of the values of the mask, in their order; empty for a network without one."""
        return list(_MASK[: int(self.network.get("mask_classes", 0))])

    @property
    def clinical(self) -> list[Column]:
        """Columns of clinical data that it takes beside the image; none for a network of the image alone."""
        return [Column.of(one) for one in self.network.get("clinical", ())]

    @property
    def makes_masks(self) -> bool:
        """Whether a mask comes with answers: the network has one, and the chain crops to the head and knows back."""
        return bool(self.mask_labels) and any(step["_target_"].endswith(".CropToHeadd") for step in self.preprocessing)

    def require_dual_heads(self) -> "ModelDescription":
        """The description itself, where the network is one that says haemorrhage and location, and perhaps the kinds.

        Raises:
            InputError: it says something else.
        """
        if list(self.heads) not in (list(DUAL_HEADS), list(KIND_HEADS)):
            raise InputError(
                f"A network with the heads {', '.join(self.heads)} cannot be used here; give weights of one with the "
                f"heads {' and '.join(DUAL_HEADS)}."
            )
        return self


class TrainedNetwork:
    """A network with its weights that is built when it is needed: what runs a converted one never needs it.

    Args:
        description: of the network.
        weights: file of its weights.
        device: where it is to be.
    """

    def __init__(self, description: ModelDescription, weights: str | PathLike, device: torch.device) -> None:
        self.description = description
        self.weights = weights
        self.device = device

    @cached_property
    def network(self) -> SliceClassifier:
        """The network, in evaluation mode.

        Raises:
            InputError: it cannot be built, or the weights are no file of this network.
        """
        from ichmonai.networks.weights import load_trained

        network = load_trained(self.description.create_network(), Path(self.weights))
        return network.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @property
    def form(self) -> str:
        """What tells it from other networks that the same weights may be of."""
        return json.dumps(self.description.network, sort_keys=True)


def _described(transform: Any) -> dict[str, Any]:
    kind = type(transform)
    name = kind.__name__
    if not _is_of_the_chain(kind) or getattr(ichmonai.transforms, name, None) is not kind:
        raise TypeError(f"{name} is no deterministic dictionary transform of {_PACKAGE.rstrip('.')}.")
    arguments = {
        argument: getattr(transform.transform, argument)
        for argument in inspect.signature(type(transform.transform)).parameters
    }
    # Through JSON, so that what is kept in memory is what a file would give.
    return json.loads(
        json.dumps({"_target_": f"{_PACKAGE}{name}", "keys": list(transform.keys), **arguments}, allow_nan=False)
    )


def _made(step: dict[str, Any]) -> Transform:
    """A step of the chain; names are looked up in one module alone, and no value is evaluated."""
    target = str(step.pop("_target_", ""))
    kind: Any = getattr(ichmonai.transforms, target.removeprefix(_PACKAGE), None)
    if not target.startswith(_PACKAGE) or not _is_of_the_chain(kind):
        raise ValueError(f"{target[:80]!r} is no transform of it")
    return kind(**step)


def _is_of_the_chain(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, DictionaryTransform) and not issubclass(kind, Randomizable)
