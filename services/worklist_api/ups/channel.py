"""The event channel: a WebSocket on which an application is told the events of its workitems (PS3.18 8.10, 11.13).

Events wait in the store while nobody listens. A socket confirms nothing, and a connection whose other end has lost its
power takes what it is handed all the same: an event is dropped in the store once the connection has outlived it for so
long that a ping must have been answered since, or the application has taken its leave. So none is missed, those of
the last seconds are told again after a connection broke, and every channel of an application hears all, whichever
process of ours it is connected to.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from anyio import CancelScope, create_task_group, current_time, fail_after, sleep
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from plumbline.errors import InvalidInput, PlumblineError
from plumbline.worklist.dataset import element
from plumbline.worklist.subscriptions import PendingEvent, Subscriptions, check_ae_title
from services.worklist_api.context import context_of
from services.worklist_api.keepalive import NOTICED_WITHIN_S
from services.worklist_api.sockets import NO_STATUS, until_closed
from services.worklist_api.ups.found import FoundAnswers, found_answers

router = APIRouter(prefix="/dicom-web")

POLL_EVERY_S = 0.02
"""How often the store is asked whether anything changed; workers write events in other processes."""

KEPT_FOR_S = NOTICED_WITHIN_S + 2.0
"""How long an event is kept after it was told: a connection that lasts so long has been heard of since."""

DROP_EVERY_S = 1.0
"""How often told events are dropped in the store: each of them alone would be a transaction of its own."""

SEND_WITHIN_S = 10.0
"""A subscriber that takes longer to read is disconnected; its events keep waiting."""

EVENTS_AT_A_TIME = 200
UPS_EVENT_SOP_CLASS = "1.2.840.10008.5.1.4.34.6.4"
_LEAVES = frozenset({1000, 1001, NO_STATUS})
"""Status codes with which an application closes the channel itself (RFC 6455 7.4.1)."""
_POLICY_VIOLATION = 1008
_TRY_AGAIN_LATER = 1013


@router.websocket("/subscribers/{ae_title}", name="open_channel")
async def open_channel(websocket: WebSocket, ae_title: str) -> None:
    """Tell an application its events until it goes away."""
    await websocket.accept()
    try:
        check_ae_title(ae_title)
    except InvalidInput:
        await websocket.close(_POLICY_VIOLATION, "this is not an AE Title")
        return
    told = Told(context_of(websocket).subscriptions, ae_title)
    async with create_task_group() as group:
        group.start_soon(_until_it_leaves, websocket, told, group.cancel_scope)
        await _tell(websocket, told, found_answers(websocket))
        group.cancel_scope.cancel()
    with suppress(RuntimeError, WebSocketDisconnect):  # it has gone already
        await websocket.close(_TRY_AGAIN_LATER)


async def _until_it_leaves(websocket: WebSocket, told: Told, scope: CancelScope) -> None:
    """Wait for the subscriber to go, and how it does; then stop telling."""
    told.were_heard = await until_closed(websocket) in _LEAVES
    scope.cancel()


async def _tell(websocket: WebSocket, told: Told, found: FoundAnswers) -> None:
    """Hand over waiting events, the oldest first, until the subscriber or the store does not answer.

    Events are looked for when something changed in the store, which all channels together ask with one query.
    """
    looked_at = -1
    with suppress(WebSocketDisconnect, TimeoutError, PlumblineError):
        try:
            while True:
                await told.drop_old()
                number = await found.change_number()
                if number == looked_at:
                    await sleep(POLL_EVERY_S)
                    continue
                waiting = await told.others_waiting()
                for event in waiting:
                    with fail_after(SEND_WITHIN_S):
                        await websocket.send_json(event_dataset(event))
                    told.note(event)
                if not waiting:
                    looked_at = number
        finally:
            with CancelScope(shield=True):
                await told.close()


class Told:
    """Events that one channel has told its application and that still wait in the store."""

    def __init__(self, subscriptions: Subscriptions, ae_title: str) -> None:
        self._subscriptions = subscriptions
        self._ae_title = ae_title
        self._events: dict[int, tuple[PendingEvent, float]] = {}
        """Each with the moment it was told, in this order."""
        self._dropped_at = current_time()
        self.were_heard = False
        """Whether the application took its leave: it has heard them all."""

    def note(self, event: PendingEvent) -> None:
        """Note one that has been told."""
        self._events[event.event_id] = event, current_time()

    async def others_waiting(self) -> Sequence[PendingEvent]:
        """Events that wait and have not been told here."""
        told = frozenset(self._events)
        return await run_in_threadpool(
            self._subscriptions.pending, self._ae_title, limit=EVENTS_AT_A_TIME, without=told
        )

    async def drop_old(self) -> None:
        """Drop in the store what the connection has outlived, now and then."""
        if current_time() - self._dropped_at >= DROP_EVERY_S:
            await self._drop(KEPT_FOR_S)

    async def close(self) -> None:
        """Drop what has been heard for certain."""
        await self._drop(0.0 if self.were_heard else KEPT_FOR_S)

    async def _drop(self, told_before_s: float) -> None:
        self._dropped_at = current_time()
        until = self._dropped_at - told_before_s
        old = [event for event, told_at in self._events.values() if told_at <= until]
        if old:
            await run_in_threadpool(self._subscriptions.forget, old)
            for event in old:
                del self._events[event.event_id]


def event_dataset(event: PendingEvent) -> dict[str, Any]:
    """Event report as PS3.18 11.13 writes it: command elements and the information in one DICOM JSON dataset."""
    return {
        "00000002": element("UI", UPS_EVENT_SOP_CLASS),
        "00000110": element("US", event.event_id % 65536),
        "00001000": element("UI", event.report.workitem_uid),
        "00001002": element("US", int(event.report.event_type)),
        **{tag: event.report.information[tag] for tag in sorted(event.report.information)},
    }
