"""The UPS Event SOP Class as SCP: event reports to subscribers, on associations of our own (PS3.4 CC.2.4).

Events wait in the store in the order in which they happened. One leaves it when its subscriber has confirmed
it, so one that is away misses nothing and may hear the last one twice. Of several processes on one store, one at a time
tells a subscriber.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pynetdicom import AE, build_role

from plumbline.adapters.dimse.dicom_json import from_json
from plumbline.adapters.dimse.tls import client_context
from plumbline.adapters.dimse.ups_scp import EVENT, PUSH
from plumbline.errors import Conflict, Misconfigured, Unavailable
from plumbline.settings import ListenerSettings, Peer
from plumbline.worklist.subscriptions import PendingEvent, Subscriptions

SUCCESS = 0x0000
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 15.0
EVENTS_ON_ONE_ASSOCIATION = 200
TURN = timedelta(seconds=60)
"""How long a process is the one who tells, unless it goes on; no answer is waited for half as long."""


class NotOurTurn(Conflict):
    """Another process tells this application its events."""


class EventSender:
    """Tells one application its events, where the settings say that it listens.

    Parameters
    ----------
    now
        The time of day, timezone-aware.
    """

    def __init__(
        self, settings: ListenerSettings, peer: Peer, subscriptions: Subscriptions, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._peer = peer
        self._subscriptions = subscriptions
        self._now = now
        self._holder = uuid.uuid4().hex
        self._turn_ends_at: datetime | None = None

    @property
    def receiving_ae(self) -> str:
        """AE Title of the application."""
        return self._peer.ae_title.strip()

    def tell_waiting(self) -> int:
        """Tell the events that wait, the oldest first, as many as one association takes; return how many.

        Raises
        ------
        Unavailable
            It does not accept an association for events, or did not confirm one; this and all later ones wait.
        NotOurTurn
            Another process tells them.
        """
        waiting = self._subscriptions.pending(self.receiving_ae, limit=1)
        if not waiting:
            return 0
        self._go_on()
        waiting = self._subscriptions.pending(self.receiving_ae, limit=EVENTS_ON_ONE_ASSOCIATION)
        if waiting:
            self._tell(waiting)
        return len(waiting)

    def give_up_turn(self) -> None:
        """Let another process tell from now on."""
        if self._turn_ends_at is not None:
            self._subscriptions.take_turn(self.receiving_ae, self._holder, self._now())
            self._turn_ends_at = None

    def _go_on(self) -> None:
        """Be the one who tells for some time to come; raise ``NotOurTurn`` where another process is."""
        now = self._now()
        if self._turn_ends_at is not None and self._turn_ends_at - now > TURN / 2:
            return
        self._turn_ends_at = None
        if not self._subscriptions.take_turn(self.receiving_ae, self._holder, now + TURN):
            raise NotOurTurn("another process tells this subscriber", where=self.receiving_ae)
        self._turn_ends_at = now + TURN

    def _tell(self, waiting: Sequence[PendingEvent]) -> None:
        association = self._associate()
        told: list[PendingEvent] = []
        try:
            for event in waiting:
                self._go_on()
                _report(association, event)
                told.append(event)
        finally:
            if told:
                self._subscriptions.forget(told)
            if association.is_established:
                association.release()

    def _associate(self) -> Any:
        peer = self._peer
        assert peer.port is not None
        ae = AE(self._settings.ae_title)
        ae.connection_timeout = CONNECT_TIMEOUT_S
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ANSWER_TIMEOUT_S
        ae.add_requested_context(EVENT)
        host = peer.host or peer.addresses[0]
        options: dict[str, Any] = {}
        if peer.uses_tls:
            if self._settings.tls is None:
                raise Misconfigured("a peer uses TLS, but there are no certificates", where="listener.tls")
            options["tls_args"] = (client_context(self._settings.tls), host)
        roles = [build_role(EVENT, scp_role=True)]
        association = ae.associate(host, peer.port, ae_title=peer.ae_title, ext_neg=roles, **options)
        if not association.is_established:
            raise Unavailable("the subscriber does not accept an association for events", where=self.receiving_ae)
        return association


def _report(association: Any, event: PendingEvent) -> None:
    """Send one event; raise ``Unavailable`` where it was not confirmed."""
    report = event.report
    information = from_json(report.information)
    try:
        status, _ = association.send_n_event_report(information, int(report.event_type), PUSH, report.workitem_uid)
    except (RuntimeError, ValueError) as error:
        raise Unavailable("the subscriber does not take event reports") from error
    if status.get("Status") != SUCCESS:
        raise Unavailable("the subscriber did not confirm an event")


def told_by_association(settings: ListenerSettings) -> tuple[Peer, ...]:
    """Peers of whom it is known where they listen: events can be sent to these."""
    return tuple(peer for peer in settings.peers if peer.port is not None and (peer.host or len(peer.addresses) == 1))
