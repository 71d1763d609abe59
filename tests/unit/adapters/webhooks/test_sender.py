"""Webhooks: what is signed, what a receiver refuses, what an answer means."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from plumbline.adapters.webhooks.sender import WebhookSender, signature, signing_secret, verify
from plumbline.errors import InvalidInput, Misconfigured, Unavailable
from tests.unit.pipeline.outbox_cases import delivery

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


class Receiver:
    """Keeps requests, answers with a status."""

    def __init__(self, status=204):
        self.status = status
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        if self.status == 0:
            raise httpx.ConnectError("away")
        return httpx.Response(self.status)


def sender(receiver, now=NOW):
    made = WebhookSender("http://receiver/hook", SECRET, lambda: now)
    made._client = httpx.Client(transport=httpx.MockTransport(receiver))
    return made


def test_a_receiver_can_tell_that_it_is_from_us_and_of_now():
    receiver = Receiver()
    sender(receiver).deliver(delivery(1), ())
    (request,) = receiver.requests
    message_id = verify(SECRET, request.headers, request.content, NOW)
    assert json.loads(request.content)["id"] == message_id
    assert json.loads(request.content)["data"]["priority"] == "URGENT"


def test_a_repeat_has_the_same_id_and_another_result_another():
    receiver = Receiver()
    sender(receiver).deliver(delivery(1), ())
    sender(receiver, NOW + timedelta(hours=1)).deliver(delivery(1, attempts=2), ())
    sender(receiver).deliver(delivery(2), ())
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert ids[0] == ids[1] != ids[2]


def test_a_changed_an_old_and_an_unsigned_request_are_refused():
    receiver = Receiver()
    sender(receiver).deliver(delivery(1), ())
    (request,) = receiver.requests
    headers = dict(request.headers)
    with pytest.raises(InvalidInput, match="wrong"):
        verify(SECRET, headers, request.content + b" ", NOW)
    with pytest.raises(InvalidInput, match="wrong"):
        verify(SECRET, {**headers, "webhook-id": "other"}, request.content, NOW)
    with pytest.raises(InvalidInput, match="old"):
        verify(SECRET, headers, request.content, NOW + timedelta(minutes=6))
    later = str(int((NOW + timedelta(minutes=6)).timestamp()))
    with pytest.raises(InvalidInput, match="wrong"):
        verify(SECRET, {**headers, "webhook-timestamp": later}, request.content, NOW + timedelta(minutes=6))
    with pytest.raises(InvalidInput, match="not signed"):
        verify(SECRET, {}, request.content, NOW)


def test_the_signature_is_that_of_the_scheme():
    """Example of the Standard Webhooks specification."""
    import base64

    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize("status", [0, 302, 408, 429, 500, 503])
def test_what_may_pass_is_tried_again(status):
    with pytest.raises(Unavailable):
        sender(Receiver(status)).deliver(delivery(1), ())


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413])
def test_a_refusal_is_final(status):
    with pytest.raises(InvalidInput, match=str(status)):
        sender(Receiver(status)).deliver(delivery(1), ())


def test_a_secret_that_is_short_or_missing_is_refused_at_start(tmp_path):
    (tmp_path / "short").write_bytes(b"secret\n")
    (tmp_path / "good").write_bytes(SECRET + b"\n")
    assert signing_secret(tmp_path / "good") == SECRET
    for name in ("short", "missing"):
        with pytest.raises(Misconfigured, match=name):
            signing_secret(tmp_path / name)
