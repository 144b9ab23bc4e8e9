import io
import os
from types import SimpleNamespace

import pytest
from joblib.externals.loky.backend import context

from ichmonai.cores import usable_cores


@pytest.fixture
def machine(monkeypatch):
    """A machine of 64 cores with a given affinity and quota (CPU seconds a second)."""

    def set_up(affinity: int = 64, quota: str = "max") -> None:
        files = {"/sys/fs/cgroup/cpu.max": f"{quota} 100000"}
        system = SimpleNamespace(
            cpu_count=lambda: 64,
            sched_getaffinity=lambda pid: set(range(affinity)),
            path=SimpleNamespace(exists=files.__contains__),
            environ=os.environ,
        )
        monkeypatch.setattr(context, "os", system)
        monkeypatch.setattr(context, "open", lambda name: io.StringIO(files[name]), raising=False)

    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    return set_up


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, 64),
        ({"affinity": 3}, 3),
        ({"quota": "200000"}, 2),
        ({"quota": "150000"}, 2),
        ({"quota": "50000"}, 1),
        ({"affinity": 3, "quota": "800000"}, 3),
    ],
)
def test_affinity_and_quota_count(machine, limits, cores):
    machine(**limits)
    assert usable_cores() == cores


def test_the_environment_may_say_less(machine, monkeypatch):
    machine()
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "5")
    assert usable_cores() == 5
