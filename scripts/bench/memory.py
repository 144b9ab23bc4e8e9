"""Say what batch of a network trains in the memory of a GPU, without the GPU.

The training step of the bundle (forward, dual-task loss, backward, AdamW) runs on fake tensors, which have shapes and
no data, and every storage is counted from the operation that makes it to the moment it is freed. The largest batch that
fits is estimated from the slope of the peak, and checked: it fits, and one slice more does not. The step is the CPU's,
with its fused attention, which keeps what a GPU's keeps; the workspaces of cuDNN and cuBLAS are not in it.

    python -m scripts.bench.memory --out scripts/results/memory.csv

`--measure` runs steps with data instead, in processes of their own, and gives what the process's memory grew by: slow,
and only for a network and batches that the machine can hold; it shows how good the estimate is.
"""

import argparse
import functools
import itertools
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ichmonai.errors import InputError, show_input_errors_plainly
from ichmonai.networks import create_network
from ichmonai.tables import write_csv
from ichmonai.training import DualTaskLoss

GIB = 2**30


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are made inside of it and still there.

    Attributes:
        live: bytes now.
        peak: the most there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: weakref.WeakSet = weakref.WeakSet()

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor's storage, once, until it is freed."""
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._freed, size)

    def _freed(self, size: int) -> None:
        self.live -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.add(leaf)
        return result


def train(
    network: torch.nn.Module, batch: int, image_size: int, bf16: bool, counter: AbstractContextManager, steps: int = 2
) -> None:
    """Some training steps of the bundle; from the second on AdamW's moments are there."""
    optimizer = torch.optim.AdamW(network.parameters(), 2e-5, weight_decay=0.01, foreach=True)
    loss = DualTaskLoss()
    with counter:
        for _ in range(steps):
            image, label = torch.zeros(batch, 3, image_size, image_size), torch.zeros(batch, 2, dtype=torch.int64)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = network(image)
            loss(logits, label).backward()
            del logits
            optimizer.step()
            optimizer.zero_grad()


@functools.cache
def peak_bytes(name: str, batch: int, image_size: int, bf16: bool, checkpointing: bool) -> int:
    """The estimate: most bytes that tensors take in a training step.

    Args:
        name: as for `create_network`.
        batch: slices in a step.
        image_size: in pixels.
        bf16: under bfloat16 autocast; weights and moments stay float32.
        checkpointing: with gradient checkpointing.
    """
    with torch.device("meta"):
        network = create_network(name, image_size=image_size, gradient_checkpointing=checkpointing)
    counter = LiveBytes()
    with FakeTensorMode(allow_non_fake_inputs=True):
        network.to_empty(device="cpu")
        for tensor in itertools.chain(network.parameters(), network.buffers()):
            counter.add(tensor)
        train(network, batch, image_size, bf16, counter)
    return counter.peak


def largest_batch(name: str, image_size: int, bf16: bool, checkpointing: bool, memory: int) -> tuple[int, float]:
    """The largest batch whose peak fits, and the bytes that each further slice takes there.

    Returns:
        The batch (0: not even one) and the slope of the peak.
    """

    def peak(batch: int) -> int:
        return peak_bytes(name, batch, image_size, bf16, checkpointing)

    if peak(1) > memory:
        return 0, float("nan")
    high = 32
    while peak(high) <= memory:
        high *= 2
    # Of a small batch AdamW's own temporaries are the peak, so the slope is taken where it is too large.
    slope = (peak(2 * high) - peak(high)) / high
    batch = max(int(high - (peak(high) - memory) / slope), 1)
    while peak(batch) > memory:
        batch -= 1
    while peak(batch + 1) <= memory:
        batch += 1
    return batch, slope


def measured_growth(name: str, batch: int, image_size: int, bf16: bool, checkpointing: bool) -> int:
    """What the memory of a process really grows by in training steps with data; Linux only."""
    arguments = [name, str(batch), str(image_size), str(int(bf16)), str(int(checkpointing))]
    command = [sys.executable, "-m", "scripts.bench.memory", "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return int(done.stdout.split()[-1])


def _child(name: str, batch: str, image_size: str, bf16: str, checkpointing: str) -> None:
    """Print the growth of this process's resident memory, from before the network is made to its highest."""
    train(create_network("test_vit", image_size=64), 2, 64, bf16 == "1", nullcontext())  # what libraries load on use
    with _growth() as growth:
        network = create_network(name, image_size=int(image_size), gradient_checkpointing=checkpointing == "1")
        train(network, int(batch), int(image_size), bf16 == "1", nullcontext())
    print(growth[0])


@contextmanager
def _growth() -> Iterator[list[int]]:
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before, growth = _status("VmRSS"), [0]
    yield growth
    growth[0] = _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024


def main() -> None:
    show_input_errors_plainly()
    if sys.argv[1:2] == ["--child"]:
        return _child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="vit_large_patch16_224", help="name of create_network")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument(
        "--memory",
        type=float,
        default=22.0,
        help="in GiB; an A10's 24 GB are 22.5 GiB, and CUDA itself takes half a GiB",
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32, 64], help="whose peak is given")
    parser.add_argument("--measure", action="store_true", help="measure the batches instead of estimating")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.memory <= 0 or min(args.batches) < 1:
        raise InputError("--memory must be more than 0 and --batches at least 1.")
    rows = []
    for bf16, checkpointing in itertools.product((False, True), repeat=2):
        row: dict[str, Any] = {
            "network": args.network,
            "image_size": args.image_size,
            "precision": "bf16" if bf16 else "fp32",
            "gradient_checkpointing": checkpointing,
        }
        setting = (args.image_size, bf16, checkpointing)
        for batch in args.batches:
            row[f"estimated_gib_batch_{batch}"] = f"{peak_bytes(args.network, batch, *setting) / GIB:.2f}"
            if args.measure:
                row[f"measured_gib_batch_{batch}"] = f"{measured_growth(args.network, batch, *setting) / GIB:.2f}"
        if not args.measure:
            largest, slope = largest_batch(args.network, *setting, int(args.memory * GIB))
            row |= {"gib_per_slice": f"{slope / GIB:.4f}", "memory_gib": args.memory, "largest_batch": largest}
        row["versions"] = " ".join(f"{name} {version(name)}" for name in ("torch", "timm"))
        print(row, flush=True)
        rows.append(row)
    if args.out:
        write_csv(args.out, rows[0], rows)


if __name__ == "__main__":
    main()
