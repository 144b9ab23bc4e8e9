import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ichmonai.errors import InputError
from ichmonai.io.findings import Code
from ichmonai.prediction.engines import make_engine
from ichmonai.prediction.run import BatchOptions, run_batch
from tests.prediction.test_run import Silent, contents, run, table
from tests.processes.conftest import script, trap  # noqa: F401  fixtures
from tests.processes.test_safe_path import COMMAND, ROOT, SETTINGS

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")


@pytest.fixture
def cluster(monkeypatch):
    """Two Ray nodes of one core each on this machine."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    memory = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=memory)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


class KillsANode(Silent):
    """Removes a node of the cluster, without a word, once two series are answered."""

    def __init__(self, cluster, node):
        self.cluster, self.node = cluster, node

    def answered(self):
        super().answered()
        if self.done == 2:
            self.cluster.remove_node(self.node, allow_graceful=False)


def test_the_tables_are_those_of_a_local_run_though_a_node_dies(small_bundle, volume, tmp_path, cluster):
    for name in (*(f"study{i}" for i in range(8)), "crash", "raise", "hang"):
        folder = volume(name).parent
    engine = make_engine("local", workers=2, timeout=6, classifies=True)
    run(small_bundle, [folder], tmp_path / "local", engine=engine)
    second = cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    engine = make_engine("ray", workers=None, timeout=6, classifies=True)
    progress = KillsANode(cluster, second)
    summary = run_batch([folder], tmp_path / "ray", small_bundle, engine, BatchOptions(), progress)
    assert progress.done == summary.series == 11
    codes = {Path(row["path"]).name: row["code"] for row in table(tmp_path / "ray" / "rejected.csv")}
    assert codes == {f"{name}.nii.gz": Code.FAILED.value for name in ("crash", "raise", "hang")}
    one, other = contents(tmp_path / "local"), contents(tmp_path / "ray")
    assert one["studies.csv"] == other["studies.csv"]
    assert one["slices.csv"] == other["slices.csv"]


def test_actors_import_nothing_of_the_current_folder(small_bundle, volume, script, trap, tmp_path, cluster):  # noqa: F811
    command = ["predict", volume("one").parent, "--bundle", small_bundle.root, "--out", tmp_path / "out", *SETTINGS]
    trap.run(sys.executable, script(COMMAND), *command, "--engine", "ray", PYTHONPATH=ROOT)
    assert "one.nii.gz" in (tmp_path / "out" / "studies.csv").read_text()
    assert trap.ran == ""


def test_a_killed_run_leaves_no_actor_and_no_folder(small_bundle, volume, script, tmp_path, cluster):  # noqa: F811
    scans, temporary = volume("hang-killed").parent, tmp_path / "tmp"
    temporary.mkdir()
    command = ["predict", scans, "--bundle", small_bundle.root, "--out", tmp_path / "out", *SETTINGS, "--engine", "ray"]
    variables = {**os.environ, "PYTHONPATH": ROOT, "TMPDIR": str(temporary)}
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen([sys.executable, script(COMMAND), *map(str, command)], env=variables, stderr=log)
    try:
        deadline = time.monotonic() + 200
        while not (small_bundle.root / "hang-killed.nii.gz").exists():  # until an actor is at work
            assert run.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        actors = [one for one in psutil.Process().children(recursive=True) if "_Predictor" in "".join(one.cmdline())]
        assert actors
    finally:
        run.kill()
        run.wait()
    _, alive = psutil.wait_procs(actors, timeout=30)
    assert alive == []
    assert [one.name for one in temporary.iterdir() if one.name.startswith(("ichmonai-", "pymp-"))] == []


def test_no_cluster_is_one_sentence(small_bundle, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    engine = make_engine("ray", workers=1, timeout=6, classifies=True)
    with pytest.raises(InputError, match="No Ray cluster"):
        next(engine(small_bundle, iter(())))
    assert not ray.is_initialized()
    assert "RAY_ADDRESS" in os.environ
