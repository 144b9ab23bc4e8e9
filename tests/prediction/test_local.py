import itertools
import os
import shutil
import time
from dataclasses import replace

import psutil
import pytest

from ichmonai.errors import InputError
from ichmonai.io.findings import Code
from ichmonai.io.series import ImageSource, Series
from ichmonai.model_description import ModelDescription
from ichmonai.prediction.bundle import InferenceBundle
from ichmonai.prediction.local import predict_locally
from ichmonai.prediction.steps import classify, prepare


def series(path, name=None):
    return Series(name or str(path), name or str(path), (ImageSource(str(path)),))


def answers(bundle, tasks, **options):
    options = {"workers": 2, "timeout": 60, **options}
    return {one.series: answer for one, answer in predict_locally(bundle, tasks, **options)}


def test_one_bad_study_never_stops_the_others(small_bundle, volume):
    names = ("first", "crash", "second", "hang", "raise", "crash once", "third")
    tasks = [series(volume(name), name) for name in names]
    damaged = volume("damaged")
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    found = answers(small_bundle, [*tasks, series(damaged, "damaged")], timeout=5)
    assert set(found) == {*names, "damaged"}
    assert {name for name, answer in found.items() if answer.finding is None} == {
        "first", "second", "third", "crash once",
    }  # fmt: skip
    codes = {name: answer.finding.code for name, answer in found.items() if answer.finding}
    assert codes.pop("damaged") is Code.UNDECODABLE
    assert codes == dict.fromkeys(("crash", "hang", "raise"), Code.FAILED)
    assert "did not end in time" in found["hang"].finding.sentence
    assert "crashed" in found["crash"].finding.sentence


def test_the_answer_does_not_depend_on_the_company(small_bundle, volume):
    tasks = [series(volume(str(i)), str(i)) for i in range(5)]
    bundle = InferenceBundle(small_bundle)
    alone = {one.series: classify(bundle, one, prepare(bundle, one)) for one in tasks}
    together = answers(small_bundle, tasks, workers=2)
    for name, answer in together.items():
        assert (answer.study, answer.slices) == (alone[name].study, alone[name].slices)


def test_what_is_wrong_with_the_bundle_is_said_before_anything_is_answered(small_bundle, volume, tmp_path):
    shutil.copy(small_bundle.root / "models" / "model.pt", tmp_path)
    ModelDescription({"name": "deit_tiny_patch16_224"}, ()).write(tmp_path)
    settings = {**small_bundle.settings, "ckpt_path": str(tmp_path / "model.pt")}
    wrong = replace(small_bundle, settings=settings)
    unreadable = [series(str(tmp_path / f"none{i}.nii.gz"), str(i)) for i in range(2)]  # which need no network
    with pytest.raises(InputError, match="weights"):
        next(predict_locally(wrong, iter(unreadable), workers=1, timeout=60))
    assert not workers()


def test_no_more_is_taken_than_there_is_room_for(small_bundle, volume):
    path, taken, most = volume("a"), 0, 0

    def tasks():
        nonlocal taken
        for i in range(12):
            taken += 1
            yield series(path, str(i))

    for done, _ in enumerate(predict_locally(small_bundle, tasks(), workers=2, timeout=60)):
        most = max(most, taken - done)
    assert taken == 12
    assert most <= 2 + 2


def test_a_clock_that_jumps_is_no_series_that_hangs(small_bundle, volume, monkeypatch):
    """As when it is set right, or a laptop wakes up."""
    jumps, wall = itertools.count(), time.time
    monkeypatch.setattr(time, "time", lambda: wall() + 86_400 * next(jumps))
    (answer,) = answers(small_bundle, [series(volume("a"), "a")], workers=1).values()
    assert answer.finding is None


def test_no_worker_outlives_the_run(small_bundle, volume):
    tasks = (series(volume(str(i)), str(i)) for i in range(4))
    run = predict_locally(small_bundle, tasks, workers=2, timeout=60)
    next(run)
    run.close()
    deadline = time.monotonic() + 20
    while workers() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not workers()


def workers():
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if any("forkserver" in part for part in child.cmdline()) and child.parent().pid != os.getpid()
    ]


def test_a_dry_run_reads_but_does_not_predict(small_bundle, volume):
    (small_bundle.root / "models" / "model.pt").rename(small_bundle.root / "models" / "away.pt")
    try:
        found = answers(small_bundle, [series(volume("a"), "a")], classifies=False)
    finally:
        (small_bundle.root / "models" / "away.pt").rename(small_bundle.root / "models" / "model.pt")
    assert found["a"].study["slices"] == 12
    assert not found["a"].slices
