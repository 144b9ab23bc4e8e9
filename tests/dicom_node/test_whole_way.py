"""The whole way: twenty studies and a real series go in by storescu, and what was found comes back into Orthanc."""

import dataclasses
import json

import highdicom as hd
import numpy as np
import pydicom
import pytest

from ichmonai.datasets.phantom import make_study, write_dicom
from ichmonai.dicom_node.config import Destination, NodeConfig
from tests.dicom_node.conftest import free_port, running, wait_for
from tests.dicom_node.parts import Orthanc, needs_dcmtk, needs_orthanc, storescu
from tests.prediction.conftest import marking_bundle

__all__ = ["marking_bundle"]
pytestmark = [pytest.mark.slow, needs_orthanc, needs_dcmtk]
STUDIES, POSITIVE_EVERY = 20, 4
NOTHING_BRIGHT = 40
"""HU that the network of the test takes for no blood; it marks all that is brighter, bone among it."""


def write_phantoms(folder):
    """Twenty studies, of which every fourth has something bright: StudyInstanceUID -> patient, and whether it has."""
    known = {}
    for i in range(STUDIES):
        study, bright = make_study(i, size=96, patient=f"Patient{i}"), i % POSITIVE_EVERY == POSITIVE_EVERY - 1
        if not bright:
            study = dataclasses.replace(study, hu=np.minimum(study.hu, NOTHING_BRIGHT))
        (folder / f"{i:02}").mkdir(parents=True)
        write_dicom(folder / f"{i:02}", [study]).unlink()  # the truth, which nobody sends
        image = pydicom.dcmread(next((folder / f"{i:02}").rglob("*.dcm")), stop_before_pixels=True)
        known[image.StudyInstanceUID] = (f"Patient{i}", bright)
    return known


def images_of(folder):
    """SOPInstanceUIDs of the images of each study."""
    found = {}
    for path in folder.rglob("*.dcm"):
        image = pydicom.dcmread(path, stop_before_pixels=True)
        found.setdefault(image.StudyInstanceUID, set()).add(image.SOPInstanceUID)
    return found


def check(orthanc, study, patient, bright, images):
    """What QIDO-RS finds of a study is read, is of the patient, and names images of the study and no others."""
    found = orthanc.found(study)
    assert {one.Modality for one in found} == ({"SR", "OT", "SEG"} if bright else {"SR"})
    for one in found:
        content = orthanc.read(one)
        if one.Modality == "SR":
            read = hd.sr.srread(content)
            groups = read.content.get_image_measurement_groups()
            named = {image.referenced_sop_instance_uid for group in groups for image in group.source_images}
        elif one.Modality == "SEG":
            read = hd.seg.segread(content)
            named = {str(sop) for _, _, sop in read.get_source_image_uids()}
            assert read.pixel_array.any()
        else:
            read = pydicom.dcmread(content)
            named = {image.ReferencedSOPInstanceUID for image in read.get("SourceImageSequence", ())}
            assert read.pixel_array.shape[-1] == 3
        assert named <= images
        assert named or one.Modality == "OT"  # the page that sums up shows no one image
        assert (str(read.PatientID), read.StudyInstanceUID) == (patient, study)


def arrived(orthanc):
    """Studies in the order in which their reports came into Orthanc."""
    changes = json.loads(orthanc._get("/changes?limit=100000"))["Changes"]
    order = []
    for path in [one["Path"] for one in changes if one["ChangeType"] == "NewInstance"]:
        tags = json.loads(orthanc._get(f"{path}/simplified-tags"))
        if tags["Modality"] == "SR":
            order.append(tags["StudyInstanceUID"])
    return order


def go(tmp_path, bundle, *folders):
    """Send folders to a node while the archive is down, and start that when all is answered."""
    orthanc = Orthanc(tmp_path / "orthanc")
    orthanc.close()
    destination = Destination("orthanc", "ORTHANC", "127.0.0.1", orthanc.dicom)
    config = NodeConfig(
        tmp_path / "node", port=free_port(), quiet_seconds=5, workers=2, free_mb=0, destinations=(destination,)
    )
    with running(config, bundle) as node:
        storescu(config.port, *folders)
        wait_for(lambda: not node.store.status()["studies_without_answer"], 300)
        orthanc.start()
        wait_for(lambda: not node.store.status()["objects_to_send"], 300)
    return orthanc


@pytest.mark.timeout(600)
def test_twenty_studies_come_back_and_positives_first(marking_bundle, tmp_path):
    known = write_phantoms(tmp_path / "scans")
    images = images_of(tmp_path / "scans")
    orthanc = go(tmp_path, marking_bundle, tmp_path / "scans")
    try:
        for study, (patient, bright) in known.items():
            check(orthanc, study, patient, bright, images[study])
        order = [known[study][1] for study in arrived(orthanc)]
    finally:
        orthanc.close()
    assert order == [True] * (STUDIES // POSITIVE_EVERY) + [False] * (STUDIES - STUDIES // POSITIVE_EVERY)


@pytest.mark.data
def test_a_real_tilted_series_comes_back_with_its_mask(marking_bundle, real_data, tmp_path):
    folder = real_data / "dicom" / "ge_tilted_head"
    ((study, images),) = images_of(folder).items()
    patient = str(pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).PatientID)
    orthanc = go(tmp_path, marking_bundle, folder)
    try:
        check(orthanc, study, patient, True, images)
    finally:
        orthanc.close()
