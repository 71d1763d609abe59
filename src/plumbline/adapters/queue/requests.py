"""A worker that cannot acknowledge a message connects anew, for it would take no other one any more.

Kombu counts a message as in hand until the broker has taken its acknowledgement, and has at most as many in hand as
it may prefetch. Celery 5.7 logs an acknowledgement that times out, as when Redis stands still for longer than
``socket_timeout``, and goes on with the same connection: the place is lost, and with the last one the worker stands.
"""

from __future__ import annotations

from celery import Task
from celery.worker.request import Request
from kombu.asynchronous import get_event_loop
from kombu.message import Message

LOOK_AFTER_S = 1.0
"""The worker's loop acknowledges in one of its next rounds; an attempt that fails holds up this look as well."""


class AcknowledgedRequest(Request):
    """A request whose worker connects anew where it cannot be acknowledged."""

    def acknowledge(self) -> None:
        """Have the broker told that the message was taken, and see that it was."""
        super().acknowledge()
        loop = get_event_loop()
        if loop is not None:
            loop.call_later(LOOK_AFTER_S, _see_to_it, self.message)


def _see_to_it(message: Message) -> None:
    """Raised in the worker's loop, this error has its consumer connect again; what is lost so is rung for again."""
    is_connected = message.channel is not None and not message.channel.closed
    if is_connected and not message.acknowledged:
        raise ConnectionError("a message could not be acknowledged")


class PlumblineTask(Task):
    """A task of Plumbline's workers."""

    Request = f"{AcknowledgedRequest.__module__}:{AcknowledgedRequest.__qualname__}"
