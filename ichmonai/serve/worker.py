"""The process that predicts what is uploaded, with one network that stays loaded."""

import json
import math
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ichmonai.cores import usable_cores
from ichmonai.errors import InputError
from ichmonai.io.findings import IN_WORDS, Code
from ichmonai.io.series import Series
from ichmonai.prediction.bundle import BundleSource
from ichmonai.prediction.identify import identity
from ichmonai.prediction.loaded import Loaded
from ichmonai.prediction.local import predict_locally
from ichmonai.prediction.run import BatchOptions, run_batch
from ichmonai.prediction.source import Source
from ichmonai.prediction.steps import Answer
from ichmonai.private_files import make_folder, replacing
from ichmonai.processes.contexts import end_with_parent, prepare_workers
from ichmonai.serve.options import ServeOptions
from ichmonai.serve.store import FAILED, Store, study_id
from ichmonai.serve.volumes import mask_array

POLL = 0.3
"""Seconds between looks at an empty queue."""

_FORMATS = ("csv", "jsonl", "html")


def work(source: BundleSource, options: ServeOptions) -> None:
    """Predict one upload after another, until the server ends; the body of the process.

    Args:
        source: the bundle.
        options: of the server.
    """
    end_with_parent()
    prepare_workers()
    loaded = Loaded(source)
    store = Store(options.data)
    _ = loaded.open().network
    while True:
        upload = store.take()
        if upload is None:
            time.sleep(POLL)
        else:
            predict_upload(store, upload["id"], loaded, options)


def predict_upload(store: Store, upload: str, source: Source, options: ServeOptions) -> None:
    """Predict all that is in an upload, as `ichmonai predict` does; every answer is kept as soon as it is there.

    Args:
        store: of the server.
        upload: name of an upload that was taken from the queue.
        source: the bundle.
        options: of the server.
    """
    place = store.place(upload)
    try:
        _run(store, upload, source, options)
    except InputError as error:
        if not (place / "results" / "journal.sqlite").exists():
            store.set_state(upload, FAILED, _without(place, str(error)))
            return
        # Another version or other weights began it: all of it is predicted anew.
        shutil.rmtree(place / "results")
        try:
            _run(store, upload, source, options)
        except InputError as again:
            store.set_state(upload, FAILED, _without(place, str(again)))


def _run(store: Store, upload: str, source: Source, options: ServeOptions) -> None:
    place = store.place(upload)
    files, results = place / "files", place / "results"
    facts: dict[str, Any] = {name: source.open().identity.get(name, "") for name in ("weights_sha256", "config_sha256")}
    facts |= source.open().setting("decision").thresholds

    def engine(bundle: Source, tasks: Iterable[Series], pictures: bool = False) -> Iterator[tuple[Series, Answer]]:
        workers = options.workers or usable_cores()
        answers = predict_locally(bundle, tasks, pictures, workers=workers, timeout=options.timeout)
        for series, answer in answers:
            if answer.study:
                _keep(store, upload, series, answer, facts, options.identify)
            yield series, answer

    formats = _FORMATS + (("masks",) if source.open().setting("description").makes_masks else ())
    chosen = BatchOptions(
        formats=formats,
        workers=options.workers,
        reported=math.inf,
        identify=options.identify,
        one_study_per_folder=options.one_study_per_folder,
        templates=options.templates,
    )
    run_batch([files], results, source, engine, chosen, _Progress(store, upload))
    answered = {one["id"] for one in store.studies(upload) if one["row"].get("sha256")}
    for row in _lines(results / "studies.jsonl"):
        if study_id(upload, row) not in answered:  # every series of it was refused
            store.put_study(upload, row, facts=facts)
    refused = [one for one in _lines(results / "rejected.jsonl") if one["code"] != Code.NOT_SELECTED.value]
    store.finish(upload, [{name: _without(place, str(one[name])) for name in one} for one in refused])


def _keep(store: Store, upload: str, series: Series, answer: Answer, facts: dict[str, Any], identify: bool) -> None:
    row = {**answer.study, **(identity(series.images[0]) if identify else {})}
    found = [code for code in str(row.get("flags", "")).split(";") if code]
    said = {finding.code.value: finding.sentence for finding in series.findings}
    warnings = [_without(store.place(upload), said.get(code) or IN_WORDS[Code(code)]) for code in found]
    study = store.put_study(upload, row, answer.slices, series.images, warnings, facts)
    if answer.mask is not None:
        path = mask_array(store, upload, study)
        make_folder(path.parent)
        with replacing(path, "wb") as file:
            np.save(file, answer.mask)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table, without what they lack."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield {name: value for name, value in json.loads(line).items() if value is not None}


def _without(place: Path, sentence: str) -> str:
    """A sentence in which files are called as they were when they were uploaded."""
    said = sentence.replace(f"{place / 'files'}/", "").replace(str(place / "files"), "the upload")
    return said[:1].upper() + said[1:] if said.startswith("the upload") else said


class _Progress:
    """Tells the store how far a run is; see `ichmonai.prediction.run.Progress`."""

    def __init__(self, store: Store, upload: str) -> None:
        self.store, self.upload, self.done = store, upload, 0

    def found(self, images: int) -> None:
        """Images were found, this many so far."""
        self.store.progress(self.upload, found=images)

    def planned(self, series: int, done: int) -> None:
        """There are so many series, some of them done by an earlier run."""
        self.done = done
        self.store.progress(self.upload, series=series, done=done)

    def answered(self) -> None:
        """One more series is done."""
        self.done += 1
        self.store.progress(self.upload, done=self.done)
