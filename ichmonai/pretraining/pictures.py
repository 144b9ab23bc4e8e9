"""Pictures in class folders, as ImageNet has them: listed, read and written."""

from collections.abc import Hashable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform
from monai.utils.enums import CommonKeys
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms.v2 import functional as tvf

from ichmonai.datasets.item import Item
from ichmonai.errors import InputError, first_line

_FOLDERS = {"training": "train", "validation": "val"}


def load_class_folders(folder: str | PathLike) -> dict[str, list[Item]]:
    """List pictures by class.

    Args:
        folder: ImageNet's layout, `train/<class>/<picture>` and `val/<class>/<picture>` with the same classes.

    Returns:
        Items of `training` and `validation`: `image` path, `name` (path below `folder`, without suffix), `label` int64
        (1,), the class's place among the sorted names.

    Raises:
        InputError: a folder or a class is missing or empty.
    """
    root = Path(folder)
    try:
        found = {split: ImageFolder(str(root / name)) for split, name in _FOLDERS.items()}
    except FileNotFoundError as error:
        raise InputError(
            f"{root} is no folder of pictures by class, train/<class>/ and val/<class>/ ({first_line(error)}); give "
            "ImageNet's, or write photographs there with the run `photographs` of restyle.json."
        ) from error
    if found["training"].classes != found["validation"].classes:
        odd = sorted({*found["training"].classes} ^ {*found["validation"].classes})[0]
        raise InputError(f"{root} has the class {odd} in only one of train/ and val/; give both the same classes.")
    return {
        split: [
            {
                "image": path,
                "name": Path(path).relative_to(root).with_suffix("").as_posix(),
                "label": np.array([label], dtype=np.int64),
            }
            for path, label in part.samples
        ]
        for split, part in found.items()
    }


class LoadPictured(MapTransform):
    """Read pictures as colour.

    Args:
        keys: keys of the paths.
        allow_missing_keys: do not raise if a key is missing.

    Example:
        >>> LoadPictured("image")({"image": "train/coffee/0001.png"})["image"].shape  # doctest: +SKIP
        torch.Size([3, 256, 256])
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with float32 (3, H, W) in [0, 1], red, green, blue, in place of the paths.

        Raises:
            InputError: a file cannot be read as a picture.
        """
        d = dict(data)
        for key in self.key_iterator(d):
            try:
                with Image.open(d[key]) as picture:
                    d[key] = tvf.to_dtype(tvf.pil_to_tensor(picture.convert("RGB")), torch.float32, scale=True)
            except (OSError, SyntaxError) as error:  # the latter of Pillow's PNG reader
                raise InputError(f"{d[key]} is no readable picture ({first_line(error)}); remove it.") from error
        return d


class PictureWriter:
    """Ignite handler for an evaluator: writes its output, images (B, 3, H, W) in [0, 1], as `<name>.png`.

    Args:
        directory: root of the names; made if absent.
    """

    def __init__(self, directory: str | PathLike) -> None:
        self.directory = Path(directory)

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the pictures of a batch, whose items have a `name` as `load_class_folders` gives it."""
        batch, output = cast(Any, engine.state.batch), cast(Any, engine.state.output)
        for name, image in zip(batch["name"], output[CommonKeys.PRED], strict=True):
            path = self.directory / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            tvf.to_pil_image(tvf.to_dtype(image.clamp(0, 1).cpu(), torch.uint8, scale=True)).save(path)
