"""What a new answer replaces is rejected, once and after the new one was taken, whatever ends in between."""

import shutil
from dataclasses import replace

import pydicom
import pytest
from pydicom.uid import (
    ComprehensiveSRStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from ichmonai.dicom_node.reject import Rejector
from ichmonai.dicom_node.send import Sender
from ichmonai.dicom_node.store import NodeStore
from tests.dicom_node.conftest import Archive, free_port, running, send, wait_for
from tests.dicom_node.parts import Orthanc, needs_dcmtk, needs_orthanc, storescu
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of

CLASSES = (ComprehensiveSRStorage, SecondaryCaptureImageStorage, KeyObjectSelectionDocumentStorage)


@pytest.fixture
def archive():
    one = Archive(free_port(), CLASSES)
    yield one
    one.close()


@pytest.fixture
def rejecting(config):
    return replace(config, destinations=(replace(config.destinations[0], reject_superseded=True),))


@pytest.fixture
def parts(tmp_path):
    """A study, and an image of it that comes later."""
    folder = write_study(tmp_path / "scans", "one", PatientID="0815")
    late = tmp_path / "late"
    late.mkdir()
    shutil.move(folder / "one11.dcm", late / "one11.dcm")
    return folder, late


def rejected(note):
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    return {
        (series.SeriesInstanceUID, one.ReferencedSOPInstanceUID, one.ReferencedSOPClassUID)
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }


def settled(node):
    def is_so():
        said = node.store.status()
        return not said["objects_to_send"] and not said["studies_without_answer"]

    return wait_for(is_so)


def test_an_archive_hears_of_what_is_replaced_after_it_has_the_new(rejecting, archive, small_bundle, parts):
    study = uid_of("one")
    with running(rejecting, small_bundle) as node:
        send(rejecting, parts[0])
        wait_for(lambda: archive.of(study))
        settled(node)
        old = list(archive.taken)
        assert len(old) >= 3
        assert not archive.of(study, "KO")
        send(rejecting, parts[1])
        (note,) = wait_for(lambda: archive.of(study, "KO"))
        settled(node)
        assert not node.store.superseded("archive")
        events = [(event, sop) for _, event, *_, sop in node.store.audit()]
    assert archive.taken[-1] is note
    assert note.PatientID == "0815"
    assert rejected(note) == {(one.SeriesInstanceUID, one.SOPInstanceUID, one.SOPClassUID) for one in old}
    assert {sop for event, sop in events if event == "rejected"} == {one.SOPInstanceUID for one in old}
    kept = {one.SOPInstanceUID for one in archive.taken} - {one.SOPInstanceUID for one in old} - {note.SOPInstanceUID}
    assert len(kept) >= 3
    with running(rejecting, small_bundle) as node:  # it says so once
        settled(node)
        node.ended.wait(2)
    assert len(archive.of(study, "KO")) == 1


def test_who_does_not_ask_for_it_hears_nothing(config, archive, small_bundle, parts):
    with running(config, small_bundle) as node:
        for folder in parts:
            send(config, folder)
            wait_for(lambda: not node.store.status()["studies_without_answer"])
            settled(node)
        node.ended.wait(1.5)
        settled(node)
    assert len(archive.of(uid_of("one"))) == 2
    assert not archive.of(uid_of("one"), "KO")


def test_images_that_are_what_they_were_get_objects_that_no_note_rejects(rejecting, archive, small_bundle, tmp_path):
    folder = write_study(tmp_path / "scans", "one")
    before = (folder / "one3.dcm").read_bytes()
    write_study(tmp_path / "changed", "one", 1)
    after = (tmp_path / "changed" / "one" / "one3.dcm").read_bytes()
    study = uid_of("one")
    with running(rejecting, small_bundle) as node:
        for times, content in enumerate((before, after, before)):
            (folder / "one3.dcm").write_bytes(content)
            send(rejecting, folder)
            wait_for(lambda times=times: len(archive.of(study, "KO")) == times)
            wait_for(lambda: not node.store.status()["studies_without_answer"])
            settled(node)
    gone = {sop for note in archive.of(study, "KO") for _, sop, _ in rejected(note)}
    for modality in ("SR", "OT"):
        stand = {one.SOPInstanceUID for one in archive.of(study, modality)} - gone
        assert stand, modality
    assert len({one.SOPInstanceUID for one in archive.taken}) == len(archive.taken)


def test_a_note_is_sent_again_until_it_is_taken_though_the_node_ended(rejecting, archive, small_bundle, parts):
    archive.close()
    narrow = Archive(archive.port, CLASSES[:2])
    with running(rejecting, small_bundle) as node:
        send(rejecting, parts[0])
        wait_for(lambda: narrow.of(uid_of("one")))
        settled(node)
        old = {one.SOPInstanceUID for one in narrow.taken}
        send(rejecting, parts[1])
        wait_for(lambda: len(narrow.of(uid_of("one"))) == 2)
        wait_for(lambda: node.store.status()["objects_tried_in_vain"] == 1)
    narrow.close()
    back = Archive(archive.port, CLASSES)
    with running(rejecting, small_bundle) as node:
        (note,) = wait_for(lambda: back.of(uid_of("one"), "KO"))
        settled(node)
    back.close()
    assert {sop for _, sop, _ in rejected(note)} == old
    assert len(back.taken) == 1


@pytest.fixture
def store(tmp_path):
    one = NodeStore(tmp_path / "node.sqlite")
    yield one
    one.close()


def answer(store, changes, *names, folder):
    """Objects of an answer, in files that a later one overwrites."""
    store.receive("one", f"image {changes}", "00", "SCANNER")
    store.answer("one", changes, [("archive", name, "series", str(folder / "report.dcm")) for name in names], False)


def write(path, sop):
    made = pydicom.Dataset()
    made.SOPClassUID, made.SOPInstanceUID, made.StudyInstanceUID = ComprehensiveSRStorage, sop, "1.2"
    made.Modality, made.file_meta = "SR", pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.save_as(path, enforce_file_format=True)


def test_nothing_is_rejected_before_all_of_the_new_answer_was_taken(store, tmp_path):
    answer(store, 1, "old", folder=tmp_path)
    store.sent(store.due("archive")[0], "archive")
    answer(store, 2, "new", "picture", folder=tmp_path)
    while items := store.due("archive"):
        assert not store.superseded("archive")
        store.sent(items[0], "archive")
    assert store.superseded("archive") == {"one": [("old", "series", "report.dcm")]}
    assert not store.superseded("another")


def test_with_commitment_nothing_is_rejected_before_the_new_answer_is_kept(store, tmp_path):
    answer(store, 1, "old", folder=tmp_path)
    store.stored(store.due("archive")[0])
    answer(store, 2, "new", folder=tmp_path)  # and nobody asks for the old one any more
    (item,) = store.due("archive")
    store.stored(item)
    assert not store.superseded("archive")
    store.ask("request", [item])
    store.commit("request", ["new"], [])
    assert store.superseded("archive") == {"one": [("old", "series", "report.dcm")]}


def test_an_object_that_was_under_way_when_a_new_answer_came_is_rejected_too(config, archive, store, tmp_path):
    """And those that were next are not sent."""
    path, sops = tmp_path / "report.dcm", [generate_uid() for _ in range(3)]
    write(path, sops[0])
    answer(store, 1, *sops[:2], folder=tmp_path)
    take = archive.take

    def meanwhile(event):
        answer(store, 2, sops[2], folder=tmp_path)
        return take(event)

    archive.take = meanwhile
    sender = Sender(config, config.destinations[0], store)
    sender.send_study()
    archive.take = take
    write(path, sops[2])
    assert sender.send_study()
    assert [one.SOPInstanceUID for one in archive.taken] == [sops[0], sops[2]]
    assert store.superseded("archive") == {"one": [(sops[0], "series", "report.dcm")]}


def test_a_file_of_a_new_answer_is_not_sent_as_the_old_one(config, archive, store, tmp_path):
    """The new objects are written before the journal knows of them."""
    old, new = generate_uid(), generate_uid()
    answer(store, 1, old, folder=tmp_path)
    write(tmp_path / "report.dcm", new)
    assert not Sender(config, config.destinations[0], store).send_study()
    assert not archive.taken
    assert not store.reports("one")


def test_a_note_that_was_written_and_not_noted_is_the_same(rejecting, store, parts, monkeypatch):
    """A node that is killed in between writes none beside it."""
    received = rejecting.folder / "received" / "e0d0"
    monkeypatch.setattr("ichmonai.dicom_node.reject.stem", lambda _: "e0d0")
    shutil.copytree(parts[0], received)
    answer(store, 1, "2.25.1", folder=received)
    store.sent(store.due("archive")[0], "archive")
    answer(store, 2, "2.25.2", folder=received)
    store.sent(store.due("archive")[0], "archive")
    rejector = Rejector(rejecting, store)
    with monkeypatch.context() as killed:
        killed.setattr(store, "reject", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rejector.work()
    (path,) = (rejecting.folder / "answered" / "e0d0" / "rejected").iterdir()
    before = path.read_bytes()
    rejector.work()
    (item,) = store.due("archive")
    assert (item.file, item.sop) == (str(path), pydicom.dcmread(path).SOPInstanceUID)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_is_full_does_not_end_it(rejecting, store, parts, monkeypatch):
    monkeypatch.setattr("ichmonai.dicom_node.reject.stem", lambda _: "e0d0")
    shutil.copytree(parts[0], rejecting.folder / "received" / "e0d0")
    for changes, sop in enumerate(("2.25.1", "2.25.2"), 1):
        answer(store, changes, sop, folder=rejecting.folder)
        store.sent(store.due("archive")[0], "archive")
    rejector = Rejector(rejecting, store)
    with monkeypatch.context() as full:
        full.setattr("ichmonai.dicom_node.reject.replacing", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        assert rejector.work() == 60
    assert store.superseded("archive")
    rejector.work()
    assert not store.superseded("archive")
    assert len(store.due("archive")) == 1


@pytest.mark.slow
@needs_orthanc
@needs_dcmtk
def test_orthanc_keeps_the_note_beside_the_objects(rejecting, small_bundle, parts, tmp_path):
    orthanc = Orthanc(tmp_path / "orthanc")
    destination = replace(rejecting.destinations[0], ae_title="ORTHANC", port=orthanc.dicom)
    config, study = replace(rejecting, destinations=(destination,)), uid_of("one")
    try:
        with running(config, small_bundle) as node:
            storescu(config.port, parts[0])
            wait_for(lambda: orthanc.found(study))
            settled(node)
            old = {one.SOPInstanceUID for one in orthanc.found(study)}
            storescu(config.port, parts[1])
            (note,) = wait_for(lambda: [one for one in orthanc.found(study) if one.Modality == "KO"])
            settled(node)
            read = pydicom.dcmread(orthanc.read(note))
            assert {sop for _, sop, _ in rejected(read)} == old
            assert old < {one.SOPInstanceUID for one in orthanc.found(study)}
    finally:
        orthanc.close()
