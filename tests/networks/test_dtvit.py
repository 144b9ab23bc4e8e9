import numpy as np
import pytest
import timm
import torch

from ichmonai.networks import DTViT

TINY = "vit_tiny_patch16_224"


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return DTViT(TINY, image_size=64).eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_paper_counts_its_backbone_with_the_1000_class_head():
    with torch.device("meta"):
        assert parameters(timm.create_model("vit_large_patch16_224")) == 304_326_632
        dtvit = DTViT()
    assert parameters(dtvit) == 304_326_632 - 1000 * (1024 + 1) + 5 * (1024 + 1)
    attention = dtvit.encoder.blocks[0].attn
    assert (len(dtvit.encoder.blocks), attention.num_heads, dtvit.encoder.embed_dim) == (24, 16, 1024)
    assert attention.fused_attn


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("location_classes", [3, 4])
def test_heads(images, head, location_classes):
    assert DTViT(TINY, image_size=64, head=head, location_classes=location_classes)(images).shape == (
        3,
        2 + location_classes,
    )


@pytest.mark.parametrize(
    ("backbone", "tokens"),
    [
        ("vit_large_patch32_224", 2 * 2 + 1),
        ("deit_tiny_patch16_224", 4 * 4 + 1),
        ("vit_medium_patch16_gap_256", 4 * 4),
        ("vit_base_patch16_siglip_224", 4 * 4),
    ],
)
def test_other_backbones(images, backbone, tokens):
    with torch.device("meta"):
        network = DTViT(backbone, image_size=64)
        assert network.encoder.pos_embed.shape[1] == tokens
        assert network(images.to("meta")).shape == (3, 5)


def test_features_are_those_of_timm(network, images):
    encoder = timm.create_model(TINY, img_size=64).eval()
    encoder.load_state_dict(network.encoder.state_dict(), strict=False)
    features = encoder.forward_head(encoder.forward_features(images), pre_logits=True)
    torch.testing.assert_close(network.heads(features), network(images))


@pytest.mark.parametrize(
    ("backbone", "sentence"),
    [
        ("vit_larg_patch16_224", "did you mean vit_large_patch16_224"),
        ("no such network", "timm.list_models"),
        ("resnet18", "resnet18 is no vision transformer"),
        ("deit_tiny_distilled_patch16_224", "distillation token"),
    ],
)
def test_refuses_other_backbones(backbone, sentence):
    with torch.device("meta"), pytest.raises(ValueError, match=sentence):
        DTViT(backbone)


def test_refuses_other_sizes_and_classes():
    with pytest.raises(ValueError, match="no multiple of the patch size 16"):
        DTViT(TINY, image_size=100)
    with pytest.raises(ValueError, match="3 location classes"):
        DTViT(TINY, location_classes=2)


def test_bfloat16_autocast_is_close_to_float32(network, images):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), network(images), atol=0.1, rtol=0.1)


def test_gradient_checkpointing_changes_no_gradient(network, images):
    checkpointed = DTViT(TINY, image_size=64, gradient_checkpointing=True).eval()
    checkpointed.load_state_dict(network.state_dict())
    gradients = []
    for each in (network, checkpointed):
        each.zero_grad()
        each(images).square().sum().backward()
        gradients.append(each.encoder.patch_embed.proj.weight.grad)
    assert checkpointed.encoder.grad_checkpointing
    assert not network.encoder.grad_checkpointing
    torch.testing.assert_close(*gradients)


def test_drop_path_acts_in_training(images):
    network = DTViT(TINY, image_size=64, drop_path_rate=0.5).train()
    assert not torch.equal(network(images), network(images))


@pytest.mark.slow
def test_onnx_of_the_exporter_without_torchscript(images, tmp_path):
    network = DTViT("test_vit", image_size=64).eval()
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.onnx.export(
        network,
        (images[:2],),
        tmp_path / "model.onnx",
        input_names=["image"],
        output_names=["pred"],
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
        verbose=False,
    )
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for batch in (images, images[:1]):
        (logits,) = session.run(["pred"], {"image": batch.numpy()})
        np.testing.assert_allclose(logits, network(batch).detach().numpy(), atol=1e-5)
