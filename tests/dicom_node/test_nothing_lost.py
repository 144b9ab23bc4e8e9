"""Nothing is lost: a node that is killed, an archive that is, a disk that is full, two nodes on one folder."""

import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from ichmonai.dicom_node.inbox import stem
from ichmonai.dicom_node.node import Node
from ichmonai.dicom_node.store import NodeStore
from tests.dicom_node.conftest import free_port, listens, running, send, wait_for
from tests.dicom_node.parts import needs_dcmtk, node_process, storescu
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of
from tests.prediction.in_process import here


@pytest.fixture
def file(tmp_path, archive) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(
        f'[node]\nfolder = "node"\nport = {free_port()}\nquiet_seconds = 3\nworkers = 1\n'
        f'[[destination]]\nname = "archive"\nae_title = "ARCHIVE"\nhost = "127.0.0.1"\nport = {archive.port}\n'
        'always = ["report", "pictures"]\n'
    )
    return path


def port_of(file: Path) -> int:
    return int(file.read_text().split("port = ")[1].split()[0])


@pytest.fixture
def quick(small_bundle, tmp_path) -> tuple[str, ...]:
    """Options of a bundle that predicts noise in milliseconds."""
    root = tmp_path / "bundle"
    shutil.copytree(small_bundle.root, root)
    file = root / "configs" / "inference.json"
    config = json.loads(file.read_text())
    config["intake_transforms"] = [one for one in config["intake_transforms"] if "faults" not in one["_target_"]]
    file.write_text(json.dumps(config))
    return ("--bundle", str(root), "--trust", "--device", "cpu")


def started(file: Path, options: tuple[str, ...]) -> subprocess.Popen:
    process = node_process(file, *options)
    wait_for(lambda: listens(port_of(file)), 120)
    return process


def kill(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def answers(file: Path) -> list[tuple]:
    store = NodeStore(file.parent / "node" / "node.sqlite")
    found = [one for one in store.audit() if one[1] == "answered"]
    store.close()
    return found


@pytest.mark.slow
@needs_dcmtk
def test_a_node_killed_while_it_receives_and_while_it_sends(file, archive, quick, tmp_path):
    """What was acknowledged is there and whole; the sender repeats the rest; each study is answered once."""
    scans = tmp_path / "scans"
    names = [f"study{i}" for i in range(6)]
    for seed, name in enumerate(names):
        write_study(scans, name, seed, PatientID=name)
    first, sent = started(file, quick), []
    sender = threading.Thread(target=lambda: sent.append(storescu(port_of(file), scans, check=False)))
    sender.start()
    store = NodeStore(tmp_path / "node" / "node.sqlite")
    wait_for(lambda: store.status()["images"] >= 30)
    kill(first)
    sender.join(60)
    acknowledged = (sent[0].stdout + sent[0].stderr).count("Received Store Response (Success)")
    images = store._rows("SELECT study, sop, sha256 FROM images")
    assert sent[0].returncode != 0
    assert 29 <= acknowledged <= len(images) < 72
    for study, sop, digest in images:
        content = (tmp_path / "node" / "received" / stem(study) / f"{stem(sop)}.dcm").read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest

    taking, stuck = archive.take, threading.Event()

    def slowly(event):
        status = taking(event)
        if len(archive.taken) == 3:
            stuck.set()
            time.sleep(3600)
        return status

    archive.take = slowly
    second = started(file, quick)
    storescu(port_of(file), scans)
    assert stuck.wait(120)
    kill(second)
    archive.take = taking
    third = started(file, quick)
    wait_for(lambda: len(answers(file)) == 6 and not store.status()["objects_to_send"], 120)
    assert sorted(study for _, _, _, study, _ in answers(file)) == sorted(uid_of(name) for name in names)
    for name in names:
        reports = {one.SOPInstanceUID: one for one in archive.of(uid_of(name))}
        assert len(reports) == 1
        (report,) = reports.values()
        (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
        assert report.PatientID == name
        assert len(evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 12
        assert {one.PatientID for one in archive.of(uid_of(name), "OT")} == {name}
    again = len(archive.taken) - len({one.SOPInstanceUID for one in archive.taken})
    assert again <= 1  # that which the archive had and the node was killed before it knew
    store.close()
    third.terminate()
    third.communicate(timeout=60)


@pytest.mark.slow
def test_two_nodes_cannot_share_a_folder(file, quick, tmp_path):
    first = started(file, quick)
    other = tmp_path / "other.toml"
    other.write_text(file.read_text().replace(str(port_of(file)), str(free_port()), 1))
    second = node_process(other, *quick)
    said = " ".join(second.communicate(timeout=120)[1].split())
    first.terminate()
    first.communicate(timeout=60)
    assert second.returncode == 2
    assert f"Another run is writing to {tmp_path / 'node'}; wait for it, or choose another folder." in said


def test_who_was_sending_when_it_was_killed_has_the_quiet_time_anew(config, archive, small_bundle, tmp_path):
    folder = write_study(tmp_path / "scans", "one")
    late = tmp_path / "late"
    late.mkdir()
    (folder / "one11.dcm").rename(late / "one11.dcm")
    config = replace(config, quiet_seconds=4)
    with running(config, small_bundle):
        assert set(send(config, folder)) == {0}
    time.sleep(4)
    with running(config, small_bundle) as node:
        time.sleep(1)
        assert set(send(config, late)) == {0}
        wait_for(lambda: archive.of(uid_of("one")) and not node.store.status()["studies_without_answer"])
        assert len([1 for _, event, *_ in node.store.audit() if event == "answered"]) == 1


def test_an_image_of_which_half_came_is_not_read_with_its_study(config, archive, small_bundle, tmp_path, monkeypatch):
    folder = write_study(tmp_path / "scans", "one")
    cut = pydicom.dcmread(folder / "one11.dcm").SOPInstanceUID
    real = os.fsync

    def crash(descriptor):
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if stem(cut) in name:
            raise KeyboardInterrupt(os.truncate(descriptor, 3000))  # as a kill: nothing is tidied
        real(descriptor)

    with running(config, small_bundle):
        with monkeypatch.context() as killed:
            killed.setattr("os.fsync", crash)
            killed.setattr("pathlib.Path.unlink", lambda *_, **__: None)
            send(config, folder)
        wait_for(lambda: archive.of(uid_of("one")))
    received = list((config.folder / "received").rglob("*"))
    assert len([path for path in received if path.is_file()]) == 11
    Node(config, small_bundle, here).store.close()
    assert not list((config.folder / "incoming").glob("*"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_is_really_full(config, archive, small_bundle, tmp_path):
    """Images are refused as Out of Resources; what was taken is answered when there is room again."""
    config.folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(config.folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        for seed, name in enumerate(("one", "two")):
            write_study(tmp_path / "scans", name, seed)
        config = replace(config, free_mb=0)
        with running(replace(config, quiet_seconds=3600), small_bundle) as node:
            statuses = [*send(config, tmp_path / "scans" / "one"), *send(config, tmp_path / "scans" / "two")]
            while 0xA700 not in statuses:
                write_study(tmp_path / "more", f"more{len(statuses)}", 9)
                statuses += send(config, tmp_path / "more" / f"more{len(statuses)}")
            assert set(statuses) == {0, 0xA700}
            assert node.store.status()["images"] >= statuses.count(0)
            assert node.store.status()["images"] == len(list((config.folder / "received").rglob("*.dcm")))
        subprocess.run(["mount", "-o", "remount,size=400m", str(config.folder)], check=True)
        with running(config, small_bundle) as node:
            for name in ("one", "two"):
                assert set(send(config, tmp_path / "scans" / name)) == {0}
            for name in ("one", "two"):
                wait_for(lambda name=name: archive.of(uid_of(name)))
            wait_for(lambda: not node.store.status()["studies_without_answer"])
    finally:
        subprocess.run(["umount", "-l", str(config.folder)], check=False)
