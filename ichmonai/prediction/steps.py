"""One series on its way: read and preprocessed in a worker, classified where the network is."""

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from monai.utils.enums import CommonKeys
from numpy.typing import NDArray

from ichmonai.digests import sha256_of_hu
from ichmonai.io.contents import digest_of
from ichmonai.io.findings import Finding, HeadCTReadError
from ichmonai.io.geometry import Geometry
from ichmonai.io.series import Series
from ichmonai.prediction.blood import Blood
from ichmonai.prediction.chain import clinical_table
from ichmonai.prediction.noise import brain_noise
from ichmonai.prediction.pictures import Pictures, as_seen, brain_window
from ichmonai.prediction.rows import CLASSIFIED, study_rows, technique_columns
from ichmonai.prediction.source import Parts
from ichmonai.private_files import create


@dataclass
class Prepared:
    """A series as the network's input.

    Attributes:
        image: float32 (C, H, W, S), or the file that holds it where another process made it.
        meta: plain values of the image's meta data.
        sha256: of the volume's HU.
        seconds: by stage.
        content: SHA-256 of the files, see `ichmonai.io.contents.digest_of`; "" where they could not be read.
        view: the slices as a reader is shown them, see `brain_window`, or their file; None where nobody asked.
        spacing: mm between rows and between columns of `view`.
        geometry: of the volume as it was read.
        noise: in its brain, see `brain_noise`.
    """

    image: np.ndarray | Path
    meta: dict[str, Any]
    sha256: str
    geometry: Geometry
    seconds: dict[str, float] = field(default_factory=dict)
    content: str = ""
    view: np.ndarray | Path | None = None
    spacing: tuple[float, float] = (1.0, 1.0)
    noise: float | None = None

    def spill(self, file: Path) -> "Prepared":
        """Write the arrays to .npy files, so that only their names go through the pipe between two processes."""
        self.image = _spilled(self.image, file)
        if self.view is not None:
            self.view = _spilled(self.view, file.with_suffix(".view.npy"))
        return self

    def take(self) -> np.ndarray:
        """The image; its file, where there is one, is removed."""
        self.image = _taken(self.image)
        return self.image

    def take_view(self) -> np.ndarray | None:
        """The slices as a reader is shown them; their file, where there is one, is removed."""
        self.view = None if self.view is None else _taken(self.view)
        return self.view


def _spilled(array: np.ndarray | Path, file: Path) -> Path:
    with os.fdopen(create(file), "wb") as stream:
        np.save(stream, np.asarray(array))
    return file


def _taken(array: np.ndarray | Path) -> np.ndarray:
    if isinstance(array, np.ndarray):
        return array
    read = np.load(array)
    array.unlink()
    return read


@dataclass
class Answer:
    """What became of a series.

    Attributes:
        finding: why there is no prediction; None where there is one.
        study: its row of the table of studies.
        slices: its rows of the table of slices.
        seconds: by stage.
        runtime: what the network ran on, see `RuntimeChoice`; None where it did not run or does not say.
        content: SHA-256 of the files that it belongs to; "" where it cannot be kept for the next run.
        pictures: what a reader is shown; None where nobody asked. The journal does not keep them.
        mask: uint8 (S, H, W) of all slices of the volume as it was read, inferior to superior, H to posterior and W to
            the patient's left: 0 where no blood is found, i + 1 for the kind i of `KINDS`. None where the network makes
            none; of an earlier run's answers, where a writer needs it.
        geometry: of that volume; None where there is no mask.
    """

    finding: Finding | None = None
    study: dict[str, Any] = field(default_factory=dict)
    slices: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    runtime: dict[str, Any] | None = None
    content: str = ""
    pictures: Pictures | None = None
    mask: NDArray[np.uint8] | None = None
    geometry: Geometry | None = None


def checked(chain: Compose, item: Mapping[str, Any], pictures: bool = False) -> dict[str, Any]:
    """Run transforms that read and check one input.

    Args:
        chain: its first transform reads `image`, unless that is a tensor that was read before.
        item: a datalist item.
        pictures: whether a reader is to be shown the slices.

    Returns:
        The item after the chain, with `sha256` of the HU that were read, their `geometry` and `noise`, and `seconds` by
        stage; with pictures `view` and `spacing` as `Prepared` has them.

    Raises:
        HeadCTReadError: when the input gets no answer.
    """
    started = time.perf_counter()
    try:
        read = dict(item) if isinstance(item[CommonKeys.IMAGE], MetaTensor) else chain(dict(item), end=1)
        digest = sha256_of_hu(read[CommonKeys.IMAGE].numpy())
        geometry, noise = Geometry.of(read[CommonKeys.IMAGE]), brain_noise(read[CommonKeys.IMAGE])
        shown = _shown(read[CommonKeys.IMAGE]) if pictures else {}
        was_read = time.perf_counter()
        result = chain(read, start=1)
    except RuntimeError as error:  # Compose wraps what a transform raises, and says where in memory that is
        raise (error.__cause__ or error) from None
    seconds = {"read": was_read - started, "preprocess": time.perf_counter() - was_read}
    return {**result, **shown, "sha256": digest, "geometry": geometry, "noise": noise, "seconds": seconds}


def _shown(image: MetaTensor) -> dict[str, Any]:
    row, column = (float(one) for one in image.pixdim[:2])
    return {"view": brain_window(image), "spacing": (row, column)}


def prepare(
    bundle: Parts, series: Series, pictures: bool = False, image: MetaTensor | None = None
) -> Prepared | Answer:
    """Read a series, check it and make the network's input of it.

    Args:
        bundle: its preprocessing reads first.
        series: what to read.
        pictures: whether a reader is to be shown the slices.
        image: what there would be to read, where it is in memory.

    Returns:
        The input, (C, H, W, S) also for a slice alone; or the answer, when that is a reason why there is none.
    """
    content = ""
    with contextlib.suppress(Exception):  # whatever is wrong with a file, its reader says it better
        content = "" if image is not None else digest_of(series.images)
    read = list(series.images) if image is None else image
    try:
        item = checked(bundle.preprocessing, {CommonKeys.IMAGE: read, "study": series.study}, pictures)
    except HeadCTReadError as error:
        return Answer(Finding(error.code, str(error)), content=content)
    made = item[CommonKeys.IMAGE]
    meta = {name: value for name, value in made.meta.items() if isinstance(value, str | int | float | list)}
    array = made.as_tensor().numpy()
    array = array if array.ndim == 4 else array[..., None]
    view, spacing = item.get("view"), item.get("spacing", (1.0, 1.0))
    return Prepared(
        array, meta, item["sha256"], item["geometry"], item["seconds"], content, view, spacing, item["noise"]
    )


def classify(bundle: Parts, series: Series, prepared: Prepared) -> Answer:
    """Run the network on the slices of one series, and on no others with them, so that the result is its own alone.

    Args:
        bundle: network, inferer and postprocessing; its preprocessing for clinical data.
        series: what is classified.
        prepared: its input.

    Returns:
        The rows of the tables.
    """
    started = time.perf_counter()
    image = torch.from_numpy(prepared.take())
    meta = {**prepared.meta, "findings": _findings(series, prepared)}
    device, table = bundle.setting("device"), clinical_table(bundle.preprocessing)
    beside = [] if table is None else [torch.tensor([table({"study": series.study})], device=device)]
    with torch.inference_mode():
        found = bundle.inferer(image[None].to(device), bundle.network, *beside)
    logits, mask = (found[0].cpu(), None) if isinstance(found, torch.Tensor) else (part[0].cpu() for part in found)
    item = bundle.postprocessing({CommonKeys.PRED: logits, CommonKeys.IMAGE: MetaTensor(image, meta=dict(meta))})
    summary, slices = item[CommonKeys.PRED], item[f"{CommonKeys.PRED}_slices"]
    row, rows = study_rows(series.study, series.series, summary, slices, meta, bundle.setting("decision"))
    seconds = {**prepared.seconds, "infer": time.perf_counter() - started}
    choice = getattr(bundle.network, "choice", None)
    record = choice and choice.record()
    row |= {"path": series.path, "sha256": prepared.sha256, **technique_columns(series.technique, prepared.noise)}
    row |= {} if table is None else {"clinical": table.known({"study": series.study})}
    blood = None if mask is None else Blood.of(mask, meta)
    if blood is not None:
        volumes, areas = blood.columns(prepared.geometry)
        row |= volumes
        rows = [one | (area if one["state"] == CLASSIFIED else {}) for one, area in zip(rows, areas, strict=True)]
    pictures = _pictures(prepared, rows, row["leading_slice"])
    answer = Answer(None, row, rows, seconds, record, prepared.content, pictures)
    return answer if blood is None else replace(answer, mask=blood.mask, geometry=prepared.geometry)


def _pictures(prepared: Prepared, rows: list[dict[str, Any]], leading: int) -> Pictures | None:
    view = prepared.take_view()
    if view is None:
        return None
    classified = [row["slice"] for row in rows if row["state"] == CLASSIFIED]
    seen = as_seen(prepared.take()[..., classified.index(leading)])
    return Pictures(view, seen, prepared.spacing, prepared.geometry.is_placed)


def describe(series: Series, prepared: Prepared) -> Answer:
    """What a dry run says of a series that would be predicted."""
    slices = prepared.take().shape[-1]
    row = {
        "study": series.study,
        "series": series.series,
        "path": series.path,
        "slices": prepared.meta.get("slice_count", slices),
        "brain_slices": slices,
        "flags": ";".join(dict.fromkeys(code for code, _ in _findings(series, prepared))),
        "description": series.description,
    }
    return Answer(None, row, [], prepared.seconds)


def _findings(series: Series, prepared: Prepared) -> list:
    return [[code.value, sentence] for code, sentence in series.findings] + prepared.meta.get("findings", [])
