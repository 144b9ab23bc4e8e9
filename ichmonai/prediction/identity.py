"""What decides the results of a run, as a digest that is the same however the parts were made."""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ichmonai.digests import sha256_of_file
from ichmonai.prediction.source import Parts

_PARTS = ("preprocessing", "inferer", "postprocessing")
_SETTINGS = ("description", "calibration", "threshold", "decision", "accept")


def identity_of(parts: Parts) -> dict[str, Any]:
    """SHA-256 of the weights, and of all else that decides the results.

    Args:
        parts: what turns a series into rows.
    """
    said = {name: plain(getattr(parts, name)) for name in _PARTS}
    said |= {"placement": plain(parts.placement)} | {name: plain(parts.setting(name)) for name in _SETTINGS}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return {"weights_sha256": sha256_of_file(parts.weights), "config_sha256": digest}


def plain(value: Any, above: tuple[int, ...] = ()) -> Any:
    """A value as JSON: an object by its class and attributes, a function by its name, an array by its digest."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if id(value) in above or isinstance(value, nn.Module | np.random.RandomState | np.random.Generator):
        return type(value).__qualname__
    inner = partial(plain, above=(*above, id(value)))
    if isinstance(value, Mapping):
        return {str(key): inner(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(json.dumps(inner(one), sort_keys=True) for one in value)
    if isinstance(value, list | tuple):
        return [inner(one) for one in value]
    if isinstance(value, np.ndarray | Tensor):
        array = np.ascontiguousarray(torch.as_tensor(value).numpy())
        return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    if isinstance(value, PurePath | torch.device | torch.dtype | np.generic | np.dtype):
        return str(value)
    if isinstance(value, partial):
        return [inner(value.func), inner(value.args), inner(value.keywords)]
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, type):
        return [name, inner(owner)]  # a method
    return [name, inner(vars(value))] if hasattr(value, "__dict__") and not callable_by_name(value) else name


def callable_by_name(value: Any) -> bool:
    """Whether a value is a function or a class, which its name says all of."""
    return isinstance(value, type) or hasattr(value, "__code__")
