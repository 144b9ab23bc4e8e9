"""Prediction from Python: one study at a time, in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.meta_tensor import MetaTensor

from ichmonai.errors import InputError
from ichmonai.io import head_ct_of
from ichmonai.io.discovery.find import find_series
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.series import ImageSource, Series
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource, InferenceBundle, device_setting
from ichmonai.prediction.report.words import draft, thresholds
from ichmonai.prediction.steps import Answer, classify, prepare
from ichmonai.prediction.study_answer import StudyAnswer, study_answer


class Predictor:
    """Loads a network once, and answers for one study after another as `ichmonai predict` does.

    Files are read in this process; a folder of many studies, or files of unknown origin, are better given to
    `ichmonai predict`, which reads them in processes of their own.

    Args:
        bundle: folder of a MONAI bundle; ichmonai's own unless given. Its configs are code.
        device: `cpu`, `cuda`, `cuda:1` and so on; a GPU if there is one.
        runtime: `torch`, `onnxruntime`, `openvino`, or the fastest that gives the same results.
        settings: values of the top section of the bundle's `inference.json` that are to differ.
        trust: run whatever the bundle's configs name.

    Raises:
        InputError: the bundle cannot be used, or there is no such device.

    Example:
        >>> Predictor(runtime="torch")("scan.nii.gz").outcome  # doctest: +SKIP
        'negative'
    """

    def __init__(
        self,
        bundle: str | PathLike[str] | None = None,
        *,
        device: str | None = None,
        runtime: str = "auto",
        settings: Mapping[str, Any] | None = None,
        trust: bool = False,
    ) -> None:
        root = Path(bundle or bundle_root()).absolute()
        chosen = {"runtime": runtime, **(settings or {}), **device_setting(device)}
        self.source = BundleSource(root, chosen, trusted=trust)

    @cached_property
    def _parts(self) -> InferenceBundle:
        return self.source.open()

    def __call__(
        self,
        image: str | PathLike[str] | np.ndarray | Any,
        spacing: Sequence[float] | None = None,
        affine: np.ndarray | None = None,
    ) -> StudyAnswer:
        """Answer for one study.

        Args:
            image: path of a DICOM series or study, a volume, a zip archive, or a slice picture; or HU: an array
                (S, H, W) with `spacing`, or (I, J, K) with `affine`, or a slice (H, W); an image of ITK; a `MetaTensor`
                (1, I, J, K).
            spacing: mm between the slices, rows and columns of an array (S, H, W) of axial slices, inferior to
                superior, seen from the feet with the face up, as `itk.array_from_image` gives a supine head.
            affine: 4x4 from index to RAS+ mm.

        Returns:
            The answer.

        Raises:
            HeadCTReadError: the input gets no answer, in one sentence and with its code.
            InputError: the path holds several studies.
        """
        series, read = _image(image, spacing, affine, self._parts.setting("accept"))
        prepared = prepare(self._parts, series, True, read)
        answer = prepared if isinstance(prepared, Answer) else classify(self._parts, series, prepared)
        if answer.finding:
            raise HeadCTReadError(answer.finding.sentence, answer.finding.code)
        findings = () if isinstance(prepared, Answer) else prepared.meta.get("findings", [])
        warnings = (*series.findings, *(Finding(Code(code), sentence) for code, sentence in findings))
        words = draft(answer.study, *thresholds(self._parts.setting("decision").thresholds)).columns
        return study_answer(replace(answer, study={**answer.study, **words}), warnings)


def predict(image: Any, spacing: Sequence[float] | None = None, **options: Any) -> StudyAnswer:
    """Answer for one study; see `Predictor`, which loads the network once for many.

    Args:
        image: as `Predictor` takes it when it is called.
        spacing: the same.
        options: `affine`, and those of `Predictor`.

    Returns:
        The answer.

    Example:
        >>> predict("scan.nii.gz").probability  # doctest: +SKIP
        0.04
    """
    affine = options.pop("affine", None)
    return Predictor(**options)(image, spacing, affine)


def _image(
    image: Any, spacing: Sequence[float] | None, affine: np.ndarray | None, accept: Sequence[str]
) -> tuple[Series, MetaTensor | None]:
    if isinstance(image, str | PathLike):
        found, _ = find_series(image, accept)
        if len(found) > 1:
            raise InputError(f"{image} holds {len(found)} studies; give one, or all of them to ichmonai predict.")
        return found[0], None
    if isinstance(image, MetaTensor):
        read = head_ct_of(image.as_tensor().numpy()[0], np.asarray(image.affine))
    elif hasattr(image, "GetDirection"):
        read = _of_itk(image)
    elif spacing is not None:
        # Axial slices seen from the feet: columns run to the patient's left, rows to posterior, in RAS+ downwards.
        depth, row, column = (float(one) for one in spacing)
        matrix = np.array([[0, 0, -column, 0], [0, -row, 0, 0], [depth, 0, 0, 0], [0, 0, 0, 1.0]])
        read = head_ct_of(image, matrix)
    else:
        read = head_ct_of(image, affine)
    return Series("array", "array", (ImageSource("array"),)), read


def _of_itk(image: Any) -> MetaTensor:
    """An image of ITK or SimpleITK: index (I, J, K) to LPS, of which RAS+ differs in two signs."""
    if type(image).__module__.startswith("SimpleITK"):
        import SimpleITK as sitk  # noqa: N813  # its own, where the user has it

        array, direction = sitk.GetArrayViewFromImage(image), np.reshape(image.GetDirection(), (3, 3))
    else:
        import itk

        array, direction = itk.array_view_from_image(image), itk.array_from_matrix(image.GetDirection())
    matrix = np.eye(4)
    matrix[:3, :3] = direction @ np.diag(list(image.GetSpacing()))
    matrix[:3, 3] = list(image.GetOrigin())
    return head_ct_of(np.asarray(array).T, np.diag([-1.0, -1, 1, 1]) @ matrix)
