"""The command: what is wrong is one sentence, what is there is counted; and TLS."""

import datetime
import shutil
import ssl
import subprocess
from dataclasses import replace

import pytest
from pydicom.uid import ComprehensiveSRStorage, KeyObjectSelectionDocumentStorage
from pynetdicom import AE
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.dicom_node.commitment import PUSH_MODEL
from ichmonai.dicom_node.config import Tls
from ichmonai.dicom_node.receive import VERIFICATION, tls_context
from ichmonai.dicom_node.send import answers_echo
from ichmonai.dicom_node.store import NodeStore
from tests.dicom_node.conftest import free_port, running


@pytest.fixture
def file(tmp_path, archive):
    path = tmp_path / "node.toml"
    path.write_text(
        f'[node]\nfolder = "node"\nport = {free_port()}\nsenders = ["CT1"]\n'
        f'[[destination]]\nname = "archive"\nae_title = "ARCHIVE"\nhost = "127.0.0.1"\nport = {archive.port}\n'
    )
    return path


def test_check_says_who_may_send_and_who_does_not_answer(file, archive):
    good = CliRunner().invoke(app, ["node", "--config", str(file), "--check"])
    assert good.exit_code == 0
    assert "CT1 may send, and every destination answers" in good.output
    file.write_text(file.read_text().replace("port", "metrics_port = 9104\nport", 1))
    assert "Prometheus may ask 127.0.0.1:9104" in CliRunner().invoke(
        app, ["node", "--config", str(file), "--check"]
    ).output.replace("\n", " ")
    text = file.read_text()
    file.write_text(f'{text}[poll]\nurl = "http://127.0.0.1:{free_port()}"\n')
    silent = CliRunner().invoke(app, ["node", "--config", str(file), "--check"])
    assert "which [poll] asks, does not answer" in " ".join(silent.output.split())
    file.write_text(text)
    archive.close()
    bad = CliRunner().invoke(app, ["node", "--config", str(file), "--check"])
    assert bad.exit_code == 2
    assert "archive does not answer" in bad.output
    file.write_text(file.read_text().replace("senders", "sender"))
    assert "has sender, which is not known" in CliRunner().invoke(app, ["node", "--config", str(file)]).output


def test_check_says_what_a_destination_is_asked_and_what_it_does_not_take(file, archive):
    def check():
        done = CliRunner().invoke(app, ["node", "--config", str(file), "--check"])
        return done.exit_code, " ".join(done.output.split())

    text = file.read_text()
    file.write_text(text + "storage_commitment = true\nreject_superseded = true\n")
    code, said = check()
    assert code == 2
    assert f"archive does not take reject_superseded, storage_commitment, which {file} says of it" in said
    archive.entity.add_supported_context(PUSH_MODEL)
    archive.entity.add_supported_context(KeyObjectSelectionDocumentStorage)
    archive.server.contexts = archive.entity.supported_contexts
    code, said = check()
    assert code == 0, said
    assert "archive is to say what it keeps, archive gets notes that reject what is replaced, and every" in said


def test_status_counts(file):
    absent = CliRunner().invoke(app, ["node", "status", "--config", str(file)])
    assert absent.exit_code == 2
    assert "start the node first" in absent.output
    (file.parent / "node").mkdir()
    store = NodeStore(file.parent / "node" / "node.sqlite")
    store.receive("one", "image", "00", "CT1")
    store.close()
    said = CliRunner().invoke(app, ["node", "status", "--config", str(file)]).output
    assert "images 1" in said
    assert "studies_without_answer 1" in said


def test_the_audit_trail_names_uids_and_who_sent_them(file):
    (file.parent / "node").mkdir()
    store = NodeStore(file.parent / "node" / "node.sqlite")
    store.receive("1.2", "1.2.3", "00", "CT1")
    store.answer("1.2", 1, [("archive", "1.2.4", "1.2.5", "report.dcm")], False)
    assert "archive: 1 waiting" in CliRunner().invoke(app, ["node", "status", "--config", str(file)]).output
    store.sent(store.due("archive")[0], "archive")
    store.close()
    head, *rows = CliRunner().invoke(app, ["node", "audit", "--config", str(file)]).output.splitlines()
    assert head.split("\t") == ["at", "event", "peer", "study", "object"]
    assert [row.split("\t")[1:] for row in rows] == [
        ["received", "CT1", "1.2", "1.2.3"],
        ["answered", "", "1.2", ""],
        ["sent", "archive", "1.2", "1.2.4"],
    ]
    when = [datetime.datetime.fromisoformat(row.split("\t")[0]) for row in rows]
    assert when == sorted(when)
    assert abs(datetime.datetime.now(datetime.UTC) - when[0]) < datetime.timedelta(minutes=5)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_tls_both_ways(config, small_bundle, tmp_path):
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    named = ["-days", "1", "-subj", "/CN=node", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *named], cwd=tmp_path, check=True, capture_output=True)
    tls = Tls(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "cert.pem")
    secure = replace(config.destinations[0], port=free_port(), tls=True)
    config = replace(config, tls=tls, destinations=(secure,))
    archive = AE("ARCHIVE")
    archive.add_supported_context(VERIFICATION)
    archive.add_supported_context(ComprehensiveSRStorage)
    server = archive.start_server(("127.0.0.1", secure.port), block=False, ssl_context=tls_context(tls, server=True))
    assert answers_echo(config, secure)
    assert not answers_echo(config, replace(secure, tls=False))
    server.shutdown()
    entity = AE("SCANNER")
    entity.add_requested_context(VERIFICATION)
    with running(config, small_bundle):
        shown = (tls_context(tls, server=False), "127.0.0.1")
        hidden = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))  # shows no certificate
        for given, established in ((shown, True), (None, False), ((hidden, "127.0.0.1"), False)):
            association = entity.associate("127.0.0.1", config.port, ae_title=config.ae_title, tls_args=given)
            assert association.is_established is established
            if established:
                association.release()
