"""Real parts: Orthanc, DCMTK's storescu, and a node in a process of its own."""

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO

from ichmonai.processes.safe_path import safe_environment
from tests.dicom_node.conftest import free_port, wait_for

ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
STORESCU = shutil.which("storescu", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")  # pynetdicom has one, too
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
needs_orthanc = pytest.mark.skipif(
    not (ORTHANC and PLUGIN.exists()), reason="orthanc and orthanc-dicomweb are not installed"
)
needs_dcmtk = pytest.mark.skipif(not STORESCU, reason="dcmtk is not installed")


class Orthanc:
    def __init__(self, folder: Path, **more: object) -> None:
        folder.mkdir()
        self.dicom, self.http = free_port(), free_port()
        settings = {
            "Name": "archive",
            "StorageDirectory": str(folder),
            "IndexDirectory": str(folder),
            "Plugins": [str(PLUGIN)],
            "DicomAet": "ORTHANC",
            "DicomPort": self.dicom,
            "HttpPort": self.http,
            "DicomAlwaysAllowStore": True,
            "AuthenticationEnabled": False,
            "DicomWeb": {"Enable": True},
            **more,
        }
        self.file = folder / "orthanc.json"
        self.file.write_text(json.dumps(settings))
        self.start()

    def start(self) -> None:
        nothing = subprocess.DEVNULL
        self.process = subprocess.Popen([ORTHANC, str(self.file)], stdout=nothing, stderr=nothing)
        wait_for(lambda: self._get("/system"))

    def _get(self, path: str) -> bytes:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}") as answer:
            return answer.read()
        return b""

    def found(self, study: str) -> list[pydicom.Dataset]:
        """The objects of a study by QIDO-RS, but for images of CT."""
        text = self._get(f"/dicom-web/studies/{study}/instances?includefield=Modality")
        found = [pydicom.Dataset.from_json(one) for one in json.loads(text or b"[]")]
        return [one for one in found if one.Modality != "CT"]

    def read(self, found: pydicom.Dataset) -> DicomBytesIO:
        (name,) = json.loads(self._post("/tools/lookup", found.SOPInstanceUID))
        return DicomBytesIO(self._get(f"{name['Path']}/file"))

    def _post(self, path: str, text: str) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", text.encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def storescu(port: int, *folders: Path, check: bool = True, called: str = "ICHMONAI") -> subprocess.CompletedProcess:
    command = [STORESCU, "-v", "-R", "-aet", "SCANNER", "-aec", called, "+sd", "+r", "127.0.0.1", str(port)]
    done = subprocess.run([*command, *map(str, folders)], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def node_process(config: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-P", "-m", "ichmonai", "node", "--config", str(config), *options]
    return subprocess.Popen(command, env=safe_environment(), stderr=subprocess.PIPE, text=True)
