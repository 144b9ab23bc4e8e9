"""Receives images over the network."""

import ssl
from typing import Any

from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

from ichmonai.dicom_node.commitment import PUSH_MODEL, take_report
from ichmonai.dicom_node.config import NodeConfig, Tls
from ichmonai.dicom_node.inbox import NOT_UNDERSTOOD, Inbox

NOT_AUTHORISED = 0x0124
VERIFICATION = UID("1.2.840.10008.1.1")
STORED = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)


class Receiver:
    """A C-STORE and C-ECHO SCP that takes CT images as they are sent, compressed or not.

    Args:
        config: of the node.
        inbox: keeps what comes.
    """

    def __init__(self, config: NodeConfig, inbox: Inbox) -> None:
        self.config, self.inbox = config, inbox
        self.entity = AE(config.ae_title)
        self.entity.require_called_aet = True
        committing = [one.ae_title for one in config.destinations if one.storage_commitment]
        self.entity.require_calling_aet = [*config.senders, *committing] if config.senders else []
        self.entity.add_supported_context(VERIFICATION)
        for one in STORED:
            self.entity.add_supported_context(one, ALL_TRANSFER_SYNTAXES)
        if committing:
            self.entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
        self._server: Any = None

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises:
            OSError: the port is not free.
        """
        context = None if self.config.tls is None else tls_context(self.config.tls, server=True)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._take),
            (evt.EVT_N_EVENT_REPORT, take_report, [self.inbox.store]),
        ]
        address = (self.config.host, self.config.port)
        self._server = self.entity.start_server(address, block=False, evt_handlers=handlers, ssl_context=context)

    def close(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.shutdown()

    def _take(self, event: Any) -> int:
        try:
            content = event.encoded_dataset(include_meta=True)
        except Exception:  # pynetdicom raises errors of many kinds
            return NOT_UNDERSTOOD
        peer = str(event.assoc.requestor.ae_title).strip()
        if self.config.senders and peer not in self.config.senders:  # an archive, which may only say what it keeps
            return NOT_AUTHORISED
        return self.inbox.keep(content, str(event.request.AffectedSOPInstanceUID), peer)


def tls_context(tls: Tls, server: bool) -> ssl.SSLContext:
    """TLS 1.2 or later; both sides show a certificate of the authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    context.load_verify_locations(tls.authorities)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
