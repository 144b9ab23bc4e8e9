"""Fixtures shared by all tests."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # two processes of many threads each would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import absl.logging  # of tensorboard
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

# logging.config closes all handlers, and absl's then closes a stream that is not the present sys.stderr: pytest's own.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Say how a worker that died did so: pytest-xdist says only that it has gone."""
    if error:
        try:
            end = node.gateway._io.popen.wait(20)  # minus the number of a signal
        except subprocess.TimeoutExpired:
            end = "it still runs, and its pipe is closed"
        memory = Path("/proc/meminfo").read_text().splitlines()[:3] if sys.platform == "linux" else []
        print(f"\n{node.gateway.id} ended with exit status {end}; {' '.join(memory)}", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real head CT that ICHMONAI_DATA names; skips where there is none."""
    folder = os.environ.get("ICHMONAI_DATA")
    if not folder:
        pytest.skip("ICHMONAI_DATA is not set")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"ICHMONAI_DATA names {path}, which is not a folder")
    return path


@pytest.fixture(scope="session", autouse=True)
def cache_of_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Converted networks are kept for the session alone, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("ICHMONAI_CACHE", str(folder))
        yield folder


@pytest.fixture
def on_two_ranks(tmp_path: Path) -> Callable[[Callable[[], Any]], list[Any]]:
    """Calls a function in two processes joined by gloo, and gives what each returned.

    They are forked, because a new interpreter would import everything again.
    """

    def run(function: Callable[[], Any]) -> list[Any]:
        context = mp.get_context("fork")
        results = context.SimpleQueue()
        store = tmp_path / f"store{len(list(tmp_path.glob('store*')))}"
        processes = [context.Process(target=_join, args=(function, rank, store, results)) for rank in (0, 1)]
        for process in processes:
            process.start()
        by_rank = dict(results.get() for _ in processes)
        for process in processes:
            process.join()
        failed = [result for ok, result in by_rank.values() if not ok]
        if failed:
            pytest.fail("\n".join(failed))
        return [by_rank[rank][1] for rank in (0, 1)]

    return run


def _join(function: Callable[[], Any], rank: int, store: Path, results: Any) -> None:
    torch.set_num_threads(1)  # the threads of the parent do not exist here
    try:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
        answer = (True, function())
        dist.barrier()  # or one leaves while the other is still joining
        dist.destroy_process_group()
    except BaseException:
        answer = (False, traceback.format_exc())
    results.put((rank, answer))
