"""What the dictionary version of every transform takes over from its array version: name, arguments, help."""

import copy
import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, MapTransform, Randomizable, Transform

from ichmonai import transforms as T
from ichmonai.transforms.counterfactual.bleeding_bank import cut_bleeding
from ichmonai.transforms.dictionary import DictionaryTransform, RandDictionaryTransform

ROOT = Path(__file__).parents[2]
NAMES = sorted(
    name
    for name in T.__all__
    if isinstance(getattr(T, name), type) and issubclass(getattr(T, name), DictionaryTransform)
)
RANDOM = [name for name in NAMES if issubclass(getattr(T, name), RandDictionaryTransform)]
MASKED = [
    "RandAddStreaksd",
    "RandDrawCalcificationd",
    "RandDrawDurad",
    "RandDrawInfarctd",
    "RandDrawPartialBoned",
    "RandDrawSkullBased",
]
CHANGES_LABEL = [
    "RandCoverBraind",
    "RandDiffuseBleedingd",
    "RandDrawBleedingd",
    "RandEraseBleedingd",
    "RandTransplantBleedingd",
]


@pytest.fixture(scope="module")
def donors() -> list:
    hu = np.full((128, 128), 900.0, np.float32)  # a skull
    hu[16:112, 26:102] = 32  # a brain
    hu[40:60, 40:60] = 65  # blood
    return [cut_bleeding(hu, np.array([1, 0]))]


def required(name: str, donors: list) -> dict:
    arguments = {
        "RandTransplantBleedingd": {"donors": donors},
        "RandDiffuseBleedingd": {"model": "inpainter.pt"},  # which is read when it is first needed
        "CropToHeadd": {"size": 32},
    }
    return arguments.get(name, {})


def drawn(transform: Randomizable) -> dict:
    return {name: value for name, value in vars(transform).items() if isinstance(value, (int, float))}


def item() -> dict:
    return {"image": torch.full((1, 64, 64), 30.0), "label": torch.tensor([1, 0])}


def test_all_have_one():
    transforms = {
        name for name in T.__all__ if isinstance(getattr(T, name), type) and issubclass(getattr(T, name), Transform)
    }
    assert transforms - {"LoadNeighbouringSlicesd"} == {name[: len(name) - cut] for name in NAMES for cut in (0, 1)}


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    dictionary, array = getattr(T, name), getattr(T, name[:-1])
    parameters = dict(inspect.signature(dictionary).parameters)
    assert parameters.pop("keys").default is inspect.Parameter.empty
    assert parameters.pop("allow_missing_keys").default is False
    if name in CHANGES_LABEL:
        assert parameters.pop("label_keys").default == "label"
        assert parameters.pop("kinds_key").default == "kinds"
    if name == "CropToHeadd":
        assert parameters.pop("mask_keys").default == ()
    if name in CHANGES_LABEL + MASKED:
        assert parameters.pop("mask_key").default == "mask"
    assert parameters == dict(inspect.signature(array).parameters)
    assert list(inspect.signature(dictionary.__init__).parameters)[:2] == ["self", "keys"]


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_the_arguments_mean(name):
    dictionary, array = getattr(T, name), getattr(T, name[:-1])
    assert (dictionary.__name__, dictionary.__module__) == (name, array.__module__)
    doc = inspect.getdoc(dictionary)
    assert f"`{name[:-1]}`" in doc.splitlines()[0]
    assert inspect.getdoc(array).splitlines()[0] in doc
    arguments = doc.partition("\n\nArgs:\n")[2]
    described = [line.split(":")[0].strip() for line in arguments.splitlines() if line[:4] == "    " != line[4:8]]
    described = described[: len(inspect.signature(dictionary).parameters)]
    assert described == list(inspect.signature(dictionary).parameters)
    assert "*" not in arguments.partition("\n\n")[0]
    assert ">>>" not in doc


@pytest.mark.parametrize("name", NAMES)
def test_wrong_arguments_are_refused_by_its_own_name(name, donors):
    with pytest.raises(TypeError, match=rf"^{name}: got an unexpected keyword argument 'colour'\.$"):
        getattr(T, name)("image", colour=3, **required(name, donors))
    with pytest.raises(TypeError, match=rf"^{name}: missing a required argument: 'keys'\.$"):
        getattr(T, name)(**required(name, donors))


@pytest.mark.parametrize("name", NAMES)
def test_copies_do_the_same(name, donors):
    settings = {"accept": ["not_head", "not_hu"]} if name == "CheckHeadCTd" else {}
    settings |= {"minimum": 0.0} if name == "KeepBrainSlicesd" else {}
    transform = getattr(T, name)("image", **required(name, donors), **settings)
    assert isinstance(transform, MapTransform)
    if isinstance(transform, Randomizable):
        transform.set_random_state(seed=3)
    pickled = pickle.dumps(transform)
    expected = transform(item())
    for same in (pickle.loads(pickled), copy.deepcopy(pickle.loads(pickled))):
        assert type(same) is type(transform)
        result = same(item())
        torch.testing.assert_close(result["image"], expected["image"])
        assert result["label"].tolist() == expected["label"].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_config_makes_it(name, donors):
    config = {"made": {"_target_": f"ichmonai.transforms.{name}", "keys": ["image"], **required(name, [])}}
    if name == "RandTransplantBleedingd":
        config |= {"bank": donors, "made": config["made"] | {"donors": "@bank"}}
    made = ConfigParser(config).get_parsed_content("made")
    assert type(made) is getattr(T, name)
    config["made"]["colour"] = 3
    with pytest.raises(RuntimeError, match="Failed to instantiate component") as error:
        ConfigParser(config).get_parsed_content("made")
    assert f"{name}: got an unexpected keyword argument 'colour'" in str(error.value.__cause__)


@pytest.mark.parametrize("name", RANDOM)
def test_random_ones_draw_as_the_array_version(name, donors):
    transform = getattr(T, name)("image", **required(name, donors))
    array = getattr(T, name[:-1])(**required(name, donors)).set_random_state(seed=5)
    assert transform.set_random_state(seed=5) is transform
    assert transform.R is transform.transform.R
    for _ in range(3):
        array.randomize(None)
        transform.randomize(None)
        assert drawn(transform.transform) == drawn(array)
    seeded = Compose([transform]).set_random_state(seed=9)
    assert seeded.transforms[0].R is transform.transform.R


def test_arguments_by_position():
    windows = T.WindowHUd("image", T.RSNA_WINDOWS, allow_missing_keys=True)
    assert windows.transform.windows == T.RSNA_WINDOWS
    assert windows({}) == {}
    assert T.RandEraseBleedingd("image", 1.0, label_keys=["label", "rsna"]).label_keys == ("label", "rsna")


def test_spawned_workers(donors):
    chain = Compose(
        [
            T.RandTransplantBleedingd("image", donors=donors),
            T.RandNoiseHUd("image", prob=1),
            T.WindowHUd("image", windows=T.RSNA_WINDOWS),
        ]
    )
    loader = DataLoader(Dataset([item(), item()], chain), batch_size=2, num_workers=1, multiprocessing_context="spawn")
    assert next(iter(loader))["image"].shape == (2, 3, 64, 64)


@pytest.mark.slow
def test_type_checkers_know_the_arguments(tmp_path):
    lines = {
        'T.WindowHUd("image", windows=T.RSNA_WINDOWS)': True,
        'T.ResizeInPlaned(["image"], 64)({})': True,
        'T.ResizeInPlaned(keys="image", size=64, allow_missing_keys=True)': True,
        'T.RandNoiseHUd("image", prob=0.1).set_random_state(3)({})': True,
        'T.RandEraseBleedingd("image", prob=1, label_keys=["label"])': True,
        'T.WindowHUd("image", window=T.RSNA_WINDOWS)': False,
        'T.ResizeInPlaned("image", size="64")': False,
        'T.RandNoiseHUd("image", highes=0.1)': False,
    }
    file = tmp_path / "calls.py"
    file.write_text("\n".join(["from ichmonai import transforms as T", *lines]) + "\n")
    options = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={tmp_path}"]
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(file)],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    ).stdout
    wrong = {int(line.split(":")[1]) for line in found.splitlines() if ": error:" in line and "calls.py" in line}
    assert wrong == {number for number, right in enumerate(lines.values(), start=2) if not right}, found
