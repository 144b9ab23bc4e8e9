import pytest
from monai.bundle import ConfigParser

from ichmonai.paths import absolute_config, bundle_root
from ichmonai.trust.rules import parts


def refusals(config):
    return [part.refusal for part in parts(config) if part.refusal]


HARMLESS = [
    {"_target_": "Compose", "transforms": [{"_target_": "ScaleIntensityd", "keys": "image"}]},
    {"_target_": "monai.networks.nets.DenseNet121", "spatial_dims": 2, "in_channels": 3, "out_channels": 2},
    {"_target_": "torch.nn.CrossEntropyLoss", "_mode_": "callable"},
    {"_target_": "ichmonai.transforms.WindowHUd", "keys": "image", "windows": [[40, 80]]},
    "$@image_size * 2 + 1",
    "$@output_dir + '/model.pt' if @device else None",
    "$[1, 2] * len(@channels)",
    "$torch.device('cuda:0')",
    "$import torch",
    "%network_def",
    "%#sibling",
    "plain text, 100 % of it, $5, someone@example.org",
]


@pytest.mark.parametrize("config", HARMLESS, ids=str)
def test_what_is_harmless_is_allowed(config):
    assert refusals({"entry": config}) == []


RUN = "import os; os.system('touch /tmp/owned')"
MALICIOUS = [
    "$__import__('os').system('id')",
    "$import os as torch",
    "$import torch; import os",
    "$from os import system",
    "$ import subprocess",
    "$eval('1')",
    "$getattr(@network, 'x')",
    "$@evaluator.run",
    "$().__class__.__base__.__subclasses__()",
    "$[c for c in (1,)]",
    "$(lambda: 1)()",
    "$f'{@a}'",
    '$\'@x + __import__("os").system("id") + @y\'',
    "$max([1], key=@call)(2)",
    "$(x := 1)",
    "$9**9**9",
    "$[0] * 99999999",
    "$torch.hub.load('a', 'b')",
    "$torch.device('cpu') or __import__('os')",
    "$@a # @b",
    {"_target_": "os.system", "command": "id"},
    {"_target_": "builtins.exec"},
    {"_target_": "subprocess.Popen"},
    {"_target_": "torch.load"},
    {"_target_": "torch.hub.load"},
    {"_target_": "torch.jit.load"},
    {"_target_": "torch.nn.modules.module.os.system"},
    {"_target_": "monai.transforms.utils.os.system"},
    {"_target_": "monai.utils.misc.Path"},
    {"_target_": "monai.utils.optional_import", "module": "os"},
    {"_target_": "monai.utils.module.instantiate"},
    {"_target_": "monai.bundle.download"},
    {"_target_": "monai.bundle.ConfigParser"},
    {"_target_": "monai.apps.utils.download_url"},
    {"_target_": "monai.data.PersistentDataset"},
    {"_target_": "NumpyReader", "allow_pickle": True},
    {"_target_": "LoadImaged", "reader": "NumpyReader"},
    {"_target_": "SaveImaged"},
    {"_target_": "Lambdad", "func": "@x"},
    {"_target_": "monai.handlers.CheckpointLoader"},
    {"_target_": "ConfigParser"},
    {"_target_": "run"},
    {"_target_": "functools.partial"},
    {"_target_": "$@network.forward"},
    {"_target_": "@name", "name": "os.system"},
    {"_target_": "%name"},
    {"_target_": ["os.system"]},
    {"_target_": "ichmonai.monailabel.folder.shutil.rmtree"},
    {"_target_": "ichmonai.networks.create_network.__globals__"},
    {"_target_": "Compose", "transforms": [{"_target_": "Compose", "_requires_": ["$__import__('os')"]}]},
    {"_target_": "Compose", "_disabled_": "$exit()"},
    {"_target_": "Compose", "_mode_": "debug"},
    {"_target_": "Compose", "_debug_": True},
    {"network#_target_": "os.system"},
    {"a::b::_target_": "os.system"},
    "%/etc/other.json#x",
    "%other.yaml::x",
    "%../x.json",
]


@pytest.mark.parametrize("config", MALICIOUS, ids=str)
def test_what_could_run_anything_is_refused(config):
    assert refusals({"entry": config})
    assert refusals({"entry": [{"inner": config}]})


def test_our_own_configs_pass_part_by_part():
    for file in (bundle_root() / "configs").glob("*.json"):
        parser = ConfigParser(absolute_config(bundle_root(), file.stem))
        parser.resolve_macro_and_relative_ids()  # parts of one another
        assert refusals(parser.get()) == [], file.name
