"""Storage commitment (PS3.4 J): an archive says of objects that it will keep them."""

from collections.abc import Sequence
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ichmonai.dicom_node.outbox import Item
from ichmonai.dicom_node.store import NodeStore

PUSH_MODEL = UID("1.2.840.10008.1.20.1")
_INSTANCE = UID("1.2.840.10008.1.20.1.1")
_REQUEST = 1
SUCCESS, NO_SUCH_TRANSACTION = 0x0000, 0x0112


def request(association: Any, transaction: str, items: Sequence[Item]) -> bool:
    """Ask an archive to say of objects that it keeps them; it answers later, by `take_report`.

    Args:
        association: with the archive.
        transaction: UID of the request.
        items: what it has taken.

    Returns:
        whether it will answer.
    """
    asked = Dataset()
    asked.TransactionUID = transaction
    asked.ReferencedSOPSequence = [_reference(one) for one in items]
    try:
        status, _ = association.send_n_action(asked, _REQUEST, PUSH_MODEL, _INSTANCE)
    except ValueError:  # it does not speak of it
        return False
    return "Status" in status and status.Status == SUCCESS


def take_report(event: Any, store: NodeStore) -> tuple[int, None]:
    """Note what an archive says of a request (N-EVENT-REPORT), which may come by an association of its own.

    Args:
        event: of pynetdicom.
        store: the node's journal.

    Returns:
        Status for the archive; no such transaction where it was not this node's.
    """
    told = event.event_information
    kept = [str(one.ReferencedSOPInstanceUID) for one in told.get("ReferencedSOPSequence") or ()]
    failed = [str(one.ReferencedSOPInstanceUID) for one in told.get("FailedSOPSequence") or ()]
    known = store.commit(str(told.get("TransactionUID", "")), kept, failed)
    return (SUCCESS if known else NO_SUCH_TRANSACTION), None


def _reference(item: Item) -> Dataset:
    named = Dataset()
    named.ReferencedSOPClassUID = pydicom.dcmread(item.file, specific_tags=["SOPClassUID"]).SOPClassUID
    named.ReferencedSOPInstanceUID = item.sop
    return named
