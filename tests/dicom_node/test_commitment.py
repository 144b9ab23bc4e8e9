"""Storage commitment: what an archive took counts when it has said that it keeps it."""

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from ichmonai.dicom_node.commitment import PUSH_MODEL
from ichmonai.dicom_node.config import Destination, NodeConfig
from ichmonai.dicom_node.store import NodeStore
from tests.dicom_node.conftest import Archive, free_port, running, send, wait_for
from tests.dicom_node.parts import Orthanc, needs_dcmtk, needs_orthanc, storescu
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of


class Keeper(Archive):
    """An archive that says by an association of its own what it keeps: at first nothing, then all."""

    def __init__(self, port: int, node: int) -> None:
        super().__init__(port)
        self.node, self.asked, self.refused_store = node, [], None
        self.entity.add_supported_context(PUSH_MODEL)
        self.server.shutdown()
        handlers = [(evt.EVT_C_STORE, lambda event: self.take(event)), (evt.EVT_N_ACTION, self.ask)]
        self.server = self.entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)

    def ask(self, event):
        self.asked.append(event.action_information)
        return 0, None

    def report(self, asked, kept: bool) -> int:
        said = Dataset()
        said.TransactionUID = asked.TransactionUID
        if kept:
            said.ReferencedSOPSequence = asked.ReferencedSOPSequence
        else:
            said.FailedSOPSequence = asked.ReferencedSOPSequence
            for one in said.FailedSOPSequence:
                one.FailureReason = 0x0110
        entity = AE("ARCHIVE")
        entity.add_requested_context(PUSH_MODEL)
        association = entity.associate("127.0.0.1", self.node, ae_title="ICHMONAI")
        status, _ = association.send_n_event_report(said, 1 if kept else 2, PUSH_MODEL, "1.2.840.10008.1.20.1.1")
        association.release()
        return status.Status


@pytest.fixture
def committing(config):
    return replace(config, destinations=(replace(config.destinations[0], port=free_port(), storage_commitment=True),))


def test_what_is_not_kept_is_sent_again_and_delivered_when_it_is_kept(committing, small_bundle, tmp_path):
    keeper = Keeper(committing.destinations[0].port, committing.port)
    committing = replace(committing, senders=("SCANNER",))
    write_study(tmp_path / "scans", "one")
    with running(committing, small_bundle) as node:
        send(committing, tmp_path / "scans")
        (first,) = wait_for(lambda: keeper.asked)
        wait_for(lambda: keeper.of(uid_of("one"), "OT"))
        assert node.store.status()["objects_sent"] == 0
        before = len(keeper.taken)
        assert send(committing, tmp_path / "scans", "ARCHIVE") == [0x0124] * 12  # may only say what it keeps
        assert keeper.report(first, kept=False) == 0
        _, second = wait_for(lambda: len(keeper.asked) == 2 and keeper.asked)
        assert len(keeper.taken) == 2 * before
    with running(committing, small_bundle) as node:  # of what was asked before it was started anew
        stranger = Dataset()
        stranger.TransactionUID, stranger.ReferencedSOPSequence = "1.2.3", second.ReferencedSOPSequence
        assert keeper.report(stranger, kept=True) == 0x0112
        assert node.store.status()["objects_sent"] == 0
        assert keeper.report(second, kept=True) == 0
        assert node.store.status()["objects_sent"] == before
        assert not node.store.status()["objects_to_send"]
        events = [event for _, event, *_ in node.store.audit()]
        assert (events.count("committed"), events.count("sent")) == (before, 0)
        assert len(keeper.taken) == 2 * before
    keeper.close()


def test_an_archive_that_does_not_answer_is_asked_again_later(tmp_path, monkeypatch):
    now = 1e9
    monkeypatch.setattr("ichmonai.dicom_node.store.time.time", lambda: now)
    store = NodeStore(tmp_path / "node.sqlite")
    store.receive("one", "image", "00", "SCANNER")
    store.answer("one", 1, [("a", "x", "series", "x.dcm")], False)
    store.stored(store.due("a")[0])
    pauses = []
    for i in range(7):
        (item,) = store.due("a")
        assert item.stored
        store.ask(f"request {i}", [item])
        then = now
        while not store.due("a"):
            now += 30
        pauses.append(now - then)
    assert pauses == [60, 120, 240, 480, 900, 900, 900]
    assert store.commit("request 2", ["x"], [])  # hours later
    assert store.status()["objects_sent"] == 1
    store.close()


@pytest.mark.slow
@needs_orthanc
@needs_dcmtk
def test_orthanc_commits(small_bundle, tmp_path):
    port = free_port()
    known = {"node": {"AET": "ICHMONAI", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}}
    orthanc = Orthanc(tmp_path / "orthanc", DicomModalities=known)
    destination = Destination(
        "orthanc", "ORTHANC", "127.0.0.1", orthanc.dicom, ("report", "pictures"), storage_commitment=True
    )
    config = NodeConfig(
        tmp_path / "node", port=port, quiet_seconds=1, workers=1, senders=("SCANNER",), destinations=(destination,)
    )
    write_study(tmp_path / "scans", "one")
    with running(config, small_bundle) as node:
        storescu(port, tmp_path / "scans" / "one")
        wait_for(lambda: node.store.status()["objects_sent"] and not node.store.status()["objects_to_send"])
        events = [event for _, event, *_ in node.store.audit()]
    found = orthanc.found(uid_of("one"))
    orthanc.close()
    assert events.count("committed") == len(found) >= 3
    assert "sent" not in events
