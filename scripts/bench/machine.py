"""What a benchmark ran on, for its table."""

import os
import platform
from pathlib import Path

from ichmonai.cores import usable_cores

FAST = ("avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
"""Instructions that low precisions are fast with."""


def machine() -> str:
    """The processor, those of `FAST` that it has, its cores and the load."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    has = " ".join(flag for flag in FAST if flag in flags)
    return f"{name} ({has}), {usable_cores()} cores, load {os.getloadavg()[0]:.1f}"
