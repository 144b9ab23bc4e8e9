"""An answer as a message of HL7 version 2: ORU^R01, sent by MLLP."""

import datetime
import hashlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_START, _END = b"\x0b", b"\x1c\r"
_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\n": "\\.br\\", "\r": None}
)
_LONGEST_ANSWER = 65536
_CODING = "99ICHMONAI"
"""Of the codes of observations: a local table, as HL7 names those."""
_OBSERVATIONS = {
    "outcome": ("ST", "Intracranial haemorrhage", ""),
    "p_ich": ("NM", "Probability of intracranial haemorrhage", "1"),
    "location": ("ST", "Location", ""),
    "kinds": ("ST", "Kinds of haemorrhage", ""),
    "volume_ml": ("NM", "Volume of blood", "mL"),
    "impression": ("TX", "Impression, a draft", ""),
}


def observation_report(
    report: Dataset, answer: Mapping[str, Any], sender: str, receiver: tuple[str, str], made: datetime.datetime
) -> str:
    """Write an answer as ORU^R01 of HL7 2.5.1, in UTF-8; preliminary, as the report is.

    Args:
        report: the structured report of the answer, which says whose it is.
        answer: what it says: `outcome`, `p_ich`, `location`, `kinds`, `volume_ml`, `impression`; what is empty is left
            out.
        sender: name of the sending application.
        receiver: names of the receiving application and facility.
        made: when the answer was.

    Returns:
        The segments, each ended by a carriage return. The same report has the same message control ID.
    """
    control = hashlib.sha256(str(report.SOPInstanceUID).encode()).hexdigest()[:20]
    when = made.strftime("%Y%m%d%H%M%S%z")
    examined = _said(report, "StudyDate") + _said(report, "StudyTime").partition(".")[0]
    service = f"ICH^Intracranial haemorrhage on head CT^{_CODING}"
    names = [_text(sender), "", *map(_text, receiver)]
    segments = [
        ["MSH", "^~\\&", *names, when, "", "ORU^R01^ORU_R01", control, "P", "2.5.1", *[""] * 5, "UNICODE UTF-8"],
        ["PID", "1", "", _identifier(report), "", _name(report), "", *_all(report, "PatientBirthDate", "PatientSex")],
        ["OBR", "1", "", *_all(report, "AccessionNumber"), service, "", "", examined, *[""] * 14, when, "", "CT", "P"],
    ]
    values = {**answer, "study": report.StudyInstanceUID, "report": report.SOPInstanceUID}
    segments += [
        ["OBX", str(number), *one, "", "", "", "", "P", "", "", when]
        for number, one in enumerate(_observations(values), start=1)
    ]
    return "".join("|".join(one).rstrip("|") + "\r" for one in segments)


def deliver(host: str, port: int, message: str, timeout: float = 30) -> bool:
    """Send a message by MLLP, and wait for its acknowledgement.

    Args:
        host: of the receiver.
        port: the same.
        message: its segments.
        timeout: seconds.

    Returns:
        whether it was accepted (AA or CA of MSA-1) under its message control ID.

    Raises:
        OSError: nobody answers.
    """
    with socket.create_connection((host, port), timeout) as connection:
        connection.sendall(_START + message.encode() + _END)
        answer = b""
        while _END[:1] not in answer and len(answer) < _LONGEST_ANSWER:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    control = message.partition("\r")[0].split("|")[9]
    segments = answer.strip(_START + _END).decode("utf-8", "replace").split("\r")
    return any(one.split("|")[:3] in (["MSA", "AA", control], ["MSA", "CA", control]) for one in segments)


def _observations(values: Mapping[str, Any]) -> Iterator[list[str]]:
    known = _OBSERVATIONS | {
        "study": ("ST", "Study Instance UID", ""),
        "report": ("ST", "SOP Instance UID of the structured report", ""),
    }
    for name, (kind, meaning, unit) in known.items():
        if value := str(values.get(name, "")):
            yield [kind, f"{name}^{meaning}^{_CODING}", "", _text(value), unit]


def _identifier(report: Dataset) -> str:
    issuer = _said(report, "IssuerOfPatientID")
    return _said(report, "PatientID") + (f"^^^{issuer}" if issuer else "")


def _name(report: Dataset) -> str:
    """Family, given and middle name, suffix and prefix; DICOM has the last two the other way round."""
    parts = str(report.get("PatientName") or "").partition("=")[0].split("^")
    parts = [_text(one) for one in [*parts, *[""] * (5 - len(parts))][:5]]
    return "^".join([*parts[:3], parts[4], parts[3]]).rstrip("^")


def _all(report: Dataset, *keywords: str) -> list[str]:
    return [_said(report, keyword) for keyword in keywords]


def _said(report: Dataset, keyword: str) -> str:
    value = report.get(keyword) or ""
    return _text(str(value[0] if isinstance(value, MultiValue) else value))


def _text(value: str) -> str:
    return value.translate(_ESCAPES)
