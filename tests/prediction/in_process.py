"""Runs of a batch without processes of their own."""

from ichmonai.prediction.bundle import InferenceBundle
from ichmonai.prediction.run import BatchOptions, run_batch
from ichmonai.prediction.steps import Answer, classify, prepare
from tests.prediction.test_run import Silent


def here(source, tasks, pictures=False):
    """An engine without processes of its own."""
    bundle = InferenceBundle(source)
    for series in tasks:
        prepared = prepare(bundle, series, pictures)
        yield series, prepared if isinstance(prepared, Answer) else classify(bundle, series, prepared)


def run(source, inputs, out, engine=here, **options):
    return run_batch(inputs, out, source, engine, BatchOptions(workers=1, **options), Silent())
