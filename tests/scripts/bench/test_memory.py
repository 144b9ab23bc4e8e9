"""The count of live bytes, and what fits by it."""

import torch

from scripts.bench.memory import LiveBytes, largest_batch, peak_bytes


def test_live_bytes_are_those_that_are_still_held() -> None:
    with LiveBytes() as counter:
        one = torch.zeros(1000)
        view = one[:10]
        two = one + 1
        assert counter.live == 8000
        del one
        assert counter.live == 8000  # the view still holds it
        del view
        assert counter.live == 4000
        two.add_(1)
        del two
    assert (counter.live, counter.peak) == (0, 8000)


def test_estimate_is_the_peak_of_a_step_with_data() -> None:
    """The same count, on tensors that have data."""
    from ichmonai.networks import create_network
    from scripts.bench.memory import train

    network = create_network("test_vit", image_size=64)
    with LiveBytes() as counter:
        for tensor in network.state_dict().values():
            counter.add(tensor)
    train(network, 4, 64, False, counter)
    assert counter.peak == peak_bytes("test_vit", 4, 64, False, False)


def test_bfloat16_and_checkpointing_make_room_and_the_largest_batch_is_the_largest() -> None:
    plain, bf16, checkpointed = (
        peak_bytes("test_vit", 256, 64, *setting) for setting in ((False, False), (True, False), (False, True))
    )
    assert bf16 < plain
    assert checkpointed < plain
    memory = plain - 1
    batch, slope = largest_batch("test_vit", 64, False, False, memory)
    assert batch == 255
    assert slope * 256 < plain
    assert peak_bytes("test_vit", batch, 64, False, False) <= memory
    assert largest_batch("test_vit", 64, False, False, 1000)[0] == 0
