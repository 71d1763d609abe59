"""Results as signed JSON, by the Standard Webhooks scheme: an id that stays, a time, and a MAC over both and the body.

A receiver checks the MAC, refuses what is older than its tolerance, and takes an id that it has seen for done: a
repeat after a lost answer has no second effect, and a recorded request cannot be played again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import httpx

from plumbline.errors import InvalidInput, Misconfigured, Unavailable
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.ports import ReportObject

TOLERANCE_S = 300.0
"""Age from which a receiver should refuse a request."""

EVENT_TYPE = "exam.result"
SHORTEST_SECRET_BYTES = 24
_NAMESPACE = uuid.UUID("3f0b1a52-6d0e-5c0c-8a3b-70b1a7d86c11")
_TRY_LATER = frozenset({408, 425, 429})


def signing_secret(path: Path) -> bytes:
    """Secret of a webhook from its file; raise ``Misconfigured`` where it cannot be read or is too short."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise Misconfigured("the secret cannot be read", where=str(path), remedy=str(error.strerror)) from error
    if len(secret) < SHORTEST_SECRET_BYTES:
        raise Misconfigured(f"the secret has fewer than {SHORTEST_SECRET_BYTES} bytes", where=str(path))
    return secret


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Value of ``webhook-signature``: version 1, base64 of HMAC-SHA256 over id, time and body."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}"


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Check a received webhook and return its id, for receivers that are written in Python.

    Raises
    ------
    InvalidInput
        When the signature is not that of this id, time and body, or the time is too far from now.
    """
    try:
        message_id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        given = headers["webhook-signature"].split()
    except (KeyError, ValueError) as error:
        raise InvalidInput("the webhook is not signed") from error
    if abs(now.timestamp() - timestamp) > TOLERANCE_S:
        raise InvalidInput("the webhook is too old or from the future")
    expected = signature(secret, message_id, timestamp, body)
    if not any(hmac.compare_digest(expected, each) for each in given):
        raise InvalidInput("the signature of the webhook is wrong")
    return message_id


class WebhookSender:
    """``Destination`` that posts each result to one address."""

    def __init__(self, url: str, secret: bytes, now: Callable[[], datetime], *, timeout_s: float = 30.0) -> None:
        self._url = url
        self._secret = secret
        self._now = now
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False)

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``."""
        message_id = str(uuid.uuid5(_NAMESPACE, f"{delivery.destination} {delivery.key}"))
        body = json.dumps({"type": EVENT_TYPE, "id": message_id, "data": delivery.notice}, ensure_ascii=False).encode()
        timestamp = int(self._now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secret, message_id, timestamp, body),
        }
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable("the receiver of the webhook does not answer") from error
        if answer.is_success:
            return
        if answer.status_code in _TRY_LATER or answer.is_server_error or answer.is_redirect:
            raise Unavailable(f"the receiver of the webhook answers {answer.status_code}")
        raise InvalidInput(f"the receiver of the webhook refuses with {answer.status_code}")
