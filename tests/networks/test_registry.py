import pytest
import torch

from ichmonai.errors import InputError
from ichmonai.networks import RSNA_HEADS, DTViT, Scopeformer, SliceClassifier, create_network, load_trained


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vit_large_patch16_224", DTViT),
        ("vit_large_patch32_224", DTViT),
        ("deit_tiny_patch16_224", DTViT),
        ("scopeformer_vit", Scopeformer),
        ("resnet18", SliceClassifier),
        ("swin_tiny_patch4_window7_224", SliceClassifier),
    ],
)
def test_a_name_is_a_network(name, kind):
    with torch.device("meta"):
        network = create_network(name)
        assert type(network) is kind
        assert network(torch.zeros(2, 3, 224, 224)).shape == (2, 5)


def test_the_comparison_networks_are_whole():
    """Parameters of the published networks, less their classifiers of 1000 classes, and the two linear heads."""
    published = {
        "resnet18": (11_689_512, 512, 513_000),
        "alexnet": (61_100_840, 4096, 4_097_000),
        "squeezenet1_0": (1_248_424, 512, 513_000),
        "densenet161": (28_681_000, 2208, 2_209_000),
    }
    for name, (whole, width, classifier) in published.items():
        with torch.device("meta"):
            assert parameters(create_network(name)) == whole - classifier + 5 * (width + 1), name


def test_cvt_21_is_whole():
    pytest.importorskip("transformers")
    with torch.device("meta"):
        assert parameters(create_network("cvt_21")) == 31_622_696 - 385_000 + 5 * 385


def test_dtvit_with_six_labels():
    network = create_network("test_vit", image_size=64, heads=RSNA_HEADS)
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 6)
    with torch.device("meta"):
        assert DTViT("test_vit", heads=RSNA_HEADS)(torch.zeros(2, 3, 224, 224)).shape == (2, 6)


def test_checkpoint_with_other_heads_gives_its_encoder_and_is_no_trained_network(tmp_path):
    dual = create_network("test_resnet")
    torch.save(dual.state_dict(), tmp_path / "dual.pt")
    six = create_network("test_resnet", pretrained=str(tmp_path / "dual.pt"), heads=RSNA_HEADS)
    assert all(torch.equal(value, dual.encoder.state_dict()[name]) for name, value in six.encoder.state_dict().items())
    with pytest.raises(InputError, match="is not a checkpoint of this network"):
        load_trained(six, tmp_path / "dual.pt")


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("scopeformer_4cnn", {}, "did you mean scopeformer_"),
        ("resnet-18", {}, "did you mean resnet"),
        ("resnet18", {"frozen": True}, "resnet18 takes no frozen"),
        ("resnet18", {"pretrained": ["a.pth", "b.pth"]}, "weights of one file"),
        ("alexnet", {"gradient_checkpointing": True}, "alexnet offers no gradient checkpointing"),
        ("legacy_xception", {"gradient_checkpointing": True}, "offers no gradient checkpointing"),
        ("squeezenet1_0", {"drop_path_rate": 0.1}, "no residual connections to drop"),
        ("vgg11", {"drop_path_rate": 0.1}, "timm cannot build vgg11 .*drop_path"),
        ("resnet18", {"heads": {}}, "at least one head"),
    ],
)
def test_refusals_are_one_sentence(name, settings, sentence):
    with torch.device("meta"), pytest.raises(InputError, match=sentence):
        create_network(name, **settings)


def test_says_when_transformers_is_absent(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'ichmonai\[cvt\]'"):
        create_network("cvt_21")


def test_options_reach_the_network():
    network = create_network("resnet18", drop_path_rate=0.5, gradient_checkpointing=True, head="mlp")
    assert network.encoder.grad_checkpointing
    assert network.encoder.layer4[1].drop_path.drop_prob == 0.5
    assert network.heads.heads["ich"][0].out_features == 512
