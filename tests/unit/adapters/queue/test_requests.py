"""A message that could not be acknowledged costs the worker its connection, not its readiness to take others."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from kombu.asynchronous import get_event_loop, set_event_loop
from kombu.message import Message

from plumbline.adapters.queue.celery_app import create_celery
from plumbline.adapters.queue.requests import AcknowledgedRequest, PlumblineTask


class Loop:
    """The worker's event loop, which keeps what is to be called later."""

    def __init__(self) -> None:
        self._later = []

    def call_later(self, _delay_s, function, *arguments) -> None:
        self._later.append((function, arguments))

    def go_on(self) -> int:
        """Do what was kept; returns how much that was."""
        for function, arguments in self._later:
            function(*arguments)
        return len(self._later)


@pytest.fixture
def loop():
    before, loop = get_event_loop(), Loop()
    set_event_loop(loop)
    yield loop
    set_event_loop(before)


def request(*, broker_answers: bool, is_closed: bool = False) -> AcknowledgedRequest:
    def take(*_args, **_options):
        if not broker_answers:
            raise TimeoutError("Timeout reading from socket")

    channel = SimpleNamespace(no_ack_consumers=None, basic_ack=take, closed=is_closed)
    made = object.__new__(AcknowledgedRequest)
    message = Message(delivery_tag="1", channel=channel)
    made._message, made._on_ack, made._connection_errors = message, message.ack_log_error, (OSError,)
    made.acknowledged = False
    return made


def test_an_acknowledgement_that_fails_makes_the_worker_connect_anew(loop, caplog):
    with caplog.at_level(logging.CRITICAL):
        request(broker_answers=False).acknowledge()
    with pytest.raises(ConnectionError, match="could not be acknowledged"):
        loop.go_on()


@pytest.mark.parametrize("terms", [{"broker_answers": True}, {"broker_answers": False, "is_closed": True}])
def test_nothing_is_done_where_it_came_through_or_the_connection_is_gone_already(loop, terms):
    request(**terms).acknowledge()
    assert loop.go_on() == 1, "it looked once, and raised nothing"


def test_the_tasks_of_the_workers_are_of_this_kind():
    app = create_celery("redis://127.0.0.1:6379/0", tick_s=1, reconcile_every_s=30)
    assert issubclass(app.Task, PlumblineTask)
