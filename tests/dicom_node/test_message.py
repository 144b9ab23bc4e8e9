"""Other systems are told of answers: by a webhook, and by HL7, again until they take it."""

import datetime
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import hl7
import pytest
from pydicom.dataset import Dataset

from ichmonai.dicom_node.config import Message, NodeConfig, read_config, sentence_of
from ichmonai.dicom_node.hl7 import deliver, observation_report
from ichmonai.dicom_node.message import listens
from ichmonai.errors import InputError
from tests.dicom_node.conftest import free_port, running, send, wait_for
from tests.dicom_node.test_config import GOOD
from tests.dicom_node.test_node import settled
from tests.dicom_results.test_writer import write_study
from tests.io.dicom_factory import uid_of

MADE = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)


class Listener:
    """Keeps what comes; refuses the first so many."""

    def __init__(self, server: type[socketserver.BaseServer], handler: type, refuses: int) -> None:
        self.port, self.taken, self.refuses = free_port(), [], refuses
        self.server = server(("127.0.0.1", self.port), type("Handler", (handler,), {"listener": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, one: object) -> bool:
        self.taken.append(one)
        self.refuses -= 1
        return self.refuses < 0

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Hook(BaseHTTPRequestHandler):
    listener: Listener

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204 if self.listener.take((dict(self.headers), content)) else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Mllp(socketserver.StreamRequestHandler):
    listener: Listener

    def handle(self) -> None:
        content = b""
        while not content.endswith(b"\x1c\r") and (part := self.rfile.read1(64)):
            content += part
        if not content:
            return
        assert content[:1] == b"\x0b"
        message = hl7.parse(content[1:-2].decode())
        code = "AA" if self.listener.take(message) else "AE"
        self.wfile.write(b"\x0b" + str(message.create_ack(code)).encode() + b"\r\x1c\r")


@pytest.fixture
def hook() -> Iterator[Listener]:
    one = Listener(HTTPServer, Hook, refuses=1)
    yield one
    one.close()


@pytest.fixture
def receiver() -> Iterator[Listener]:
    one = Listener(socketserver.ThreadingTCPServer, Mllp, refuses=1)
    yield one
    one.close()


def report(**attributes: str) -> Dataset:
    made = Dataset()
    for keyword, value in {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", **attributes}.items():
        setattr(made, keyword, value)
    return made


def test_a_webhook_is_told_without_identity_until_it_answers(config, archive, hook, small_bundle, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret of both\n")
    told = Message("worklist", f"http://127.0.0.1:{hook.port}/ich", token, always=True)
    write_study(tmp_path / "scans", "one", PatientID="Whoever", PatientName="Some^One", AccessionNumber="A77")
    with running(replace(config, messages=(told,)), small_bundle) as node:
        send(config, tmp_path / "scans")
        (one,) = wait_for(lambda: archive.of(uid_of("one")))
        wait_for(lambda: len(hook.taken) == 2)  # refused first
        settled(node)
        events = [(event, peer) for _, event, peer, _, _ in node.store.audit()]
    assert events.count(("sent", "worklist")) == 1
    (first, _), (headers, content) = hook.taken
    assert headers["Authorization"] == "Bearer secret of both"
    assert headers["Idempotency-Key"] == first["Idempotency-Key"] == one.SOPInstanceUID
    assert content["study_instance_uid"] == uid_of("one")
    assert content["report_sop_instance_uid"] == one.SOPInstanceUID
    assert content["outcome"] in ("positive", "negative")
    assert 0 <= float(content["p_ich"]) <= 1
    assert "not for clinical use" in content["impression"]
    for who in ("Whoever", "Some", "A77"):
        assert who not in json.dumps(content)


def test_hl7_is_sent_until_it_is_acknowledged(config, archive, receiver, small_bundle, tmp_path):
    told = Message("ris", host="127.0.0.1", port=receiver.port, application="RIS", facility="Hospital", always=True)
    whose = {"PatientID": "P|7", "PatientName": "Müller^Ana^B^Dr^III", "PatientSex": "F", "AccessionNumber": "A77"}
    write_study(tmp_path / "scans", "one", SpecificCharacterSet="ISO_IR 192", **whose)
    with running(replace(config, messages=(told,)), small_bundle) as node:
        send(config, tmp_path / "scans")
        (one,) = wait_for(lambda: archive.of(uid_of("one")))
        wait_for(lambda: len(receiver.taken) == 2)
        settled(node)
    first, message = receiver.taken
    assert str(first["MSH.F10"]) == str(message["MSH.F10"])  # who got it knows it again
    head = [str(field) for field in message.segment("MSH")]
    assert [head[n] for n in (3, 5, 6, 9, 11)] == ["ICHMONAI", "RIS", "Hospital", "ORU^R01^ORU_R01", "P"]
    assert message["PID.F3"] == "P|7"
    assert str(message.segment("PID")[5]) == "Müller^Ana^B^III^Dr"
    assert str(message["PID.F8"]) == "F"
    assert str(message["OBR.F3"]) == "A77"
    said = {str(one[3][0][0]): str(one[5]) for one in message.segments("OBX")}
    assert said["study"] == uid_of("one")
    assert said["report"] == one.SOPInstanceUID
    assert said["outcome"] in ("positive", "negative")
    assert {str(one[11]) for one in (*message.segments("OBX"),)} == {"P"}
    assert str(message["OBR.F25"]) == "P"


def test_only_positives_are_told_unless_all_are_asked_for(config, hook, small_bundle, tmp_path):
    told = Message("worklist", f"http://127.0.0.1:{hook.port}")
    for seed, name in enumerate(("one", "two", "three")):
        write_study(tmp_path / name, name, seed)
    with running(replace(config, messages=(told,)), small_bundle) as node:
        for name in ("one", "two", "three"):
            send(config, tmp_path / name)
        settled(node)
        outcomes = node.store.counts("answered")
    assert len({content["study_instance_uid"] for _, content in hook.taken}) == outcomes.get("positive", 0)
    assert {content["outcome"] for _, content in hook.taken} <= {"positive"}


def test_what_a_message_was_made_of_is_not_given_away(config, hook, archive, small_bundle, tmp_path):
    """A new report replaces what an archive has, and none has this one."""
    archive.close()
    told = Message("worklist", f"http://127.0.0.1:{hook.port}", always=True)
    write_study(tmp_path / "scans", "one")
    with running(replace(config, messages=(told,)), small_bundle) as node:
        send(config, tmp_path / "scans")
        wait_for(lambda: node.store.counts("sent").get("worklist"))
        assert node.store.reports(uid_of("one")) == {}


def test_what_would_be_part_of_the_message_is_escaped():
    text = observation_report(
        report(PatientID="a|b^c&d~e\\f", PatientName="One^Two=漢字", StudyDate="20260504", StudyTime="030201.5"),
        {"outcome": "positive", "impression": "first\nsecond\r|\\third", "location": ""},
        "A&B",
        ("", ""),
        MADE,
    )
    message = hl7.parse(text)
    assert message.unescape(str(message.segment("PID")[3])) == "a|b^c&d~e"  # a backslash ends a value
    assert str(message.segment("PID")[5]) == "One^Two"
    assert str(message["OBR.F7"]) == "20260504030201"
    assert str(message["OBR.F22"]) == str(message["MSH.F7"]) == "20260504030201+0000"
    assert [str(one[0]) for one in message] == ["MSH", "PID", "OBR", *["OBX"] * 4]
    assert str(message.segments("OBX")[1][5]) == "first\\.br\\second\\F\\\\E\\third"
    assert text.splitlines()[0].split("|")[17] == "UNICODE UTF-8"


@pytest.mark.parametrize("answer", [b"", b"\x0bMSH|^~\\&|\rMSA|AR|ID\r\x1c\r", b"\x0bMSH|^~\\&|\rMSA|AA|other\r\x1c\r"])
def test_no_or_another_acknowledgement_is_none(answer):
    class Odd(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read1(65536)
            self.wfile.write(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        message = observation_report(report(), {}, "A", ("", ""), MADE)
        assert not deliver("127.0.0.1", server.server_address[1], message, 10)
        server.shutdown()
    with pytest.raises(ConnectionRefusedError):
        deliver("127.0.0.1", server.server_address[1], message, 10)


def test_whether_somebody_listens(hook):
    assert listens(Message("one", f"http://127.0.0.1:{hook.port}/path"))
    assert listens(Message("one", host="127.0.0.1", port=hook.port))
    assert not listens(Message("one", host="127.0.0.1", port=free_port()))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("[[message]]\nname = 'ris'", "needs a url, or host and port"),
        ("[[message]]\nname = 'ris'\nhost = 'ris'", "needs a url, or host and port"),
        ("[[message]]\nname = 'ris'\nurl = 'http://a'\nhost = 'ris'\nport = 2", "needs a url, or host and port"),
        ("[[message]]\nname = 'ris'\nurl = 'ftp://a'", "needs a url, or host and port"),
        ("[[message]]\nname = 'archive'\nurl = 'http://a'", "two destinations or messages of one name"),
        ("[[message]]\nname = 'ris'\nhost = 'ris'\nport = 70000", "port that does not exist"),
        ("[[message]]\nname = 'ris'\nurl = 'http://a'\ntoken = 'none'", "no file .*none"),
        ("[message]\nname = 'ris'\nurl = 'http://a'", r"write \[\[message\]\]"),
        ("[[message]]\nurl = 'http://a'", "lacks name"),
    ],
)
def test_what_is_wrong_with_a_message_is_one_sentence(part, said, tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(f"{GOOD}\n{part}\n")
    with pytest.raises(InputError, match=said):
        read_config(path)


def test_a_message_of_a_file(tmp_path):
    (tmp_path / "hook.token").write_text("x")
    path = tmp_path / "node.toml"
    path.write_text(f"{GOOD}\n[[message]]\nname = 'hook'\nurl = 'https://a.example/b'\ntoken = 'hook.token'\n")
    read: NodeConfig = read_config(path)
    assert read.messages == (Message("hook", "https://a.example/b", tmp_path / "hook.token"),)
    assert "hook is told" in sentence_of(read)
