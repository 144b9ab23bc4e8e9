"""Real parts: DCMTK's storescu sends, Orthanc takes what comes back, and a node that is killed goes on."""

import signal
import subprocess

import highdicom as hd
import pydicom
import pytest

from ichmonai.datasets.phantom import make_study, write_dicom
from ichmonai.dicom_node.config import Destination, NodeConfig
from ichmonai.dicom_node.send import answers_echo
from ichmonai.dicom_node.store import NodeStore
from tests.dicom_node.conftest import free_port, running, wait_for
from tests.dicom_node.parts import Orthanc, needs_dcmtk, needs_orthanc, node_process, storescu
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of

pytestmark = [pytest.mark.slow, needs_orthanc, needs_dcmtk]


@pytest.fixture
def orthanc(tmp_path):
    one = Orthanc(tmp_path / "orthanc")
    yield one
    one.close()


def test_studies_come_back_into_orthanc(orthanc, small_bundle, tmp_path):
    destination = Destination("orthanc", "ORTHANC", "127.0.0.1", orthanc.dicom, ("report", "pictures"), ())
    config = NodeConfig(
        tmp_path / "node", host="127.0.0.1", port=free_port(), quiet_seconds=1, workers=1, destinations=(destination,)
    )
    names = [f"study{i}" for i in range(6)]
    for seed, name in enumerate(names):
        write_study(tmp_path / "scans", name, seed, PatientID=name)
    with running(config, small_bundle) as node:
        storescu(config.port, *((tmp_path / "scans" / name) for name in names))
        wait_for(lambda: all(len(orthanc.found(uid_of(name))) >= 3 for name in names), 120)
        wait_for(lambda: not node.store.status()["objects_to_send"])
    for name in names:
        found = orthanc.found(uid_of(name))
        (one,) = [one for one in found if one.Modality == "SR"]
        report = hd.sr.srread(orthanc.read(one))
        assert report.PatientID == name
        groups = report.content.get_image_measurement_groups()
        images = {image.referenced_sop_instance_uid for group in groups for image in group.source_images}
        assert images <= {uid_of(f"{name}{i}") for i in range(12)}
        for picture in (one for one in found if one.Modality == "OT"):
            assert pydicom.dcmread(orthanc.read(picture)).pixel_array.shape[-1] == 3


def test_results_go_by_stow_and_wait_while_the_server_is_down(small_bundle, tmp_path):
    orthanc = Orthanc(tmp_path / "orthanc")
    web = Destination("web", url=f"http://127.0.0.1:{orthanc.http}/dicom-web", always=("report", "pictures"))
    config = NodeConfig(
        tmp_path / "node", host="127.0.0.1", port=free_port(), quiet_seconds=1, workers=1, destinations=(web,)
    )
    assert answers_echo(config, web)
    orthanc.close()
    assert not answers_echo(config, web)
    write_study(tmp_path / "scans", "one")
    with running(config, small_bundle) as node:
        storescu(config.port, tmp_path / "scans" / "one")
        wait_for(lambda: node.store.status()["objects_tried_in_vain"])
        orthanc.start()
        wait_for(lambda: not node.store.status()["objects_to_send"])
    modalities = {one.Modality for one in orthanc.found(uid_of("one"))}
    orthanc.close()
    assert modalities == {"SR", "OT"}


@pytest.mark.data
def test_a_real_series_comes_back_into_orthanc(orthanc, small_bundle, real_data, tmp_path):
    folder = real_data / "dicom" / "ge_tilted_head"
    first = pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True)
    destination = Destination("orthanc", "ORTHANC", "127.0.0.1", orthanc.dicom, ("report", "pictures"), ())
    config = NodeConfig(
        tmp_path / "node", host="127.0.0.1", port=free_port(), quiet_seconds=1, workers=1, destinations=(destination,)
    )
    with running(config, small_bundle):
        storescu(config.port, folder)
        wait_for(lambda: [one for one in orthanc.found(first.StudyInstanceUID) if one.Modality == "SR"], 120)
    (one,) = [one for one in orthanc.found(first.StudyInstanceUID) if one.Modality == "SR"]
    report = hd.sr.srread(orthanc.read(one))
    assert (report.PatientName, report.PatientID) == (first.PatientName, first.PatientID)
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    assert len(evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 28


def test_a_node_that_is_killed_loses_nothing(orthanc, tmp_path):
    """By SIGKILL after it took all images, and again while it predicts; then nothing else is sent to it."""
    scans, port = tmp_path / "scans", free_port()
    scans.mkdir()
    study = make_study(5, kind="deep", size=96)
    write_dicom(scans, [study])
    config = tmp_path / "node.toml"
    config.write_text(
        f'[node]\nfolder = "node"\nhost = "127.0.0.1"\nport = {port}\nquiet_seconds = 2\nworkers = 1\n'
        f'[[destination]]\nname = "orthanc"\nae_title = "ORTHANC"\nhost = "127.0.0.1"\nport = {orthanc.dicom}\n'
    )
    first = node_process(config)
    assert "listens" in wait_for(first.stderr.readline)
    wait_for(
        lambda: subprocess.run(["echoscu", "-aec", "ICHMONAI", "127.0.0.1", str(port)], check=False).returncode == 0
    )
    images = next(scans.glob("*/*"))
    storescu(port, images)
    first.send_signal(signal.SIGKILL)
    first.wait()
    uid = pydicom.dcmread(next(images.iterdir()), stop_before_pixels=True).StudyInstanceUID
    store = NodeStore(tmp_path / "node" / "node.sqlite")
    assert store.status()["images"] == study.scanner.slices
    assert store.status()["studies_without_answer"] == 1
    second = node_process(config)
    wait_for(lambda: list((tmp_path / "node").glob("answered/*/results/journal.sqlite")), 120)
    second.send_signal(signal.SIGKILL)
    second.wait()
    third = node_process(config)
    (one,) = wait_for(lambda: [one for one in orthanc.found(uid) if one.Modality == "SR"], 240)
    report = hd.sr.srread(orthanc.read(one))
    assert report.PatientID == study.patient
    wait_for(lambda: not store.status()["objects_to_send"])
    assert len([1 for _, event, *_ in store.audit() if event == "answered"]) == 1
    store.close()
    third.send_signal(signal.SIGTERM)
    assert "goes on when it is started again" in third.communicate(timeout=60)[1]
