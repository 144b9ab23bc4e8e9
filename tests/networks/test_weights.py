import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import VisionTransformer

from ichmonai.errors import InputError
from ichmonai.networks import DTViT, create_network, load_weights
from ichmonai.paths import bundle_root

TINY = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def imagenet():
    """A ViT-Ti/16 of 32 pixels with a 1000-class head, as a stand-in for pretrained weights."""
    torch.manual_seed(1)
    return timm.create_model(TINY, img_size=32)


@pytest.fixture
def network():
    torch.manual_seed(2)
    return DTViT(TINY, image_size=32).eval()


def assert_encoder_is(network, encoder):
    for name, value in encoder.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(network.encoder.state_dict()[name], value), name


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin"])
def test_timm_weights_fill_the_encoder(network, imagenet, tmp_path, suffix):
    file = tmp_path / f"vit{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(imagenet.state_dict(), file)
    heads_before = network.heads.state_dict()["heads.ich.weight"].clone()
    report = load_weights(network, file)
    assert_encoder_is(network, imagenet)
    assert torch.equal(network.heads.state_dict()["heads.ich.weight"], heads_before)
    assert len(report.loaded) == len(network.encoder.state_dict())
    assert set(report.dropped) == {"encoder.head.weight", "encoder.head.bias"}
    assert report.missing == tuple(name for name in network.state_dict() if name.startswith("heads."))
    assert not report.complete
    assert not report.resampled + report.mismatched + report.unexpected
    assert "150 tensors loaded" in str(report)
    assert "2 dropped (encoder.head." in str(report)


@pytest.mark.parametrize("wrap", ["state_dict", "model"])
def test_training_checkpoint_fills_all(network, tmp_path, wrap):
    trained = DTViT(TINY, image_size=32)
    state = {f"module.{name}": value for name, value in trained.state_dict().items()}
    torch.save({wrap: state, "epoch": 3}, tmp_path / "checkpoint.pt")
    report = load_weights(network, tmp_path / "checkpoint.pt")
    assert report.complete
    assert len(report.loaded) == len(trained.state_dict())
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network(images), trained.eval()(images))


def test_pretrained_argument_takes_a_file(imagenet, tmp_path):
    save_file(imagenet.state_dict(), tmp_path / "vit.safetensors")
    assert_encoder_is(DTViT(TINY, pretrained=str(tmp_path / "vit.safetensors"), image_size=32), imagenet)


def test_position_embedding_of_another_size_is_resampled(imagenet, tmp_path):
    save_file(imagenet.state_dict(), tmp_path / "vit.safetensors")
    network = DTViT(TINY, image_size=64)
    report = load_weights(network, tmp_path / "vit.safetensors")
    assert report.resampled == ("encoder.pos_embed",)
    assert "encoder.pos_embed" in report.loaded
    ours, given = network.encoder.pos_embed, imagenet.pos_embed
    assert ours.shape == (1, 17, 192)
    assert torch.equal(ours[:, 0], given[:, 0]), "the class token's embedding stays"
    corner = ours[0, 1]
    assert torch.cosine_similarity(corner, given[0, 1], dim=0) > torch.cosine_similarity(corner, given[0, 4], dim=0)


def test_torchvision_weights_give_torchvision_features(network, tmp_path):
    torch.manual_seed(3)
    theirs = VisionTransformer(32, 16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    torch.save(theirs.state_dict(), tmp_path / "vit.pth")
    report = load_weights(network, tmp_path / "vit.pth")
    assert set(report.dropped) == {"encoder.head.weight", "encoder.head.bias"}
    assert not report.unexpected
    theirs.heads = torch.nn.Identity()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network.encoder(images), theirs(images), atol=1e-4, rtol=1e-4)


def test_heads_of_another_shape_are_reported(network, tmp_path):
    four = DTViT(TINY, image_size=32, location_classes=4)
    torch.save(four.state_dict(), tmp_path / "four.pt")
    report = load_weights(network, tmp_path / "four.pt")
    assert report.mismatched == ("heads.heads.location.weight", "heads.heads.location.bias")
    assert not report.complete


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (lambda: timm.create_model("vit_small_patch16_224", img_size=32).state_dict(), "should be .* and is"),
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, depth=13).state_dict(), "has no place"),
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, depth=11).state_dict(), "is missing"),
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8).state_dict(), "patch_embed"),
        (
            lambda: timm.create_model("vit_tiny_patch16_224", class_token=False, global_pool="avg").state_dict(),
            "pos_embed",
        ),
        (lambda: timm.create_model("resnet18").state_dict(), "gives 0, and .* is missing"),
    ],
)
def test_refuses_another_network(network, tmp_path, other, sentence):
    torch.save(other(), tmp_path / "other.pth")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=rf"other.pth holds another network's weights: .*{sentence}"):
        load_weights(network, tmp_path / "other.pth")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Code:
    def __reduce__(self):
        return print, ("code from a checkpoint ran",)


def test_never_unpickles_code(network, tmp_path, capsys):
    torch.save({"model": Code()}, tmp_path / "code.pt")
    with pytest.raises(ValueError, match="never unpickled"):
        load_weights(network, tmp_path / "code.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Code()))
    with pytest.raises(ValueError, match="never unpickled"):
        load_weights(network, tmp_path / "raw.pt")
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_damaged_and_empty_files(network, tmp_path, suffix):
    (tmp_path / f"cut{suffix}").write_bytes(b"\x00" * 100)
    with pytest.raises(ValueError, match="Cannot read weights from"):
        load_weights(network, tmp_path / f"cut{suffix}")
    torch.save({"epoch": 1}, tmp_path / "empty.pt")
    with pytest.raises(ValueError, match="holds no tensors"):
        load_weights(network, tmp_path / "empty.pt")
    with pytest.raises(InputError, match=r"no weights file .*absent.pth"):
        load_weights(network, tmp_path / "absent.pth")
    with pytest.raises(ValueError, match="neither a weights file"):
        load_weights(network, "vit_typo")


def test_unreachable_hub_says_what_to_do(network, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"Cannot fetch pretrained weights vit_tiny.*path of the file"):
        load_weights(network, "vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    with pytest.raises(InputError, match="Cannot fetch pretrained weights vit_tiny_patch16_224 "):
        DTViT(TINY, pretrained=True)


def test_fetched_weights_fill_the_encoder(network, imagenet, monkeypatch):
    # A fetch in name only: the hub's part is timm's, ours is what becomes of its answer.
    monkeypatch.setattr("ichmonai.networks.sources.timm.create_model", lambda name, pretrained: imagenet)
    report = load_weights(network, "vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    assert_encoder_is(network, imagenet)
    assert report.source == "vit_tiny_patch16_224.augreg_in21k_ft_in1k"


def test_the_shipped_weights_in_another_network_are_named():
    shipped = bundle_root() / "models" / "model.pt"
    with pytest.raises(InputError, match=r"another network's weights, those of light by the model\.json beside it: of"):
        create_network(TINY, pretrained=str(shipped))
