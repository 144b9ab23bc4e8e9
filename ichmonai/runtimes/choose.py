"""Which runtime a network runs on."""

import logging
from dataclasses import asdict, dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError, first_line
from ichmonai.model_description import TrainedNetwork
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.runtimes.cache import NetworkCache
from ichmonai.runtimes.formats import FORMATS, describe, export_network, head_sizes
from ichmonai.runtimes.int8 import checked_int8
from ichmonai.runtimes.names import FORMAT_OF, PRECISIONS, RUNTIMES, RUNTIMES_OF, unavailable
from ichmonai.runtimes.parity import Trial, drawn_slices, try_out
from ichmonai.runtimes.sessions import Outputs, Run, open_file, open_torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RuntimeChoice:
    """What a network runs on.

    Attributes:
        runtime: one of `RUNTIMES`.
        precision: one of `PRECISIONS`; not what was asked for where that does not pass.
        reason: why, in one sentence.
        largest_difference: of a logit from torch fp32 on drawn slices; None where nothing was compared.
        slices_per_second: of what was tried on this computer, at batch 8.
    """

    runtime: str
    precision: str
    reason: str
    largest_difference: float | None = None
    slices_per_second: dict[str, float] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class RuntimeNetwork(nn.Module):
    """A network on its runtime, called as the network itself is.

    Args:
        run: (B, C, H, W) -> logits (B, K), and those of a mask where the network has one.
        choice: what it runs on.
        network: torch's, kept where it is what runs, so that its parameters move with this module.
    """

    def __init__(self, run: Run, choice: RuntimeChoice, network: nn.Module | None = None) -> None:
        super().__init__()
        self.run = run
        self.choice = choice
        self.network = network

    def forward(self, image: Tensor, *clinical: Tensor) -> Outputs:
        """Classify slices: (B, C, H, W) float to logits (B, K) float32, with a mask to these and its logits.

        Clinical data beside them, (1, W), is for torch alone.
        """
        return self.run(image, *clinical)


def on_runtime(
    network: SliceClassifier | TrainedNetwork,
    weights: str | PathLike,
    image_size: int,
    runtime: str = "auto",
    precision: str = "fp32",
    clinical: bool = False,
) -> RuntimeNetwork:
    """Put a trained network on a runtime.

    `auto` takes the fastest that is installed and gives what torch gives in fp32: every logit within 1e-3 and the same
    decisions, on drawn slices and with these very weights. Converted networks and what was found are kept in the user's
    cache folder (or `ICHMONAI_CACHE`), so that this happens once for each network and computer. In bf16 no network is
    within 1e-3: it is taken only when it is asked for, and where the decisions stay the same. int8 needs a model that
    `ichmonai export --int8` has made and found good on real slices. On a GPU the network stays with torch.

    Args:
        network: on its device; one that is not built yet stays so where it was converted before.
        weights: file that its weights came from.
        image_size: height and width of its input in pixels.
        runtime: `auto` or one of `RUNTIMES`. One that is named and cannot be used is an error; `auto` takes another.
        precision: one of `PRECISIONS`.
        clinical: whether clinical data is given beside the images: files of networks take the image alone, so that
            torch runs it.

    Returns:
        The network on its runtime, with the `choice` and its reason.

    Raises:
        InputError: a name is not known, or the runtime that is named cannot be used.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise InputError(f"runtime is {runtime!r}; choose from auto, {', '.join(RUNTIMES)}.")
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; choose from {', '.join(PRECISIONS)}.")
    device = network.device if isinstance(network, TrainedNetwork) else next(network.parameters()).device
    if clinical and (runtime not in ("auto", "torch") or precision == "int8"):
        named = f"{runtime} in {precision}" if precision == "int8" else runtime
        raise InputError(f"Clinical data is taken by torch alone, and {named} was asked for; leave one of them out.")
    if clinical:
        return _on_torch(network, precision, "clinical data beside the images is for it alone")
    if device.type != "cpu" and runtime in ("auto", "torch") and precision != "int8":
        return _on_torch(network, precision, f"the network is on {device}")
    if device.type != "cpu":
        raise InputError(f"{runtime} in {precision} is for the CPU and the network is on {device}: set device to cpu.")
    if runtime == "torch" and precision != "int8":
        return _on_torch(network, precision, "it was asked for")
    candidates = _Candidates(network, Path(weights), image_size)
    if runtime != "auto":
        return candidates.named(runtime, precision)
    chosen = candidates.fastest(precision)
    choice = chosen.choice
    logger.info("The network runs on %s in %s: %s.", choice.runtime, choice.precision, choice.reason)
    return chosen


def _on_torch(given: SliceClassifier | TrainedNetwork, precision: str, reason: str) -> RuntimeNetwork:
    network = _built(given)
    return RuntimeNetwork(
        open_torch(network.with_mask(), precision), RuntimeChoice("torch", precision, reason), network
    )


def _built(given: SliceClassifier | TrainedNetwork) -> SliceClassifier:
    return given.network if isinstance(given, TrainedNetwork) else given.eval()


class _Candidates:
    """The runtimes of one network on this computer."""

    def __init__(self, given: SliceClassifier | TrainedNetwork, weights: Path, image_size: int) -> None:
        self.given = given
        self.weights = weights
        self.sha256 = sha256_of_file(weights)
        self.image_size = image_size
        form = given.form if isinstance(given, TrainedNetwork) else repr(given)
        self.cache = NetworkCache(form, self.sha256, image_size)

    @property
    def network(self) -> SliceClassifier:
        """Built where it was not yet."""
        return _built(self.given)

    def named(self, runtime: str, precision: str) -> RuntimeNetwork:
        """The runtime that was asked for, or an error."""
        if problem := unavailable(runtime, precision):
            raise InputError(f"{problem}.")
        trial = self._trial(runtime, precision)
        problem = trial if isinstance(trial, str) else trial.problem(precision)
        if isinstance(trial, str) or problem:
            raise InputError(f"The network cannot run on {runtime} in {precision}: {problem}; use --runtime auto.")
        return self._network(runtime, precision, "it was asked for", {f"{runtime} {precision}": trial})

    def fastest(self, precision: str) -> RuntimeNetwork:
        """The fastest that passes in a precision; in fp32 where none does."""
        problems = []
        for one in dict.fromkeys((precision, "fp32")):
            passed: dict[str, Trial] = {}
            reasons = {runtime: unavailable(runtime, one) for runtime in RUNTIMES_OF[one]}
            for runtime in [name for name, reason in reasons.items() if not reason]:
                if one == "fp32" and runtime == "torch" and sum(not reason for reason in reasons.values()) == 1:
                    continue  # nothing to compare it with
                trial = self._trial(runtime, one)
                if isinstance(trial, Trial) and not trial.problem(one):
                    passed[f"{runtime} {one}"] = trial
                else:
                    reasons[runtime] = f"{runtime}: {trial if isinstance(trial, str) else trial.problem(one)}"
            problems += [reason for reason in reasons.values() if reason]
            if passed:
                runtime = max(passed, key=lambda name: passed[name].slices_per_second).split()[0]
                return self._network(runtime, one, _sentence(passed, problems), passed)
        return _on_torch(self.network, "fp32", "; ".join(problems))

    def _network(self, runtime: str, precision: str, reason: str, trials: dict[str, Trial]) -> RuntimeNetwork:
        choice = RuntimeChoice(
            runtime,
            precision,
            reason,
            trials[f"{runtime} {precision}"].largest_difference,
            {name: round(trial.slices_per_second, 1) for name, trial in trials.items()},
        )
        kept = self.network if runtime == "torch" else None
        return RuntimeNetwork(self._open(runtime, precision), choice, kept)

    def _trial(self, runtime: str, precision: str) -> Trial | str:
        """How a runtime does, or why it cannot be used; from the cache where it was tried before."""
        try:
            with self.cache.held():
                file = self._file(runtime, precision)
                known = self.cache.trial(runtime, precision, file)
                if known is None:
                    known = self._try(runtime, precision)
                    self.cache.keep_trial(runtime, precision, file, known)
                return known
        except InputError as error:
            return str(error).rstrip(".")
        except OSError as error:
            return f"{self.cache.folder} cannot be used as a cache ({error.strerror}); set ICHMONAI_CACHE to a folder"
        except Exception as error:  # each library raises errors of its own, and another runtime may do
            return f"it failed ({first_line(error)})"

    def _try(self, runtime: str, precision: str) -> Trial:
        return try_out(self._open(runtime, precision), *self._reference, head_sizes(self.network))

    def _open(self, runtime: str, precision: str) -> Run:
        file = self._file(runtime, precision)
        return open_torch(self.network.with_mask(), precision) if file is None else open_file(runtime, file, precision)

    def _file(self, runtime: str, precision: str) -> Path | None:
        if runtime == "torch":
            return None
        if precision == "int8":
            return checked_int8(self.weights, self.sha256)
        format = FORMAT_OF[runtime]

        def write(file: Path) -> None:
            facts = describe(self.network, self.weights, self.image_size)
            export_network(self.network.with_mask(), format, file, facts)

        return self.cache.model(f"model{FORMATS[format]}", write)

    @cached_property
    def _reference(self) -> tuple[Tensor, Outputs]:
        images = drawn_slices(self.network.in_channels, self.image_size)
        with torch.no_grad():
            return images, open_torch(self.network.with_mask(), "fp32")(images)


def _sentence(passed: dict[str, Trial], problems: list[str]) -> str:
    speeds = sorted(passed.items(), key=lambda item: -item[1].slices_per_second)
    difference = speeds[0][1].largest_difference
    fastest = ", ".join(f"{name} {trial.slices_per_second:.0f}" for name, trial in speeds)
    found = f"fastest on this computer ({fastest} slices/s), logits within {difference:.0e} of torch fp32"
    return "; ".join([found, *problems])
