"""A branch for clinical data beside the image."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ichmonai.clinical import ClinicalTable, Column, fit_columns, read_rows
from ichmonai.datasets.phantom import make_cohort, write_clinical
from ichmonai.datasets.phantom.layouts import Truth
from ichmonai.errors import InputError
from ichmonai.evaluation.ranking import Ranking
from ichmonai.networks import SliceClassifier, create_network, load_trained, load_weights
from ichmonai.networks.clinical import ClinicalBranch
from ichmonai.paths import bundle_root

COLUMNS = [
    {"name": "age", "kind": "number", "mean": 60.0, "std": 10.0},
    {"name": "sex", "kind": "category", "values": ["f", "m"]},
]
NOISE_HU = 5


def build(name: str = "light", **changes: object) -> SliceClassifier:
    torch.manual_seed(0)
    network = create_network(name, **{"image_size": 64, "clinical": COLUMNS, **changes}).eval()  # type: ignore[arg-type]
    for parameter in network.clinical.parameters() if network.clinical else ():
        torch.nn.init.normal_(parameter, std=0.3)  # a trained branch: its last layer starts at zero
    return network


def images() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


ROW = torch.tensor([[0.5, 1.0, 0.0, 1.0]])


@pytest.mark.parametrize("name", ["light", "test_vit", "resnet10t"])
def test_what_is_missing_leaves_the_image_alone(name: str) -> None:
    network = build(name)
    with torch.no_grad():
        alone = network(images())
        assert torch.equal(network(images(), torch.zeros(3, 4)), alone)
        both = network(images(), ROW)
        assert not torch.allclose(both, alone)
        torch.testing.assert_close(network(images(), ROW.expand(3, 4)), both)
        mixed = network(images(), torch.stack([ROW[0], torch.zeros(4), ROW[0]]))
        torch.testing.assert_close(mixed[1], alone[1])
        torch.testing.assert_close(mixed[0], both[0])


def test_it_is_fused_with_the_image_and_not_only_added() -> None:
    network = build()
    with torch.no_grad():
        difference = network(images(), ROW) - network(images())
    assert (difference[0] - difference[1]).abs().max() > 1e-3, "the same data says another thing of another image"


def test_a_training_starts_as_the_image_alone() -> None:
    torch.manual_seed(0)
    network = create_network("resnet10t", clinical=COLUMNS).eval()
    with torch.no_grad():
        assert torch.equal(network(images(), ROW), network(images()))


def test_rows_and_columns_are_dropped_in_training_alone() -> None:
    branch = build().clinical
    assert branch is not None
    features, data = torch.zeros(400, 192), ROW.expand(400, 4)
    torch.manual_seed(1)
    with torch.no_grad():
        dropped = (branch.train()(features, data) == 0).all(1).float().mean().item()
        kinds = {tuple(row) for row in branch(features, data).round(decimals=4).tolist()}
        assert not (branch.eval()(features, data) == 0).all(1).any()
    assert dropped == pytest.approx(0.5, abs=0.1)
    assert len(kinds) == 4  # nothing, both columns, either


def test_the_mask_stands_beside_the_same_logits() -> None:
    network = build(mask_classes=6)
    with torch.no_grad():
        logits, mask = network.with_mask()(images(), ROW)
        torch.testing.assert_close(logits, network(images(), ROW))
        torch.testing.assert_close(mask, network.with_mask()(images())[1])
    assert network.state_dict().keys() == network.with_mask().state_dict().keys()


def test_torchscript_takes_it_with_and_without() -> None:
    network, saved = build(), io.BytesIO()
    torch.jit.save(torch.jit.script(network), saved)
    saved.seek(0)
    loaded = torch.jit.load(saved)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images(), ROW), network(images(), ROW))
        torch.testing.assert_close(loaded(images()), network(images()))


def test_weights_of_the_image_alone_are_a_start_and_no_trained_network(tmp_path: Path) -> None:
    plain, path = build(clinical=()), tmp_path / "plain.pt"
    assert plain.clinical is None
    assert "clinical" not in plain.arguments
    torch.save(plain.state_dict(), path)
    network = build()
    report = load_weights(network, path)
    assert report.missing
    assert all(name.startswith("clinical.") for name in report.missing)
    with torch.no_grad():
        torch.testing.assert_close(network(images()), plain(images()))
    with pytest.raises(InputError, match="clinical"):
        load_trained(build(), path)
    torch.save(network.state_dict(), path)
    assert load_trained(build(), path)
    assert load_weights(build(clinical=()), path).dropped, "and the other way round the branch is left out"


def phantom(patients: int, seed: int, folder: Path) -> tuple[Tensor, Tensor, list[str], Path]:
    """Features of noisy slices by the weights that are shipped, whether each bleeds, the patients, and their table."""
    folder.mkdir()
    shown, labels, names = [], [], []
    with Truth(folder) as truth:
        for study in make_cohort(patients, seed, 64):
            for record in study.truth[::2]:
                truth.add(folder / "none.jpg", study, record)
                if record.brain_mm2 > 6000 and (record.rsna[0] or study.kind.value == "normal"):
                    shown.append(study.hu[..., record.index])
                    labels.append(record.rsna[0])
                    names.append(study.patient)
    noisy = np.stack(shown) + np.random.default_rng(seed).normal(0, NOISE_HU, (len(shown), 64, 64))
    windows = [((noisy - level) / width + 0.5).clip(0, 1) * 2 - 1 for level, width in ((40, 80), (25, 50), (50, 40))]
    weights = bundle_root() / "models" / "model.pt"
    encoder = create_network("light", image_size=64).eval()
    load_weights(encoder, weights)
    with torch.no_grad():
        features = encoder.encoder(torch.from_numpy(np.stack(windows, 1)).float())
    return features[..., None, None], torch.tensor(labels), names, write_clinical(truth.path, seed)


def trained(shown: Tensor, labels: Tensor, data: Tensor, columns: list[dict]) -> SliceClassifier:
    """A network of these features, which it encodes anew; with columns it learns from both together."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.LayerNorm(192), nn.Linear(192, 32), nn.ReLU())
    network = SliceClassifier(encoder, 32, 192, {"ich": 2}).train()
    network.clinical = ClinicalBranch([Column.of(one).width for one in columns], 32) if columns else None
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
    draws = torch.Generator().manual_seed(0)
    for _ in range(300):
        batch = torch.randint(len(labels), (32,), generator=draws)
        beside = (data[batch],) if columns else ()
        loss = nn.functional.cross_entropy(network(shown[batch], *beside), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def auc(network: SliceClassifier, shown: Tensor, labels: Tensor, *beside: Tensor) -> float:
    with torch.no_grad():
        logits = network(shown, *beside)
    score = (logits[:, 1] - logits[:, 0]).numpy()
    everyone = np.zeros(len(labels), dtype=np.int64)
    return float(Ranking(labels.numpy() == 1, score, everyone)(np.ones((1, 1)))[0][0])


@pytest.mark.slow
def test_without_the_table_it_is_as_good_as_a_network_of_the_image_alone_and_with_it_better(tmp_path: Path) -> None:
    shown, labels, names, path = phantom(16, 1, tmp_path / "training")
    unseen, truth, others, their_path = phantom(16, 2, tmp_path / "test")
    rows = read_rows(path, ["patient"])
    columns = fit_columns(rows, [{"patient": name} for name in names])
    known = [Column.of(one) for one in columns]
    table, theirs = ClinicalTable(rows, known), ClinicalTable(read_rows(their_path, ["patient"]), known)
    data = torch.tensor([table({"patient": name}) for name in names])
    beside = torch.tensor([theirs({"patient": name}) for name in others])
    joint, plain = trained(shown, labels, data, columns), trained(shown, labels, data, [])
    alone = auc(plain, unseen, truth)
    assert alone > 0.6
    assert auc(joint, unseen, truth) >= alone - 0.02
    assert auc(joint, unseen, truth, beside) > alone + 0.1, "the model of the phantom's values says much of a bleeding"
