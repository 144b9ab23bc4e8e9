"""A DICOMweb server is asked for images: each is taken once, whatever ends in between."""

import datetime
import time
from dataclasses import replace

import pytest

from ichmonai.dicom_node.config import Destination, NodeConfig, Poll
from tests.dicom_node.conftest import free_port, running, wait_for
from tests.dicom_node.parts import Orthanc, needs_dcmtk, needs_orthanc, storescu
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of

pytestmark = [pytest.mark.slow, needs_orthanc, needs_dcmtk]
TODAY = f"{datetime.date.today():%Y%m%d}"


def test_new_studies_of_orthanc_are_taken_once_and_answered_into_it(small_bundle, tmp_path):
    orthanc = Orthanc(tmp_path / "orthanc")
    web = f"http://127.0.0.1:{orthanc.http}/dicom-web"
    config = NodeConfig(
        tmp_path / "node",
        port=free_port(),
        quiet_seconds=4,
        workers=1,
        poll=Poll(web, every=1),
        destinations=(Destination("web", url=web),),
    )
    scans = tmp_path / "scans"
    write_study(scans, "one", 0, StudyDate=TODAY)
    write_study(scans, "old", 1, StudyDate="20200101")
    write_study(scans, "other", 2, StudyDate=TODAY, Modality="MR")
    storescu(orthanc.dicom, scans, called="ORTHANC")
    with running(replace(config, quiet_seconds=3600), small_bundle) as node:  # ended while images come
        wait_for(lambda: node.store.status()["images"])
    with running(config, small_bundle) as node:
        wait_for(lambda: [one for one in orthanc.found(uid_of("one")) if one.Modality == "SR"], 120)
        wait_for(lambda: not node.store.status()["objects_to_send"])
        orthanc.close()
        time.sleep(2)
        orthanc.start()  # a server that was down is asked again
        write_study(scans, "two", 3, StudyDate=TODAY)
        storescu(orthanc.dicom, scans / "two", called="ORTHANC")
        wait_for(lambda: [one for one in orthanc.found(uid_of("two")) if one.Modality == "SR"], 120)
        events = [(event, peer, study) for _, event, peer, study, _ in node.store.audit()]
        assert not node.store.status()["studies_without_answer"]
    orthanc.close()
    for name in ("one", "two"):
        assert events.count(("received", "127.0.0.1", uid_of(name))) == 12
        assert events.count(("answered", "", uid_of(name))) == 1
    assert {study for _, _, study in events} == {uid_of("one"), uid_of("two")}
