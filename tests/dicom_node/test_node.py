"""The node: nothing is lost, nothing is answered twice or mixed."""

import shutil
from collections import namedtuple
from dataclasses import replace

import pydicom
import pytest
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, RLELossless, generate_uid
from pynetdicom import AE

from ichmonai.dicom_node.inbox import stem
from ichmonai.dicom_node.send import Sender
from ichmonai.dicom_node.store import NodeStore
from tests.dicom_node.conftest import Archive, running, send, wait_for, with_senders
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of


def references(report):
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    return {one.ReferencedSOPInstanceUID for one in study.ReferencedSeriesSequence[0].ReferencedSOPSequence}


def write_report(path, name):
    """An object that an archive takes."""
    made = pydicom.Dataset()
    made.SOPClassUID, made.SOPInstanceUID = ComprehensiveSRStorage, generate_uid()
    made.PatientID, made.StudyInstanceUID, made.Modality = name, generate_uid(), "SR"
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.save_as(path, enforce_file_format=True)
    return path


def settled(node):
    return wait_for(
        lambda: node.store.status()["objects_to_send"] == node.store.status()["studies_without_answer"] == 0
    )


def test_results_come_back_with_the_right_patient_and_images(config, archive, small_bundle, tmp_path):
    for seed, name in enumerate(("one", "two")):
        write_study(tmp_path / name, name, seed, PatientID=name)
    with running(config, small_bundle) as node:
        for name in ("one", "two"):
            assert set(send(config, tmp_path / name)) == {0}
        for name in ("one", "two"):
            (report,) = wait_for(lambda name=name: archive.of(uid_of(name)))
            assert report.PatientID == name
            assert references(report) == {uid_of(f"{name}{i}") for i in range(12)}
            wait_for(lambda name=name: archive.of(uid_of(name), "OT"))
        settled(node)
        events = [(event, study) for _, event, _, study, _ in node.store.audit()]
        assert events.count(("received", uid_of("one"))) == 12
        assert events.count(("answered", uid_of("one"))) == 1
        assert events.count(("sent", uid_of("one"))) == len([1 for x in archive.taken if x.PatientID == "one"])
    assert b"Secret" not in (config.folder / "node.sqlite").read_bytes()


def test_only_who_may_sends_and_echo_is_answered(config, small_bundle, tmp_path):
    write_study(tmp_path / "scans", "one")
    config = with_senders(config, "SCANNER")
    with running(config, small_bundle) as node:
        assert send(config, tmp_path / "scans", "STRANGER") == []
        assert node.store.status()["images"] == 0
        entity = AE("SCANNER")
        entity.add_requested_context("1.2.840.10008.1.1")
        association = entity.associate(config.host, config.port, ae_title=config.ae_title)
        assert association.send_c_echo().Status == 0
        association.release()
        assert set(send(config, tmp_path / "scans")) == {0}


def test_an_archive_that_was_down_gets_all_when_it_is_back(config, archive, small_bundle, tmp_path):
    archive.close()
    write_study(tmp_path / "scans", "one")
    with running(config, small_bundle) as node:
        send(config, tmp_path / "scans")
        wait_for(lambda: node.store.status()["objects_tried_in_vain"])
    back = Archive(archive.port)
    with running(config, small_bundle) as node:  # a node that was ended in between goes on
        assert len(wait_for(lambda: back.of(uid_of("one")))) == 1
        settled(node)
    assert len({one.SOPInstanceUID for one in back.taken}) == len(back.taken)
    back.close()


def test_a_study_that_comes_twice_is_answered_once_and_one_that_grows_anew(config, archive, small_bundle, tmp_path):
    folder = write_study(tmp_path / "scans", "one")
    late = tmp_path / "late" / "one11.dcm"
    late.parent.mkdir()
    shutil.move(folder / "one11.dcm", late)
    with running(config, small_bundle) as node:
        send(config, folder)
        (first,) = wait_for(lambda: archive.of(uid_of("one")))
        settled(node)
        count = len(archive.taken)
        send(config, folder)
        assert not node.store.complete(0, 0)
        assert len(archive.taken) == count
        send(config, late.parent)
        _, second = wait_for(lambda: len(archive.of(uid_of("one"))) == 2 and archive.of(uid_of("one")))
        settled(node)
        before = len(archive.taken)
        write_study(tmp_path / "localizer", "one", 9, SeriesInstanceUID=uid_of("another"), Modality="MR")
        for path in (tmp_path / "localizer" / "one").iterdir():
            image = pydicom.dcmread(path)
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid_of(f"localizer {path.stem}")
            image.save_as(path)
        send(config, tmp_path / "localizer")
        wait_for(lambda: not node.store.status()["studies_without_answer"])
        assert len(archive.taken) == before  # more images, and no other answer to those that were answered
    assert len(references(first)) == 11
    assert len(references(second)) == 12
    assert second.SOPInstanceUID != first.SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in first
    assert named(second) == [(uid_of("one"), first.SeriesInstanceUID, first.SOPInstanceUID, first.SOPClassUID)]
    assert second.SeriesInstanceUID == first.SeriesInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    pictures = {one.SeriesInstanceUID for one in archive.of(uid_of("one"), "OT")}
    assert len(pictures) == 2  # those of the two answers do not mix


def named(report):
    """Study, series, object and class of each report that it says it replaces."""
    return [
        (study.StudyInstanceUID, series.SeriesInstanceUID, one.ReferencedSOPInstanceUID, one.ReferencedSOPClassUID)
        for study in report.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    ]


def test_a_report_names_those_that_were_given_away_and_each_is_one_of_its_own(config, archive, small_bundle, tmp_path):
    """One that no archive took is replaced without a word; images that are as they were before get a new report."""
    folder = write_study(tmp_path / "scans", "one")
    archive.close()
    before = (folder / "one3.dcm").read_bytes()
    write_study(tmp_path / "changed", "one", 1)
    after = (tmp_path / "changed" / "one" / "one3.dcm").read_bytes()
    with running(config, small_bundle) as node:
        for content in (before, after):
            (folder / "one3.dcm").write_bytes(content)
            send(config, folder)
            wait_for(lambda: not node.store.status()["studies_without_answer"])
        wait_for(lambda: node.store.status()["objects_tried_in_vain"])
    back, reports = Archive(archive.port), []
    with running(config, small_bundle) as node:
        settled(node)
        for content in (before, after):
            (folder / "one3.dcm").write_bytes(content)
            send(config, folder)
            wait_for(lambda: not node.store.status()["studies_without_answer"])
            settled(node)
            reports = back.of(uid_of("one"))
    back.close()
    assert [[sop for _, _, sop, _ in named(one)] for one in reports] == [
        [one.SOPInstanceUID for one in reports[:i]] for i in range(3)
    ]
    assert len({one.SOPInstanceUID for one in reports}) == 3
    assert len({one.SeriesInstanceUID for one in reports}) == 1


def test_a_full_disk_is_said_and_nothing_that_was_taken_is_lost(config, archive, small_bundle, tmp_path, monkeypatch):
    folder = write_study(tmp_path / "scans", "one")
    usage = namedtuple("usage", "total used free")
    with running(config, small_bundle) as node:
        with monkeypatch.context() as full:
            full.setattr("ichmonai.dicom_node.inbox.shutil.disk_usage", lambda _: usage(1, 1, 0))
            assert set(send(config, folder)) == {0xA700}
        assert node.store.status()["images"] == 0
        with monkeypatch.context() as full:
            full.setattr("ichmonai.dicom_node.inbox.replacing", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
            assert set(send(config, folder)) == {0xA700}
        assert set(send(config, folder)) == {0}
        assert wait_for(lambda: archive.of(uid_of("one")))


def test_an_archive_that_refuses_a_kind_gets_the_others(config, archive, small_bundle, tmp_path):
    archive.close()
    narrow = Archive(archive.port, (ComprehensiveSRStorage,))
    for name in ("one", "two"):
        write_study(tmp_path / "scans", name)
    with running(config, small_bundle) as node:
        send(config, tmp_path / "scans")
        assert wait_for(lambda: narrow.of(uid_of("one")) and narrow.of(uid_of("two")))
        assert wait_for(lambda: node.store.status()["objects_tried_in_vain"])
    narrow.close()


def test_an_object_that_is_gone_holds_up_no_others(config, archive, tmp_path):
    store = NodeStore(tmp_path / "store.sqlite")
    for name in ("gone", "one"):
        store.receive(name, "image", "00", "SCANNER")
        path = tmp_path / f"{name}.dcm"
        store.answer(name, 1, [("archive", name, "series", str(path))], urgent=name == "gone")
    sender = Sender(config, config.destinations[0], store)
    assert not sender.send_study()
    assert [one.study for one in store.due("archive")] == ["one"]  # the other's turn, later that of the first
    assert store.status()["objects_tried_in_vain"] == 1
    store.close()


def test_compressed_images_are_kept_as_sent(config, archive, small_bundle, tmp_path):
    folder = write_study(tmp_path / "scans", "one")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    with running(config, small_bundle):
        assert set(send(config, folder)) == {0}
        assert wait_for(lambda: archive.of(uid_of("one")))
    kept = list((config.folder / "received" / stem(uid_of("one"))).iterdir())
    assert len(kept) == 12
    assert {pydicom.dcmread(path).file_meta.TransferSyntaxUID for path in kept} == {RLELossless}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_a_study_is_complete_by_its_number_of_images(config, archive, small_bundle, tmp_path):
    write_study(tmp_path / "scans", "one")
    with running(replace(config, quiet_seconds=3600, images=12), small_bundle):
        send(config, tmp_path / "scans")
        assert wait_for(lambda: archive.of(uid_of("one")))


@pytest.fixture
def store(tmp_path):
    one = NodeStore(tmp_path / "node.sqlite")
    yield one
    one.close()


def test_positives_overtake_what_waits(store):
    for name, urgent in (("first", False), ("second", False), ("third", True)):
        store.receive(name, f"{name} image", "00", "SCANNER")
        store.answer(name, 1, [("archive", f"{name} {i}", "series", f"{i}.dcm") for i in range(2)], urgent)
    order = []
    while items := store.due("archive"):
        order += [one.sop for one in items]
        for one in items:
            store.sent(one, "archive")
    assert order == ["third 0", "third 1", "first 0", "first 1", "second 0", "second 1"]
    assert store.due("other") == []


def test_what_waits_of_an_old_answer_is_not_sent(store):
    store.receive("one", "image", "00", "SCANNER")
    store.answer("one", 1, [("a", "old", "series", "old.dcm"), ("b", "old", "series", "old.dcm")], False)
    store.sent(store.due("a")[0], "a")
    store.receive("one", "another", "00", "SCANNER")
    store.answer("one", 2, [("a", "new", "series", "new.dcm"), ("b", "new", "series", "new.dcm")], False)
    assert [one.sop for one in store.due("a") + store.due("b")] == ["new", "new"]
    assert store.status()["objects_sent"] == 1


def test_an_archive_that_was_down_gets_positives_first_and_nothing_waits_for_its_pauses(config, archive, store):
    """However often it was tried meanwhile, and whatever came last."""
    archive.close()
    for number, name in enumerate(("first", "urgent", "last")):
        report = pydicom.dcmread(write_report(config.folder.parent / f"{name}.dcm", name))
        store.receive(name, f"{name} image", "00", "SCANNER")
        objects = [("archive", report.SOPInstanceUID, "series", report.filename)]
        store.answer(name, 1, objects, urgent=name == "urgent")
        sender = Sender(config, config.destinations[0], store)
        for _ in range(4 * (2 - number)):
            with pytest.raises(ConnectionError):
                sender.send_study()
            store.note_silence("archive")
    back = Archive(archive.port)
    while sender.send_study():
        pass
    back.close()
    assert [one.PatientID for one in back.taken] == ["urgent", "first", "last"]


def test_an_archive_that_comes_back_is_noticed_though_much_waits(config, archive, store):
    archive.close()
    for name in map(str, range(30)):
        store.receive(name, f"{name} image", "00", "SCANNER")
        report = pydicom.dcmread(write_report(config.folder.parent / f"{name}.dcm", name))
        store.answer(name, 1, [("archive", report.SOPInstanceUID, "series", report.filename)], urgent=False)
    sender = Sender(config, config.destinations[0], store)
    sender.start()
    wait_for(lambda: store.counts("failed_sending").get("archive", 0) >= 2)
    back = Archive(archive.port)
    wait_for(lambda: len(back.taken) == 30, 20)
    sender.close()
    back.close()


def test_pauses_grow_and_end(store, monkeypatch):
    store.receive("one", "image", "00", "SCANNER")
    store.answer("one", 1, [("a", "x", "series", "x.dcm")], False)
    (item,) = store.due("a")
    now = 1e9
    monkeypatch.setattr("ichmonai.dicom_node.store.time.time", lambda: now)
    pauses = []
    for _ in range(12):
        store.postpone("a", item)
        (due,) = store._rows("SELECT due FROM outbox")[0]
        pauses.append(due - now)
    assert pauses[:3] == [2, 4, 8]
    assert max(pauses) == pauses[-1] == 900
