import pytest
import timm
import torch

from ichmonai.errors import InputError
from ichmonai.networks import DUAL_HEADS, RSNA_HEADS, CNNBranch, Scopeformer, create_network, load_trained

SMALL = {"width": 64, "depth": 2, "num_heads": 4, "image_size": 64}


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("scopeformer_1cnn", 1024),
        ("scopeformer_2cnn", 2048),
        ("scopeformer_2cnn_reduced", 256),
        ("scopeformer_3cnn", 3072),
    ],
)
def test_table_1(name, channels):
    with torch.device("meta"):
        network = create_network(name, heads=RSNA_HEADS, head="mlp")
        features = network.encoder.features
        assert features(torch.zeros(2, 3, 224, 224)).shape == (2, channels, 7, 7)
        assert network(torch.zeros(2, 3, 224, 224)).shape == (2, 6)
    branches = {"1": 1, "2": 2, "3": 3}[name[12]]
    assert parameters(features.branches) == branches * 16_058_152  # the paper's 16.06M each
    assert parameters(features.reductions) == (2 * 128 * (1024 + 1) if channels == 256 else 0)
    transformer = network.encoder.transformer
    assert transformer.pos_embed.shape == (1, 7 * 7 + 1, 1456)
    assert transformer.patch_embed.proj.weight.shape == (1456, channels, 1, 1)
    assert len(transformer.blocks) == 12
    # One layer: 12 d^2 weights, and the biases and norms of a ViT's.
    assert parameters(transformer.blocks[0]) == 12 * 1456**2 + 13 * 1456
    assert transformer.blocks[0].attn.fused_attn


def test_pure_vit_reads_the_raw_image():
    with torch.device("meta"):
        network = create_network("scopeformer_vit", image_size=256, heads=RSNA_HEADS)
        assert network(torch.zeros(2, 3, 256, 256)).shape == (2, 6)
        assert network.encoder.transformer.pos_embed.shape == (1, 16 * 16 + 1, 1456)
        assert not hasattr(network.encoder, "features")


def test_heads_of_either_paper(images):
    assert Scopeformer(["test_resnet"], **SMALL)(images).shape == (2, 6)
    assert Scopeformer(["test_resnet"], heads=DUAL_HEADS, head="linear", **SMALL)(images).shape == (2, 5)


def test_same_weights_and_diverse_weights(images, tmp_path):
    files = [tmp_path / "one.pth", tmp_path / "two.pth"]
    for file in files:
        torch.save(timm.create_model("test_resnet").state_dict(), file)
    one, two = map(str, files)
    same = Scopeformer(["test_resnet"] * 2, pretrained=one, **SMALL).eval().encoder.features
    diverse = Scopeformer(["test_resnet"] * 2, pretrained=[one, two], **SMALL).eval().encoder.features
    same_maps, diverse_maps = same(images), diverse(images)
    half = same_maps.shape[1] // 2
    torch.testing.assert_close(same_maps[:, :half], same_maps[:, half:])
    torch.testing.assert_close(diverse_maps[:, :half], same_maps[:, :half])
    assert not torch.allclose(diverse_maps[:, half:], same_maps[:, half:])


def test_branches_trained_on_rsna_labels_become_branches(images, tmp_path):
    cnn = create_network("mobilenetv3_small_050", heads=RSNA_HEADS)
    torch.save(cnn.state_dict(), tmp_path / "model.pt")
    network = Scopeformer(["mobilenetv3_small_050"], pretrained=str(tmp_path / "model.pt"), **SMALL)
    branch = network.encoder.features.branches[0].encoder.state_dict()
    trained = cnn.encoder.state_dict()
    assert branch
    assert all(torch.equal(value, trained[name]) for name, value in branch.items())


def test_the_transformers_initialisation_leaves_branches_alone(tmp_path):
    cnn = timm.create_model("convnext_atto")  # with linear layers, such as timm's ViT initialises
    torch.save(cnn.state_dict(), tmp_path / "cnn.pth")
    network = Scopeformer(["convnext_atto"], pretrained=str(tmp_path / "cnn.pth"), **SMALL)
    name = "stages.3.blocks.1.mlp.fc1.weight"
    assert torch.equal(network.encoder.features.branches[0].encoder.state_dict()[name], cnn.state_dict()[name])


def test_frozen_branch_stays_as_it_is(images):
    network = Scopeformer(["test_resnet", "test_resnet"], frozen=[True, False], reduced_channels=8, **SMALL).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    network(images).square().sum().backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if name.startswith("encoder.features.branches.0.")]
    for part in ("branches.1.", "reductions.0.", "reductions.1."):
        assert [name for name in changed if name.startswith(f"encoder.features.{part}")], part
    assert [name for name in changed if "branches.1." in name and name.endswith("running_mean")]
    assert all(not module.training for module in network.encoder.features.branches[0].modules())
    assert network.eval().train().encoder.features.branches[1].training


def test_branches_of_different_kinds(images):
    network = Scopeformer(["test_resnet", "mobilenetv3_small_050"], reduced_channels=16, **SMALL)
    assert network.encoder.features(images).shape == (2, 32, 2, 2)


def test_gradient_checkpointing_changes_no_gradient(images):
    torch.manual_seed(0)
    plain = Scopeformer(["test_resnet"], **SMALL).eval()
    checkpointed = Scopeformer(["test_resnet"], gradient_checkpointing=True, **SMALL).eval()
    checkpointed.load_state_dict(plain.state_dict())
    assert checkpointed.encoder.transformer.grad_checkpointing
    gradients = []
    for network in (plain, checkpointed):
        network(images).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"branches": ["legacy_xceptoin"]}, "did you mean legacy_xception"),
        ({"branches": ["vgg11"]}, "vgg11 has no residual addition to cut after"),
        ({"branches": ["test_vit"]}, "test_vit gives no feature maps"),
        ({"branches": ["mobilevit_xxs"]}, "mobilevit_xxs has its last visible residual addition at 16x16"),
        ({"branches": ["vit_small_r26_s32_224"]}, "vit_small_r26_s32_224 takes no images of 64 pixels"),
        ({"branches": ["test_resnet"], "pretrained": ["a.pth", "b.pth"]}, "1 branches .* given 2 settings"),
        ({"branches": ["test_resnet"], "pretrained": "absent.pth"}, "no weights file absent.pth"),
        ({"branches": ["test_resnet"], "num_heads": 5}, "5 attention heads do not divide a width of 64"),
        ({"branches": [], "pretrained": True}, "without branches has nothing to load"),
        ({"branches": [], "image_size": 60}, "image_size 60 is no multiple of patch_size 16"),
    ],
)
def test_refusals_are_one_sentence(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        Scopeformer(**{**SMALL, **settings})


def test_different_grids_are_named():
    with pytest.raises(InputError, match=r"different grids .*test_resnet 3x3, test_convnext 2x2") as raised:
        Scopeformer(["test_resnet", "test_convnext"], **{**SMALL, "image_size": 80})
    assert "same stride" in str(raised.value)


def test_checkpoint_of_other_branches_is_refused(tmp_path):
    torch.save(Scopeformer(["test_resnet"] * 2, **SMALL).state_dict(), tmp_path / "two.pt")
    one = Scopeformer(["test_resnet"], **SMALL)
    with pytest.raises(InputError, match="another network's weights"):
        load_trained(one, tmp_path / "two.pt")


def test_branch_is_the_cnn_up_to_its_last_addition(images):
    torch.manual_seed(0)
    branch = CNNBranch("legacy_xception").eval()
    whole = timm.create_model("legacy_xception").eval()
    whole.load_state_dict(branch.encoder.state_dict(), strict=False)
    seen = {}
    whole.block12.register_forward_hook(lambda module, given, output: seen.update(maps=output))
    with torch.no_grad():
        whole(images)
        torch.testing.assert_close(branch(images), seen["maps"])
    assert seen["maps"].min() < 0, "the addition is before the activation"
