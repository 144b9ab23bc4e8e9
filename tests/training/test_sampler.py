from collections import Counter

import numpy as np
import pytest

from ichmonai.errors import InputError
from ichmonai.training import EpochSampler, ShardSampler

LABELS = [[0, -1]] * 9 + [[1, 0]] * 5 + [[1, 1]] * 2 + [[1, 2]]
ITEMS = [{"label": np.array(label)} for label in LABELS]


def draws(sampler, epoch=1):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_replication_is_shuffled_anew_each_epoch():
    sampler = EpochSampler(ITEMS, seed=1)
    first, second = draws(sampler, 1), draws(sampler, 2)
    counts = Counter(index for index, _ in first)
    assert [counts[i] for i in range(17)] == [3] * 9 + [1] * 5 + [3] * 2 + [12]
    assert Counter(index for index, _ in second) == counts
    assert [i for i, _ in first] != [i for i, _ in second]
    assert len(sampler) == len(first) == 50
    assert len({seed for _, seed in first + second}) == 100
    assert all(0 <= seed < 2**32 for _, seed in first)


def test_depends_on_seed_and_epoch_alone():
    sampler = EpochSampler(ITEMS, seed=1)
    draws(sampler, 3)
    assert draws(sampler, 2) == draws(EpochSampler(ITEMS, seed=1), 2)
    assert draws(EpochSampler(ITEMS, seed=2), 2) != draws(EpochSampler(ITEMS, seed=1), 2)


def test_weighted_draws_balance_the_classes():
    sampler = EpochSampler(ITEMS, balance="weighted")
    assert len(sampler) == 17
    names = Counter(tuple(LABELS[i]) for epoch in range(200) for i, _ in draws(sampler, epoch))
    shares = {name: count / (17 * 200) for name, count in names.items()}
    assert shares[0, -1] == pytest.approx(1 / 2, abs=0.03)
    assert [shares[1, k] for k in range(3)] == pytest.approx([1 / 6] * 3, abs=0.03)


def test_none_draws_each_once():
    assert sorted(i for i, _ in draws(EpochSampler(ITEMS, balance="none"))) == list(range(17))


def test_two_ranks_together_draw_the_batches_of_one_process(on_two_ranks):
    alone = draws(EpochSampler(ITEMS, seed=4), 2)
    ranks = on_two_ranks(lambda: draws(EpochSampler(ITEMS, seed=4), 2))
    assert len(ranks[0]) == len(ranks[1]) == 25
    for step in range(0, 50, 10):  # batch 10 in one process, 5 in each of two
        union = [draw for rank in ranks for draw in rank[step // 2 : step // 2 + 5]]
        assert sorted(union) == sorted(alone[step : step + 10])


def test_two_ranks_shard_without_padding_and_never_differ_in_the_number_of_draws(on_two_ranks):
    def run():
        return list(ShardSampler(ITEMS)), len(ShardSampler(ITEMS)), len(EpochSampler(ITEMS, balance="none"))

    (even, length, draws0), (odd, _, draws1) = on_two_ranks(run)
    assert even == list(range(0, 17, 2))
    assert odd == list(range(1, 17, 2))
    assert length == 9
    assert draws0 == draws1 == 8


def test_a_rank_without_slices_is_refused(on_two_ranks):
    def run():
        with pytest.raises(InputError, match=r"A split has 1 slices for 2 process"):
            ShardSampler(ITEMS[:1])
        return True

    assert on_two_ranks(run) == [True, True]
    with pytest.raises(InputError, match="A split has 0 slices"):
        ShardSampler([])


def test_unknown_balance_is_refused():
    with pytest.raises(
        InputError, match="choose one of replication, weighted, weighted_by_patient, weighted_by_source, none"
    ):
        EpochSampler(ITEMS, balance="replicate")
