"""DICOM TLS: contexts by BCP 195 (PS3.15 B.12, RFC 9325), and connections that return from a read soon.

TLS 1.2 with forward secrecy and authenticated encryption only, and TLS 1.3; nothing older, no renegotiation,
no compression. The handshake belongs to the association's own thread, and has a time limit.
"""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any, cast

from plumbline.adapters.dimse.store_loop import RECEIVE_SLICE_S
from plumbline.errors import Misconfigured
from plumbline.settings import TlsSettings

CIPHERS_OF_TLS_1_2 = ":".join(
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    )
)
"""Recommended by RFC 9325 4.2; the suites of TLS 1.3 are all of this kind."""
SEND_TIMEOUT_S = 30.0


class TlsConnection(ssl.SSLSocket):
    """A TLS connection whose reads return after a short while, and whose writes are patient.

    It behaves like a plain socket with SO_RCVTIMEO: a read for which nothing came raises ``BlockingIOError``.
    """

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read at most so many bytes."""
        try:
            return super().recv(buflen, flags)
        except TimeoutError as error:
            raise BlockingIOError from error

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Read into a buffer."""
        try:
            return super().recv_into(buffer, nbytes, flags)
        except TimeoutError as error:
            raise BlockingIOError from error

    def send(self, data: Any, flags: int = 0) -> int:
        """Write; raises ``TimeoutError`` where the peer takes nothing for long."""
        give_up_at = time.monotonic() + SEND_TIMEOUT_S
        while True:
            try:
                return super().send(data, flags)
            except TimeoutError:
                if time.monotonic() > give_up_at:
                    raise


def server_context(tls: TlsSettings) -> ssl.SSLContext:
    """Context of the listener. Raises ``Misconfigured`` where a file is missing or not what it should be."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _secure(context, tls)
    if tls.authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    context.sslsocket_class = TlsConnection
    return context


def client_context(tls: TlsSettings) -> ssl.SSLContext:
    """Context for our own calls, by the same rules; certificates of modalities rarely name their host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if tls.authorities is None:
        context.load_default_certs()
    _secure(context, tls)
    return context


def _secure(context: ssl.SSLContext, tls: TlsSettings) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS_OF_TLS_1_2)
    for path, key in ((tls.certificate, "certificate"), (tls.key, "key"), (tls.authorities, "authorities")):
        _tell_unreadable(path, f"listener.tls.{key}")
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.authorities is not None:
            context.load_verify_locations(tls.authorities)
    except (ssl.SSLError, OSError) as error:
        raise Misconfigured(f"the certificates cannot be used ({error})", where="listener.tls") from error


def _tell_unreadable(path: Path | None, where: str) -> None:
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read ({error.strerror})", where=where) from error


def shake_hands(connection: socket.socket, context: ssl.SSLContext, limit_s: float) -> TlsConnection:
    """Make a TLS connection of one that was accepted.

    Raises
    ------
    OSError
        What the peer sent was not TLS, not good enough, or not there in time; the connection is closed.
    """
    connection.settimeout(limit_s)
    secured = cast(TlsConnection, context.wrap_socket(connection, server_side=True))
    secured.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    secured.settimeout(RECEIVE_SLICE_S)
    return secured
