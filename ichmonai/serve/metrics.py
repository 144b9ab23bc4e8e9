"""What a monitor asks of the server, in the form of Prometheus."""

import shutil
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ichmonai.serve.parts import Parts
from ichmonai.serve.store import STATES


class _Server(Collector):
    """Counts what the database has at the moment of asking; no names."""

    def __init__(self, parts: Parts, alive: bool) -> None:
        self.parts, self.alive = parts, alive

    def collect(self) -> Iterator[Metric]:
        """The numbers."""
        uploads = self.parts.store.uploads()
        states = Counter(one["state"] for one in uploads)
        yield _by("ichmonai_uploads", "Uploads by state.", "state", {name: states[name] for name in STATES})
        found = Counter(one["row"].get("outcome", "no_prediction") for one in self.parts.store.studies())
        outcomes = {name: found[name] for name in ("positive", "negative", "no_prediction")}
        yield _by("ichmonai_studies", "Studies by answer.", "outcome", outcomes)
        refused = Counter(one["code"] for some in self.parts.store.refusals().values() for one in some)
        yield _by("ichmonai_refused", "Inputs without an answer, by code.", "code", refused)
        waiting = [one["touched"] for one in uploads if one["state"] == "queued"]
        for name, words, value in (
            ("ichmonai_predicting", "Whether the process that predicts is alive.", float(self.alive)),
            ("ichmonai_upload_bytes", "Of all uploads.", float(self.parts.store.used_bytes())),
            ("ichmonai_quota_bytes", "That uploads may take.", float(self.parts.options.quota_bytes)),
            ("ichmonai_free_bytes", "On the disk.", float(shutil.disk_usage(self.parts.options.data).free)),
            ("ichmonai_oldest_waiting_timestamp_seconds", "0: nothing waits.", min(waiting, default=0.0)),
            ("ichmonai_readings", "Last readings of each reader.", float(len(self.parts.readings.latest()))),
        ):
            yield GaugeMetricFamily(name, words, value=value)


def metrics(parts: Parts, alive: bool) -> bytes:
    """The numbers as text.

    Args:
        parts: of the application.
        alive: whether the process that predicts is.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Server(parts, alive))
    return generate_latest(registry)


def _by(name: str, words: str, label: str, values: dict[str, int] | Counter[str]) -> Metric:
    metric = GaugeMetricFamily(name, words, labels=[label])
    for value, count in values.items():
        metric.add_metric([value], count)
    return metric
