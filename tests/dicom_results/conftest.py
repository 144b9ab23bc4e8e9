"""A phantom series, and its answer with what a network says that tells kinds and draws a mask."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.datasets.phantom import make_study
from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.dicom_results.device import Device
from ichmonai.io.discovery.find import find_head_ct
from ichmonai.io.geometry import Geometry
from ichmonai.io.head_ct import load_head_ct
from ichmonai.io.series import ImageSource, Series
from ichmonai.prediction.steps import Answer
from ichmonai.tables import VOLUMES
from tests.prediction.conftest import small_bundle, volume

__all__ = ["small_bundle", "volume"]

SIZE = 96
DEVICE = Device("ab" * 32, "cd" * 32, 0.5)
WriteSeries = Callable[..., Path]


@pytest.fixture(scope="session")
def phantom():
    """A deep haemorrhage, the gantry tilted by 12 degrees."""
    return make_study(3, kind="deep", size=SIZE, tilt=12)


@pytest.fixture
def write_series(phantom, tmp_path: Path) -> WriteSeries:
    """Writes the series with other values; a value None removes the attribute."""

    def write(name: str = "scan", **attributes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for i in range(phantom.scanner.slices):
            dataset = slice_dataset(phantom, i)
            for keyword, value in attributes.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, value)
            dataset.save_as(folder / f"{i:02}.dcm", enforce_file_format=True)
        return folder

    return write


@pytest.fixture
def series(write_series) -> Series:
    return series_of(write_series())


def series_of(folder: Path) -> Series:
    """The series of a folder as discovery finds it."""
    (item,), _ = find_head_ct(folder)
    return Series(item["study"], item["series"], tuple(ImageSource(one) for one in item["image"]))


def frames_of(file: Path) -> Series:
    """The series of a file of several frames."""
    (item,), _ = find_head_ct(file)
    return Series(item["study"], item["series"], tuple(item["image"]))


@pytest.fixture
def answer(phantom, series) -> Answer:
    return answer_of(phantom, series)


def answer_of(phantom, series: Series, outcome: str = "positive") -> Answer:
    """What a network with kinds and a mask would say, as the tables have it."""
    sick = [bool(one.ich) for one in phantom.truth]
    if outcome == "negative":
        sick = [False] * len(sick)
    uids = [slice_dataset(phantom, i).SOPInstanceUID for i in range(len(sick))]
    rows = [
        {
            "study": series.study,
            "series": series.series,
            "slice": i,
            "sop_instance_uid": uids[i],
            "state": "classified" if i else "outside_brain",
            "slices_apart": 1,
        }
        | ({"p_ich": f"{p:.6f}", "area_mm2": f"{100.0 * sick[i]:.1f}"} if i else {})
        for i, p in enumerate(0.95 - i / 1000 if one else 0.02 for i, one in enumerate(sick))
    ]
    leading = sick.index(True) if True in sick else len(sick) // 2
    study = {
        "study": series.study,
        "series": series.series,
        "path": series.path,
        "outcome": outcome,
        "p_ich": "0.875" if outcome == "positive" else "0.02",
        **dict(zip((f"p_{one}" for one in LOCATIONS), ("0.75", "0.125", "0.125"), strict=True)),
        **dict(zip((f"p_{one}" for one in KINDS), ("0.01", "0.9", "0.6", "0.03", "0.02"), strict=True)),
        "location": "deep" if outcome == "positive" else "",
        "slices": len(rows),
        "brain_slices": len(rows) - 1,
        "leading_slice": leading,
        "leading_sop_instance_uid": uids[leading],
        "flags": "gantry_tilt",
        "sha256": "ef" * 32,
    }
    mask = np.moveaxis(phantom.blood, -1, 0) > 0
    geometry = Geometry.of(load_head_ct(list(series.images)))
    none = dict.fromkeys(VOLUMES, "0.000")
    study |= none | {"volume_ml": "12.500", "volume_low_ml": "9.000", "volume_high_ml": "20.000"}
    study["volume_intraparenchymal_ml"] = "12.500"
    blood = mask.astype(np.uint8) * (1 + KINDS.index("intraparenchymal"))
    return Answer(None, study, rows, content="01" * 32, mask=blood, geometry=geometry)
