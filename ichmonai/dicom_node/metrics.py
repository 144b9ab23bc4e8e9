"""What a monitor asks of the node, in the form of Prometheus."""

import shutil
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ichmonai.dicom_node.config import NodeConfig
from ichmonai.dicom_node.counts import SECONDS
from ichmonai.dicom_node.store import NodeStore
from ichmonai.errors import InputError

_COUNTERS = (
    ("received", "images_received", "sender", "Images that were taken, those that came again among them."),
    ("refused", "images_refused", "reason", "Images that were not taken."),
    ("answered", "answers", "outcome", "Answers to studies; one that grew has several."),
    ("sent", "objects_sent", "destination", "Objects that a destination took."),
    ("failed_sending", "sending_failures", "destination", "Tries at sending in vain."),
)
_TIMES = (
    ("answer", "answer_seconds", "From the last image of a study to its answer."),
    ("delivery", "delivery_seconds", "From the last image of a study to each object of its answer in an archive."),
)


class Metrics(Collector):
    """Reads the journal at the moment of asking: counts go on over restarts, and there are no names of patients.

    Args:
        config: of the node.
        store: its journal.
    """

    def __init__(self, config: NodeConfig, store: NodeStore) -> None:
        self.config, self.store = config, store

    def collect(self) -> Iterator[Metric]:
        """The numbers."""
        for name, shown, label, words in _COUNTERS:
            counter = CounterMetricFamily(f"ichmonai_node_{shown}", words, labels=[label])
            for value, count in self.store.counts(name).items():
                counter.add_metric([value], count)
            yield counter
        failed = self.store.counts("failed").get("", 0.0)
        yield CounterMetricFamily("ichmonai_node_answer_failures", "Tries at answering in vain.", value=failed)
        for name, shown, words in _TIMES:
            yield self._times(name, f"ichmonai_node_{shown}", words)
        waiting = self.store.waiting()
        many = GaugeMetricFamily("ichmonai_node_objects_waiting", "Objects to send.", labels=["destination"])
        oldest = GaugeMetricFamily(
            "ichmonai_node_oldest_waiting_timestamp_seconds", "Of objects to send; 0: none.", labels=["destination"]
        )
        for name in self.config.sent_to:
            count, made = waiting.get(name, (0, 0.0))
            many.add_metric([name], count)
            oldest.add_metric([name], made)
        yield many
        yield oldest
        for shown, words, number in (
            ("studies_waiting", "Studies without an answer to all that came.", self.store.unanswered()),
            ("last_image_timestamp_seconds", "When the last new image came; 0: never.", self.store.last_image()),
            ("free_bytes", "On the disk of the folder.", shutil.disk_usage(self.config.folder).free),
        ):
            yield GaugeMetricFamily(f"ichmonai_node_{shown}", words, value=number)

    def _times(self, name: str, shown: str, words: str) -> Metric:
        found, buckets, total = self.store.counts(f"{name}_seconds"), [], 0.0
        for bound in SECONDS:
            total += found.get(repr(bound), 0.0)
            buckets.append(("+Inf" if bound == SECONDS[-1] else repr(bound), total))
        summed = self.store.counts(f"{name}_seconds_sum").get("", 0.0)
        return HistogramMetricFamily(shown, words, buckets=buckets, sum_value=summed)


def serve_metrics(config: NodeConfig, store: NodeStore) -> WSGIServer:
    """Answer /metrics at the address that the config names, in a thread.

    Raises:
        InputError: the port is not free.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Metrics(config, store))
    try:
        server, _ = start_http_server(config.metrics_port, config.metrics_host, registry)
    except OSError as error:
        raise InputError(
            f"Port {config.metrics_port}, which metrics_port says, cannot be used ({error.strerror}); choose another."
        ) from error
    return server
