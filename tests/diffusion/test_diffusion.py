"""The diffusion model: its holes and patches, what it fills, and the transform that puts it to use."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ichmonai import inpainter
from ichmonai.classes import KINDS, UNKNOWN
from ichmonai.diffusion import RandInpaintingPatchd, hole_loss, prepare_patches
from ichmonai.diffusion.samples import Patches, nearest
from ichmonai.errors import InputError
from ichmonai.inpainter import Inpainter, context_of, fill, load_inpainter
from ichmonai.transforms import RandDiffuseBleedingd
from ichmonai.transforms.counterfactual.holes import random_hole, soft, window_around

SIZE, PATCH = 128, 32


def head(blood: bool = False) -> np.ndarray:
    hu = np.full((SIZE, SIZE), -1000, np.float32)
    hu[10:118, 20:108] = 900
    hu[16:112, 26:102] = 32
    if blood:
        hu[40:52, 50:62] = 65
    return hu


def item(blood: bool = False, masked: bool = True) -> dict:
    mask = np.zeros((1, SIZE, SIZE), np.uint8)
    mask[0, 40:52, 50:62] = blood * 2
    if blood and not masked:
        mask[:] = UNKNOWN
    return {"image": head(blood)[None], "label": np.array([blood, 0 if blood else -1]), "mask": mask}


@pytest.fixture(scope="module")
def network() -> Inpainter:
    torch.manual_seed(0)
    network = Inpainter(PATCH, channels=(16, 32)).eval()
    for parameter in network.parameters():
        if not parameter.any():  # the last layers start at zero
            torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.mark.parametrize("kind", KINDS)
def test_holes_lie_in_the_skull_and_those_of_layers_along_it(kind: str) -> None:
    inside = head() == 32
    for seed in range(5):
        hole = random_hole(kind, inside, 1.7, np.random.default_rng(seed))
        assert hole is not None
        assert hole.any()
        assert not (hole & ~inside).any()
        beside = hole[17].any() or hole[110].any() or hole[:, 27].any() or hole[:, 100].any()
        assert beside or kind not in ("epidural", "subdural")
        window = window_around(hole, 64)
        assert window is not None
        assert inside[window].shape == (64, 64)
        assert not soft(hole, 1.7)[~hole].any()
    assert random_hole(kind, np.zeros((64, 64), bool), 1.7, np.random.default_rng(0)) is None


@pytest.mark.parametrize("masked", [True, False])
def test_a_patch_has_its_hole_around_the_blood(masked: bool) -> None:
    transform = RandInpaintingPatchd(PATCH).set_random_state(0)
    patch = transform(item(blood=True, masked=masked))
    blood = inpainter.to_hu(patch["image"]) > 50
    assert int(patch["kind"]) == 2
    assert patch["image"].shape == patch["hole"].shape == (1, PATCH, PATCH)
    blood &= inpainter.to_hu(patch["image"]) < 80
    assert blood.any()
    assert (patch["hole"] & blood).sum() == blood.sum()
    assert patch["hole"].sum() > blood.sum(), "there is a margin"


def test_a_normal_slice_is_filled_with_none_and_unknown_blood_with_nothing() -> None:
    transform = RandInpaintingPatchd(PATCH).set_random_state(0)
    patch = transform(item())
    assert int(patch["kind"]) == 0
    assert patch["hole"].any()
    unknown = item(blood=True, masked=False)
    unknown["label"] = np.array([1, -1])
    patch = transform(unknown)
    assert not patch["hole"].any()
    assert hole_loss(torch.ones(1, 1, PATCH, PATCH), torch.cat([patch["hole"][None] * 1.0] * 2, 1)) == 0


def test_the_network_sees_neither_the_hole_nor_another_kind_as_the_same(network: Inpainter) -> None:
    patch = torch.rand(1, 1, PATCH, PATCH)
    hole = torch.zeros_like(patch)
    hole[..., 8:20, 8:20] = 1
    other = patch + hole * 0.3
    kind = torch.tensor([1])
    assert torch.equal(context_of(patch, hole, kind), context_of(other, hole, kind))
    with torch.no_grad():
        times = torch.tensor([500])
        one, two = (network(patch, times, context_of(patch, hole, torch.tensor([k]))) for k in (1, 5))
    assert not torch.allclose(one, two)


def test_only_the_hole_is_filled_and_the_seed_decides(network: Inpainter) -> None:
    patch = torch.rand(2, 1, PATCH, PATCH)
    hole = torch.zeros_like(patch)
    hole[..., 8:20, 8:20] = 1
    made = fill(network, patch, hole, torch.tensor([1, 0]), steps=3, seed=1)
    assert torch.equal(made[hole == 0], patch[hole == 0])
    assert not torch.allclose(made, patch)
    assert made.abs().max() <= 1
    assert torch.equal(made, fill(network, patch, hole, torch.tensor([1, 0]), steps=3, seed=1))
    assert not torch.equal(made, fill(network, patch, hole, torch.tensor([1, 0]), steps=3, seed=2))


def test_a_batch_is_what_monais_inferer_takes() -> None:
    transform = RandInpaintingPatchd(PATCH).set_random_state(0)
    batch = {k: torch.stack([transform(item())[k] for _ in range(2)]) for k in ("image", "hole", "kind")}
    image, target, args, known = prepare_patches(batch)
    assert torch.equal(image, batch["image"])
    assert torch.equal(target[:, :1], known["noise"])
    assert known["condition"].shape == (2, 3, PATCH, PATCH)
    assert args == ()
    assert hole_loss(target[:, :1], target) == 0
    assert hole_loss(target[:, :1] + 1, target) == pytest.approx(1)


def test_a_patch_that_was_remembered_is_found_and_also_its_mirror_image() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 1, PATCH, PATCH, generator=generator) * 2 - 1
    hole = torch.zeros(6, 1, PATCH, PATCH, dtype=torch.bool)
    hole[..., 8:24, 8:24] = True
    seen = Patches(images, hole, torch.ones(6))
    copied = torch.stack([images[4], images[2].flip(2), torch.rand(1, PATCH, PATCH, generator=generator)])
    distances, indices = nearest(Patches(copied, hole[:3], torch.ones(3)), seen)
    assert indices[:2].tolist() == [4, 2]
    assert distances[:2, 0] == pytest.approx(0, abs=1e-4)
    assert distances[2, 0] > 10
    assert (distances[:, 1] > 10).all()


class Bright(torch.nn.Module):
    """Stands for a trained network: whatever the noise, half of the hole is to become 75 HU."""

    arguments = {"patch": 64}  # noqa: RUF012


def test_the_transform_bleeds_in_the_hole_and_labels_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def bright(network, patch, hole, kind, steps, seed):
        upper = torch.arange(patch.shape[2])[:, None] < torch.nonzero(hole)[:, 2].float().mean()
        return torch.where(hole & upper, inpainter.to_unit(torch.tensor(75.0)), patch)

    monkeypatch.setattr(inpainter, "fill", bright)
    monkeypatch.setattr(inpainter, "load_inpainter", lambda _: Bright())
    transform = RandDiffuseBleedingd("image", "none.pt", kinds=["subdural"], prob=1)
    transform.set_random_state(0)
    before = {**item(), "kinds": np.zeros(5, np.float32)}
    after = transform(before)
    changed = np.asarray(after["image"][0]) != before["image"][0]
    assert changed.any()
    assert after["label"].tolist() == [1, -1]
    assert after["kinds"].tolist() == [0, 0, 0, 0, 1]
    mask = np.asarray(after["mask"][0])
    assert set(np.unique(mask)) == {0, 5, UNKNOWN}
    assert not changed[mask == 0].any()
    bleeding = item(blood=True)
    assert np.array_equal(transform(bleeding)["image"], bleeding["image"])


def test_a_transform_that_makes_nothing_leaves_the_slice(network: Inpainter, tmp_path: Path) -> None:
    torch.save({"arguments": network.arguments, "network": network.state_dict()}, tmp_path / "inpainter.pt")
    transform = RandDiffuseBleedingd("image", str(tmp_path / "inpainter.pt"), prob=1, steps=2)
    normal = item()
    assert transform(normal)["image"].shape == (1, SIZE, SIZE)  # untrained: noise, which the mask may call blood
    with pytest.raises(ValueError, match="RandDiffuseBleeding makes the kinds"):
        RandDiffuseBleedingd("image", "none.pt", kinds=["cephalic"])
    with pytest.raises(InputError, match="no file"):
        load_inpainter(tmp_path / "absent.pt")
    (tmp_path / "inpainter.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match="holds no diffusion model"):
        load_inpainter(tmp_path / "inpainter.pt")
