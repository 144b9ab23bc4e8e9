"""MONAI Label's inference task: scores of the study and of its slices, and what can be laid over the image."""

import copy
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import HTTPException
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform
from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.basic_infer import BasicInferTask
from monailabel.transform.writer import ClassificationWriter, Writer

from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError
from ichmonai.evaluation import calibration_path
from ichmonai.io import find_head_ct
from ichmonai.model_description import ModelDescription
from ichmonai.monailabel.explanation import outline
from ichmonai.monailabel.mask import blood_over_image
from ichmonai.networks import SliceClassifier
from ichmonai.notice import NOTICE
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.prediction.rows import study_rows

_OVERLAY = (
    "Where the network sees the haemorrhage, in the colour of the location that it gives the study: "
    "a coarse saliency map, not a segmentation, which may lie beside the blood (median Dice with the blood of nine "
    f"studies 0.02). {NOTICE}"
)
_MASK = f"The blood that the network marks, by kind: to be corrected, and trained on. {NOTICE}"


class FindHeadCTd(MapTransform):
    """A path to what `load_head_ct` takes: as `ichmonai predict` does, of a study the series that suits best.

    Args:
        keys: paths.
        accept: see `find_head_ct`.
    """

    def __init__(self, keys: Any, accept: Sequence[str] = ()) -> None:
        super().__init__(keys)
        self.accept = accept

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the data with the images in place of the paths, and the warnings of their headers in `findings`."""
        changed = dict(data)
        for key in self.key_iterator(changed):
            found, _ = find_head_ct(changed[key], self.accept)
            if len(found) > 1:
                raise InputError(f"{changed[key]} holds {len(found)} studies; give the folder of one.")
            changed[key], changed["findings"] = found[0]["image"], found[0]["findings"]
        return changed


class HaemorrhageInfer(BasicInferTask):
    """Runs the bundle on a study, as `ichmonai predict` does on torch.

    Args:
        model: model folder.
    """

    def __init__(self, model: Path) -> None:
        metadata = json.loads((model / "configs" / "metadata.json").read_text(encoding="utf-8"))
        channels = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        self.model = model
        self.classes = {name.lower(): int(index) for index, name in channels.items()}
        super().__init__(
            path=str(model / "models" / "model.pt"),
            network=None,
            type=InferType.CLASSIFICATION,
            labels=self.classes,
            dimension=3,
            description=metadata["description"],
        )

    def with_overlay(self) -> "HaemorrhageInfer":
        """The same task with an overlay; viewers offer it as an automatic segmentation."""
        other = copy.copy(self)
        other.type, other.description = InferType.SEGMENTATION, _MASK if self.makes_masks else _OVERLAY
        other.labels = {name: value for value, name in enumerate(KINDS if self.makes_masks else LOCATIONS, 1)}
        return other

    @property
    def makes_masks(self) -> bool:
        """Whether the overlay is a mask of the blood by kind; else it is a saliency map."""
        return ModelDescription.beside(self.model / "models" / "model.pt").makes_masks

    def config(self) -> dict[str, Any]:
        """Options that viewers show: the device, and the weights, those in use first."""
        kept = sorted((self.model / "models").glob("until_*/model.pt"), reverse=True)
        names = ["model.pt", *(path.relative_to(self.model / "models").as_posix() for path in kept)]
        return {**super().config(), "model_filename": names}

    def weights(self, data: Mapping[str, Any] | None = None) -> tuple[str, str]:
        """Name and SHA-256 of the weights in use, or of those that a request asks for.

        Raises:
            InputError: there are none of that name.
        """
        chosen = (data or {}).get("model_filename") or "model.pt"
        name = chosen if isinstance(chosen, str) else chosen[0]
        if name not in self.config()["model_filename"]:
            raise InputError(f"model_filename is {name}; choose from {', '.join(self.config()['model_filename'])}.")
        path = self.model / "models" / name
        return name, _digest(path, path.stat().st_mtime_ns)

    def bundle(self, data: Mapping[str, Any]) -> InferenceBundle:
        """The bundle with the weights and the device of a request, and the calibration of these weights."""
        name, digest = self.weights(data)
        path = self.model / "models" / name
        beside = calibration_path(path)
        calibration = sha256_of_file(beside) if beside.is_file() else ""
        return _bundle(self.model, path, str(data.get("device") or "cpu"), digest, calibration)

    def __call__(self, request: dict[str, Any], callbacks: dict | None = None) -> tuple[str | None, dict[str, Any]]:
        """Answer a request; what gets no answer is refused with a sentence (HTTP 422)."""
        try:
            return super().__call__(request, callbacks)
        except InputError as error:
            raise HTTPException(422, str(error)) from error

    def pre_transforms(self, data: dict[str, Any] | None = None) -> list[Callable]:
        """The bundle's preprocessing, after what finds the series."""
        bundle = self.bundle(data or {})
        return [FindHeadCTd(self.input_key, bundle.setting("accept")), *bundle.preprocessing.transforms]

    def inferer(self, data: dict[str, Any] | None = None) -> Callable[..., Any]:
        """The bundle's."""
        return self.bundle(data or {}).inferer

    def post_transforms(self, data: dict[str, Any] | None = None) -> Sequence[Callable]:
        """The bundle's postprocessing."""
        return self.bundle(data or {}).postprocessing.transforms

    def _get_network(self, device: str, data: dict[str, Any] | None) -> SliceClassifier:
        return self.bundle({**(data or {}), "device": device}).setting("trained_network").eval()

    def run_post_transforms(self, data: dict[str, Any], transforms: Sequence[Callable]) -> dict[str, Any]:
        """The bundle's postprocessing; the shape of the file that was read, which it drops, is kept."""
        shape = data[self.input_key].meta.get("spatial_shape")
        data = super().run_post_transforms(data, transforms)
        if shape is not None:
            data[self.input_key].meta["spatial_shape"] = shape
        return data

    def writer(
        self, data: dict[str, Any], extension: str | None = None, dtype: Any = None
    ) -> tuple[str | None, dict[str, Any]]:
        """The answer, and the file of the overlay if there is one."""
        names = {index: name for name, index in self.classes.items()}
        _, answer = ClassificationWriter(self.output_label_key, names)(data)
        answer |= self._study(data)
        if self.type == InferType.CLASSIFICATION:
            return None, answer
        summary, image = data[self.output_label_key], data[self.input_key]
        network = self._get_network(data["device"], data)
        if self.bundle(data).setting("description").makes_masks:
            marks, volumes, areas = blood_over_image(network, self.bundle(data).inferer, image)
            answer["study"] |= _numbers(volumes)
            answer["slices"] = [one | _numbers(area) for one, area in zip(answer["slices"], areas, strict=True)]
        else:
            p_ich = data[f"{self.output_label_key}_slices"][1]
            value = 1 + int(summary[2 : 2 + len(LOCATIONS)].argmax())
            marks = outline(network, image, p_ich, answer["threshold"]) * np.uint8(value)
        data[self.output_label_key] = MetaTensor(marks, affine=image.meta["original_affine"])
        data[self.output_json_key] = answer
        data["result_extension"] = extension or data.get("result_extension") or ".nii.gz"
        data["result_dtype"] = dtype or data.get("result_dtype") or np.uint8
        return Writer(self.output_label_key, self.output_json_key, nibabel=True)(data)

    def _study(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What `ichmonai predict` writes into its tables, as numbers."""
        meta = dict(data[self.input_key].meta)
        meta["findings"] = [*data["findings"], *(meta.get("findings") or ())]
        threshold = self.bundle(data).setting("threshold")
        slices = data[f"{self.output_label_key}_slices"]
        decision = self.bundle(data).setting("decision")
        row, rows = study_rows("", "", data[self.output_label_key], slices, meta, decision)
        return {
            "study": _numbers(row),
            "slices": [_numbers(one) for one in rows],
            "threshold": threshold,
            "warnings": [sentence for _, sentence in meta["findings"]],
            "weights": dict(zip(("file", "sha256"), self.weights(data), strict=True)),
            "notice": NOTICE,
        }


@lru_cache
def _digest(path: Path, modified: int) -> str:
    return sha256_of_file(path)


@lru_cache(maxsize=1)  # a network may be large; the digests make it anew after a training
def _bundle(model: Path, weights: Path, device: str, digest: str, calibration: str) -> InferenceBundle:
    settings = {"ckpt_path": str(weights), "device": f"$torch.device('{device}')"}
    return InferenceBundle(BundleSource(model, settings, trusted=True))  # `write_model` has asked whether it is


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """A table's row without the study's names, with numbers where the table has text."""
    return {
        name: float(value) if name.startswith(("p_", "volume_", "area_", "brain_content")) and value != "" else value
        for name, value in row.items()
        if name not in ("study", "series")
    }
