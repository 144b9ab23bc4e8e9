"""Load pretrained or trained weights, and account for every tensor."""

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
from timm.layers import PatchEmbed, resample_abs_pos_embed
from timm.models import load_state_dict
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ichmonai.errors import InputError

logger = logging.getLogger(__name__)

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")

# torchvision's VisionTransformer -> timm's; applied in this order.
_TORCHVISION_TO_TIMM = (
    (r"^class_token$", "cls_token"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "head."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(?:linear_1|0)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:linear_2|3)\.", ".mlp.fc2."),
)


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor of a checkpoint and of the network. All names are the network's state_dict names.

    Attributes:
        source: the file or timm tag.
        loaded: tensors now in the network, including the resampled.
        resampled: position embeddings brought to the network's image size.
        missing: tensors of the network that the checkpoint lacks; they keep their initial values.
        mismatched: tensors of another shape in the checkpoint; the network keeps its initial values.
        dropped: the checkpoint's own classifier, e.g. the 1000 ImageNet classes, for which the network has no place.
        unexpected: all other tensors for which the network has no place.
    """

    source: str
    loaded: tuple[str, ...]
    resampled: tuple[str, ...]
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
        for kind in ("resampled", "missing", "mismatched", "dropped", "unexpected"):
            names: tuple[str, ...] = getattr(self, kind)
            if names:
                parts.append(f"{len(names)} {kind} ({', '.join(names)})")
        return "; ".join(parts)


def load_weights(module: nn.Module, source: str | Path) -> LoadReport:
    """Load weights into a network that has an `encoder` (a timm vision transformer) and heads, such as `DTViT`.

    A checkpoint may hold the whole network, or a ViT with timm's or torchvision's names (the published DTViT code
    starts from torchvision's ViT-L/16), which fills the encoder. Every tensor of the encoder must be found: heads may
    stay at their initial values, an encoder may not.

    Args:
        module: the network, changed in place.
        source: a local `.safetensors`, `.pth`, `.pt` or `.bin` file (read without unpickling code; a state_dict, or one
            under "state_dict" or "model", with or without the prefix "module."), or a timm model name or tag, whose
            weights timm fetches from its hub.

    Returns:
        Which tensors were loaded, resampled, missing, mismatched, dropped, unexpected.

    Raises:
        InputError: the file does not exist, cannot be read or holds another network's weights, or timm could not fetch
            the weights.
    """
    state = _to_network_names(_read(source))
    own = module.state_dict()
    resampled = _resample_position_embedding(state, module, own)
    loaded = {name: value for name, value in state.items() if name in own and value.shape == own[name].shape}
    surplus = [name for name in state if name not in own]
    report = LoadReport(
        source=str(source),
        loaded=tuple(loaded),
        resampled=resampled,
        missing=tuple(name for name in own if name not in state),
        mismatched=tuple(name for name in state if name in own and name not in loaded),
        dropped=tuple(name for name in surplus if name.startswith("encoder.head")),
        unexpected=tuple(name for name in surplus if not name.startswith("encoder.head")),
    )
    _refuse_another_network(report, module, state, own)
    module.load_state_dict(loaded, strict=False)
    logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report)
    return report


def _read(source: str | Path) -> dict[str, Tensor]:
    """Read a local file, or let timm fetch the weights of a tag."""
    path = Path(source)
    if path.suffix in WEIGHT_SUFFIXES:
        if not path.is_file():
            raise InputError(f"There is no weights file {path}; train a network or give the path of its weights.")
        try:
            state: dict[str, Any] = load_state_dict(str(path), weights_only=True)
        except Exception as error:  # torch, pickle and safetensors each have their own
            raise InputError(
                f"Cannot read weights from {path}: it is damaged, or holds more than tensors, which is never unpickled "
                f"({type(error).__name__}); save the network's state_dict alone."
            ) from error
        tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        if not tensors:
            raise InputError(f"{path} holds no tensors: expected a state_dict, found the keys {list(state)[:5]}.")
        return tensors
    if not timm.is_model(str(source)):
        raise InputError(
            f"{source} is neither a weights file ({', '.join(WEIGHT_SUFFIXES)}) nor a model that timm knows."
        )
    try:
        return timm.create_model(str(source), pretrained=True).state_dict()
    except Exception as error:  # the hub client's own, the network's, or timm's where a model has no weights
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"Cannot fetch pretrained weights {source} from timm's hub ({type(error).__name__}: {reason}); download "
            "them where there is a network and give the path of the .safetensors file instead."
        ) from error


def _to_network_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a bare timm or torchvision ViT's tensors to the encoder's."""
    if "conv_proj.weight" in state:
        for pattern, replacement in _TORCHVISION_TO_TIMM:
            state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
    if any(name.startswith("encoder.") for name in state):
        return state
    return {f"encoder.{name}": value for name, value in state.items()}


def _resample_position_embedding(
    state: dict[str, Tensor], module: nn.Module, own: Mapping[str, Tensor]
) -> tuple[str, ...]:
    """Bring position embeddings of the same width to the network's grid; change `state` in place."""
    name = "encoder.pos_embed"
    given, wanted = state.get(name), own.get(name)
    if given is None or wanted is None or given.shape == wanted.shape or given.shape[-1] != wanted.shape[-1]:
        return ()
    encoder = cast(VisionTransformer, module.get_submodule("encoder"))
    prefix_tokens = 0 if encoder.no_embed_class else encoder.num_prefix_tokens
    if not math.sqrt(given.shape[1] - prefix_tokens).is_integer():  # no square grid with this network's class token
        return ()
    grid = cast(PatchEmbed, encoder.patch_embed).grid_size
    state[name] = resample_abs_pos_embed(given, grid, num_prefix_tokens=prefix_tokens)
    return (name,)


def _refuse_another_network(
    report: LoadReport, module: nn.Module, state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> None:
    """Raise if a tensor of the encoder is not filled, or the checkpoint's encoder has more blocks or tensors."""
    problems = [
        f"{name} should be {tuple(own[name].shape)} and is {tuple(state[name].shape)}"
        for name in report.mismatched
        if name.startswith("encoder.")
    ]
    problems += [f"{name} is missing" for name in report.missing if name.startswith("encoder.")]
    problems += [f"{name} has no place" for name in report.unexpected if name.startswith("encoder.blocks.")]
    if problems:
        fitting = sum(name.startswith("encoder.") for name in report.loaded)
        wanted = sum(name.startswith("encoder.") for name in own)
        encoder = cast(VisionTransformer, module.get_submodule("encoder"))
        architecture = cast(dict[str, Any], encoder.pretrained_cfg)["architecture"]
        raise InputError(
            f"{report.source} holds another network's weights: of the {wanted} tensors of a {architecture} encoder it "
            f"gives {fitting}, and {problems[0]} (the first of {len(problems)} such tensors); give weights of the same "
            "architecture."
        )


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
            f"{path} is not a checkpoint of this network ({name} does not fit); give the one it was trained to."
        )
    return module
