"""Every input that once was a find ends well, and so do the seeds of each target.

A find of `scripts/check/fuzz.py`, made small, belongs in `corpus/<target>/` under a name that says what it is.
"""

from pathlib import Path

import pytest

CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").glob("*/*") if path.is_file())
MOST = 100_000
"""Bytes of a file of the corpus."""


@pytest.fixture(scope="module")
def targets():
    from scripts.check.fuzzing import images, tables

    return {target.name: target for target in (*images.TARGETS, *tables.TARGETS)}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_mended(targets, path, tmp_path):
    from scripts.check.fuzzing.oracles import judge

    assert path.stat().st_size < MOST
    assert judge(targets[path.parent.name], tmp_path, path.read_bytes())


def test_seeds_are_read(targets, tmp_path):
    """Or the fuzzer would only look at what is refused at once."""
    from scripts.check.fuzzing.oracles import judge

    good = {"image", "evaluated", "audited", "read", "loaded", "same tables"}
    ends = {}
    for target in targets.values():
        for name, content in target.seeds().items():
            folder = tmp_path / target.name / name
            folder.mkdir(parents=True)
            ends[target.name, name] = judge(target, folder, content)
    assert {key: end for key, end in ends.items() if end not in good} == {}


def test_an_oracle_finds(targets, tmp_path):
    """What must not be is told: other errors, sentences that are none."""
    from ichmonai.errors import InputError
    from ichmonai.io import HeadCTReadError
    from scripts.check.fuzzing.oracles import Target, ViolationError, check_sentence, judge

    def raises(error):
        def run(folder, data):
            raise error

        return Target("raises", dict, run, lambda random, data: data)

    for kind, error in {"exception": ValueError("x"), "memory": MemoryError()}.items():
        with pytest.raises(ViolationError, match=kind):
            judge(raises(error), tmp_path, b"")
    assert judge(raises(InputError("It is no file; give one.")), tmp_path, b"") == "refused"
    assert judge(raises(HeadCTReadError("It is no file; give one.")), tmp_path, b"") == "unreadable"
    for sentence in (
        "no end",
        "a\nb.",
        "x" * 700 + ".",
        "at 0x7f00aa00 it failed.",
        "Traceback (most recent).",
        "é\0.",
    ):
        with pytest.raises(ViolationError, match="sentence"):
            check_sentence(sentence)


@pytest.mark.parametrize("seed", range(200))
def test_mutations_are_repeatable(targets, seed):
    from random import Random

    names = sorted(targets)
    target = targets[names[seed % len(names)]]
    content = next(iter(target.seeds().values()))
    assert target.mutate(Random(seed), content) == target.mutate(Random(seed), content)
