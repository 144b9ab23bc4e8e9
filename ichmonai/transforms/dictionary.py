"""Dictionary versions of the array transforms: their arguments after the keys of the images."""

import inspect
import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, Generic, ParamSpec, Self, overload

import numpy as np
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform, Randomizable

P = ParamSpec("P")


class DictionaryTransform(MapTransform, Generic[P]):
    """Base of the dictionary versions: the array transform on each image.

    `WindowHUd = DictionaryTransform.of(WindowHU)` makes one.

    Args:
        keys: keys of the images.
        *args: arguments of the array version, also by name.
        allow_missing_keys: do not raise if a key is missing.
        **kwargs: see `args`.
    """

    array: ClassVar[Callable[..., Any]]

    # Two signatures for type checkers, which know no ParamSpec with a keyword of one's own.
    @overload
    def __init__(self, keys: KeysCollection, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def __init__(self, keys: KeysCollection, *args: Any, allow_missing_keys: bool, **kwargs: Any) -> None: ...
    def __init__(self, keys: KeysCollection, *args: Any, allow_missing_keys: Any = False, **kwargs: Any) -> None:
        super().__init__(keys, allow_missing_keys)
        self.transform = self.array(*args, **kwargs)

    @classmethod
    def of(cls, array: Callable[P, Any]) -> type[Self]:
        """The dictionary version of an array transform: a class with its name and a d, its arguments and its help."""
        name = f"{array.__name__}d"
        signature = _signature(cls, array)

        def __init__(self: Self, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            try:
                signature.bind(self, *args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{name}: {error}.") from None
            cls.__init__(self, *args, **kwargs)

        __init__.__signature__ = signature  # type: ignore[attr-defined]
        members = {"array": array, "__init__": __init__, "__doc__": _doc(cls, array), "__module__": array.__module__}
        return type(name, (cls,), members)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the images transformed."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.transform(d[key])
        return d


class RandDictionaryTransform(DictionaryTransform[P], Randomizable):
    """Base of the dictionary versions of random transforms: one draw, by the array version, for all images.

    Args:
        keys: keys of the images.
        *args: arguments of the array version, also by name.
        allow_missing_keys: do not raise if a key is missing.
        **kwargs: see `args`.
    """

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """Seed the array transform, which draws for all keys."""
        self.transform.set_random_state(seed, state)
        self.R = self.transform.R
        return self

    def randomize(self, data: object = None) -> None:
        """Let the array transform draw."""
        self.transform.randomize(data)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the images transformed alike."""
        d = dict(data)
        self.randomize()
        for key in self.key_iterator(d):
            d[key] = self.transform(d[key], randomize=False)
        return d


def _signature(base: type, array: Callable[..., Any]) -> inspect.Signature:
    """That of the base's `__init__`, with the array version's parameters in the place of *args and **kwargs."""
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(base.__init__).parameters.values():  # type: ignore[misc]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            parameters += inspect.signature(array).parameters.values()
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            parameters.append(parameter)
    return inspect.Signature(parameters)


def _doc(base: type, array: Callable[..., Any]) -> str:
    """What the array version does, and what its arguments mean in the place of *args and **kwargs."""
    text, _, rest = (inspect.getdoc(array) or "").partition("\n\nArgs:\n")
    text = re.split(r"\n\n(?:Raises|Example):\n", text)[0]
    entries = re.split(r"\n\n(?:Raises|Example):\n", rest)[0]
    arguments = (inspect.getdoc(base) or "").partition("\n\nArgs:\n")[2]
    arguments = re.sub(r" +\*args: .*\n", f"{entries}\n" if entries else "", arguments)
    arguments = re.sub(r"\n +\*\*kwargs: .*", "", arguments)
    return f"Dictionary version of `{array.__name__}`.\n\n{text}\n\nArgs:\n{arguments}\n"
