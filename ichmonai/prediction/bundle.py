"""A bundle's inference config, taken apart into what batch prediction runs."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from monai.bundle.config_parser import ConfigParser
from monai.transforms.compose import Compose
from torch import nn

from ichmonai.errors import InputError, first_line, nearest, printable
from ichmonai.model_description import TrainedNetwork
from ichmonai.prediction.identity import identity_of
from ichmonai.processes.late_imports import load_monai
from ichmonai.trust.rules import all_own, parts


def device_setting(device: str | None) -> dict[str, str]:
    """The setting of a bundle's config that a device is; none where the bundle chooses.

    Raises:
        InputError: there is no such device.
    """
    if device is None:
        return {}
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise InputError(f"The device {device} is not known; choose cpu, cuda, cuda:N or mps.")
    kind, _, index = device.partition(":")
    there = kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())
    if not there and not (kind == "cuda" and int(index or 0) < torch.cuda.device_count()):
        raise InputError(f"PyTorch finds no device {device} here; leave it out to use what there is.")
    return {"device": f"$torch.device('{device}')"}


@dataclass(frozen=True)
class BundleSource:
    """Which bundle to run, and with which settings; small enough to be sent to every worker.

    Attributes:
        root: the bundle's folder.
        settings: values of the config's top section that differ from the file.
        overlays: further configs, laid over `inference.json` in their order.
        trusted: True to run whatever the configs name. Otherwise configs that are not this package's own may only do
            what `ichmonai.trust` knows to be harmless.
    """

    root: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    overlays: tuple[Path, ...] = ()
    trusted: bool = False

    def open(self) -> "InferenceBundle":
        """The parts of the bundle."""
        return InferenceBundle(self)

    def with_runtime(self, runtime: str) -> "BundleSource":
        """The same on a runtime that is named."""
        return replace(self, settings={**self.settings, "runtime": runtime})


class InferenceBundle:
    """The parts of `configs/inference.json` that turn a series into probabilities, made when first asked for.

    Args:
        source: bundle and settings.

    Raises:
        InputError: when the bundle has no readable inference config, it would run what is not allowed, or a setting
            names no entry of it.
    """

    def __init__(self, source: BundleSource) -> None:
        self.path = source.root / "configs" / "inference.json"
        self.parser = ConfigParser()
        self._network: Any = None  # as the config has it, where it is put off
        try:
            self.parser.read_config([str(self.path), *map(str, source.overlays)])
        except Exception as error:  # monai raises errors of many kinds on files that are no config
            raise InputError(
                f"{source.root} is no bundle that can be run: {' with '.join(map(str, (self.path, *source.overlays)))} "
                f"is not readable as a config ({first_line(error)}); give the folder of a MONAI bundle."
            ) from error
        config = self.parser.get()
        if all_own([self.path, *source.overlays]):
            self._put_off_the_network()
        else:
            load_monai()  # all of it, among which names without a module are looked for
            if not source.trusted:
                _refuse_foreign_code(source, config)
        if unknown := sorted(set(source.settings) - set(config)):
            raise InputError(f"{self.path} has no setting {unknown[0]}; {nearest(unknown[0], config)}.")
        self.parser.update({"bundle_root": str(source.root), **source.settings})

    def written(self) -> dict[str, Any]:
        """The config as its files and settings have it."""
        config = deepcopy(self.parser.get())
        if self._network is not None:
            config["placed"]["network"] = self._network
        return config

    def _put_off_the_network(self) -> None:
        """Let it be built only where it was not converted before; a config of others may have another in its place."""
        if "placed" in self.parser.get():
            self._network = self.parser.get("placed#network")
            late = {"description": "@description", "weights": "@ckpt_path", "device": "@device"}
            late["_target_"] = f"{TrainedNetwork.__module__}.{TrainedNetwork.__name__}"
            self.parser.set(late, "placed#network")

    @cached_property
    def preprocessing(self) -> Compose:
        """From an item with `image` locations to one with the network's input (C, H, W) or (C, H, W, S)."""
        return self._content("preprocessing")

    @cached_property
    def network(self) -> nn.Module:
        """The trained network on its device and runtime, in evaluation mode."""
        with torch.inference_mode(False):  # weights made in inference mode have no gradients, ever
            return self._content("network" if "network" in self.parser.get() else "trained_network").eval()

    @cached_property
    def inferer(self) -> Callable[..., Any]:
        """How the network runs on slices."""
        return self._content("inferer")

    @cached_property
    def postprocessing(self) -> Compose:
        """From an item with `pred` logits to probabilities of the study, and of its slices in `pred_slices`."""
        return self._content("postprocessing")

    @property
    def weights(self) -> Path:
        """File of the network's weights; an `InputError` says so where there is none."""
        path = Path(self._content("ckpt_path"))
        if not path.is_file():
            raise InputError(
                f"There is no weights file {path}; train a network, or give one with --set ckpt_path=FILE."
            )
        return path

    def setting(self, name: str) -> Any:
        """The value of an entry of the config's top section."""
        return self._content(name)

    @property
    def placement(self) -> dict[str, Any]:
        """What was asked of the network's runtime."""
        config = self.parser.get()
        return {name: config.get(name) for name in ("runtime", "precision")}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides the results, see `identity_of`."""
        return identity_of(self)

    def _content(self, name: str) -> Any:
        try:
            return self.parser.get_parsed_content(name)
        except Exception as error:
            cause: BaseException | None = error  # monai wraps what an expression raises, several deep
            while cause is not None and not isinstance(cause, InputError):
                cause = cause.__cause__ or cause.__context__
            raise (cause or InputError(f"{name} of {self.path} cannot be made: {first_line(error)}.")) from error


def _refuse_foreign_code(source: BundleSource, config: Mapping[str, Any]) -> None:
    refused = [part for part in parts(config) if part.refusal]
    if refused:
        first = refused[0]
        raise InputError(
            f"{source.root} would run code that is not known to be harmless ({len(refused)} places; the first: "
            f"{first.kind} {printable(first.text[:100])} at {first.place} {first.refusal}); list it with ichmonai "
            "check-bundle, and give --trust if you trust whoever made it."
        )
