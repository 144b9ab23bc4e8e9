"""Public sets in the layouts in which they are published, and what weights are worth on them."""

from ichmonai.benchmarks.benchmark import run_benchmark
from ichmonai.benchmarks.bhsd import read_bhsd
from ichmonai.benchmarks.cq500 import read_cq500
from ichmonai.benchmarks.ct_ich import read_ct_ich
from ichmonai.benchmarks.rsna2019 import read_rsna2019

READERS = {"bhsd": read_bhsd, "cq500": read_cq500, "ct-ich": read_ct_ich, "rsna2019": read_rsna2019}
"""Name of a set -> reads it from its folder; a second folder is for what may be kept of it."""

__all__ = ["READERS", "read_bhsd", "read_cq500", "read_ct_ich", "read_rsna2019", "run_benchmark"]
