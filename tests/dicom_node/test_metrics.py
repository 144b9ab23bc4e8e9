"""What Prometheus is told: it adds up, goes on over restarts, and names no patient."""

import math
import socket
import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ichmonai.errors import InputError
from tests.dicom_node.conftest import free_port, running, send, wait_for
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of


@pytest.fixture
def watched(config):
    return replace(config, metrics_port=free_port())


def asked(config):
    """Value of each sample, by its name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{config.metrics_port}/metrics") as answer:
        text = answer.read().decode()
    assert "Secret" not in text
    assert uid_of("one") not in text
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name.removeprefix("ichmonai_node_"), *one.labels.values()] = one.value
    return found


def test_numbers_add_up_and_go_on_over_restarts(watched, archive, small_bundle, tmp_path):
    for seed, name in enumerate(("one", "two")):
        write_study(tmp_path / "scans", name, seed)
    with running(watched, small_bundle) as node:
        send(watched, tmp_path / "scans" / "one")
        wait_for(lambda: archive.of(uid_of("one")) and not node.store.status()["objects_to_send"])
        first = asked(watched)
    assert first["images_received_total", "SCANNER"] == 12
    assert sum(value for (name, *_), value in first.items() if name == "answers_total") == 1
    assert first["objects_sent_total", "archive"] == len(archive.taken)
    assert first["objects_waiting", "archive"] == first["oldest_waiting_timestamp_seconds", "archive"] == 0
    assert first["answer_seconds_bucket", "+Inf"] == first["answer_seconds_count",] == 1
    assert 1 <= first["answer_seconds_sum",] <= first["delivery_seconds_sum",] / len(archive.taken) + 1
    assert first["free_bytes",] > 0
    archive.close()
    with running(watched, small_bundle) as node:
        send(watched, tmp_path / "scans" / "two")
        wait_for(lambda: node.store.status()["objects_tried_in_vain"])
        second = asked(watched)
    assert second["images_received_total", "SCANNER"] == 24
    assert second["answer_seconds_count",] == 2
    assert second["sending_failures_total", "archive"] >= 1
    assert second["objects_waiting", "archive"] >= 2
    assert second["last_image_timestamp_seconds",] > first["last_image_timestamp_seconds",]
    assert second["oldest_waiting_timestamp_seconds", "archive"] > second["last_image_timestamp_seconds",]


def test_refused_images_are_counted_by_reason(watched, small_bundle, tmp_path):
    write_study(tmp_path / "scans", "one")
    with running(replace(watched, free_mb=math.inf), small_bundle):
        assert set(send(watched, tmp_path / "scans")) == {0xA700}
        assert asked(watched)["images_refused_total", "out_of_resources"] == 12


def test_a_port_in_use_is_said(watched, small_bundle):
    from ichmonai.dicom_node.node import Node
    from tests.prediction.in_process import here

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", watched.metrics_port))
        taken.listen()
        with pytest.raises(InputError, match=f"Port {watched.metrics_port}, which metrics_port says"):
            Node(watched, small_bundle, here).run()
