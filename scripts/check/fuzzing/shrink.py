"""Make an input that is a find smaller."""

import shutil
import time
from pathlib import Path

from scripts.check.fuzzing.oracles import Target, ViolationError, judge
from scripts.check.fuzzing.structures import pack, unpack

PATIENCE = 15.0
"""Seconds for one find."""


def shrink(target: Target, place: Path, data: bytes, found: ViolationError) -> bytes:
    """Leave out files, then pieces of halving length, as long as the same is found.

    Args:
        target: that found it.
        place: a folder to work in; emptied.
        data: the input.
        found: what it violates.
    """
    deadline = time.monotonic() + PATIENCE

    def still(candidate: bytes) -> bool:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            judge(target, place, candidate)
        except ViolationError as error:
            return error.signature == found.signature
        return False

    try:
        files = unpack(data) if target.mutate.__name__ == "mutate_files" else {}
    except Exception:  # it is no input of several files after all
        files = {}
    for name in list(files):
        fewer = {one: content for one, content in files.items() if one != name}
        if time.monotonic() < deadline and still(pack(fewer)):
            files = fewer
    if files:
        for name in files:
            files[name] = _shorter(files[name], lambda part, name=name: still(pack({**files, name: part})), deadline)
        return pack(files)
    return _shorter(data, still, deadline)


def _shorter(data: bytes, still: object, deadline: float) -> bytes:
    length = len(data) // 2
    while length and time.monotonic() < deadline:
        at = 0
        while at < len(data) and time.monotonic() < deadline:
            shorter = data[:at] + data[at + length :]
            if still(shorter):
                data = shorter
            else:
                at += length
        length //= 2
    return data
