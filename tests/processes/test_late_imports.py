import json
import subprocess
import sys

import pytest

HEAVY = ("torchvision", "timm", "transformers", "sklearn", "skimage", "itk", "jsonschema", "scipy.signal", "pandas")

PATH = """
import sys
from ichmonai.processes.late_imports import spare_monai
spare_monai()
import monai.data, torch
import ichmonai.commands.answers, ichmonai.prediction.engines, ichmonai.prediction.run
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource
parts = BundleSource(bundle_root()).open()
parts.preprocessing, parts.inferer, parts.postprocessing, parts.setting("threshold")
image = monai.data.MetaTensor(torch.zeros(1, 4, 4, 2))
assert image.pixdim.tolist() == [1, 1, 1]  # looks for MetaTensor in monai.data
late = [name for name, one in sys.modules.items() if type(one).__name__ == "_Late"]
assert "monai" in late and "monai.transforms" in late and "monai.data" in late, late
loaded = [name for name in HEAVY if name in sys.modules and name not in late]
assert not loaded, loaded
"""

LATER = """
import sys
from ichmonai.processes.late_imports import load_monai, spare_monai
spare_monai()
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
import monai
assert monai.__version__
assert monai.losses.DiceLoss.__module__ == "monai.losses.dice"
assert monai.transforms.Compose is Compose
"""

ALL = """
import json
from monai.bundle import ComponentLocator
locator = ComponentLocator()
locator.get_component_module_name("Compose")
print(json.dumps({name: sorted(modules) for name, modules in sorted(locator._components_table.items())}))
"""


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_what_predicts_loads_neither_all_of_monai_nor_what_trains_and_measures():
    run(PATH.replace("HEAVY", repr(HEAVY)))


@pytest.mark.slow
def test_what_was_put_off_is_there_when_it_is_asked_for():
    run(LATER)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["data.meta_tensor", "transforms.transform", "bundle.config_parser", "losses"])
def test_whatever_is_asked_for_first_the_rest_can_follow(first):
    run(f"""
from ichmonai.processes.late_imports import spare_monai
spare_monai()
import monai.{first}
from monai.data import CacheDataset
from monai.networks.nets import UNet
""")


@pytest.mark.slow
def test_all_of_monai_is_there_when_it_is_loaded_after_all():
    late = run(LATER + "load_monai()\nassert monai.data.MetaTensor is MetaTensor\n" + ALL)
    assert json.loads(late) == json.loads(run("import monai\n" + ALL))


def test_a_monai_that_is_loaded_stays_as_it_is():
    import monai

    from ichmonai.processes.late_imports import load_monai, spare_monai

    before = list(sys.meta_path)
    spare_monai()
    assert sys.meta_path == before
    load_monai()
    assert sys.modules["monai"] is monai
    assert type(monai).__name__ == "module"
