import os
from pathlib import Path

import pytest

from ichmonai.batch.engines import make_engine
from ichmonai.batch.run import BatchOptions, run_batch
from ichmonai.errors import InputError
from ichmonai.io.findings import Code
from tests.batch.test_run import Silent, contents, run, table

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


def test_no_cluster_is_one_sentence(small_bundle, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    engine = make_engine("ray", workers=1, timeout=6, classifies=True)
    with pytest.raises(InputError, match="No Ray cluster"):
        next(engine(small_bundle, iter(())))
    assert not ray.is_initialized()
    assert "RAY_ADDRESS" in os.environ
