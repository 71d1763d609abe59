"""The event channel: a WebSocket on which an application is told the events of its workitems (PS3.18 8.10, 11.13).

Events wait in the store while nobody listens. They are dropped there soon after they were handed to the socket, many
at a time, so an application may hear one twice when the connection breaks or we do, and never misses one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from anyio import CancelScope, create_task_group, current_time, fail_after, sleep
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from plumbline.errors import InvalidInput, PlumblineError
from plumbline.worklist.dataset import element
from plumbline.worklist.subscriptions import PendingEvent, Subscriptions, check_ae_title
from services.worklist_api.context import context_of
from services.worklist_api.ups.found import FoundAnswers, found_answers

router = APIRouter(prefix="/dicom-web")

POLL_EVERY_S = 0.02
"""How often the store is asked whether anything changed; workers write events in other processes."""

DROP_WITHIN_S = 1.0
"""How soon told events are dropped in the store: each of them alone would be a transaction of its own."""

SEND_WITHIN_S = 10.0
"""A subscriber that takes longer to read is disconnected; its events keep waiting."""

EVENTS_AT_A_TIME = 100
UPS_EVENT_SOP_CLASS = "1.2.840.10008.5.1.4.34.6.4"
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
    async with create_task_group() as group:
        group.start_soon(_until_it_leaves, websocket, group.cancel_scope)
        await _tell(websocket, context_of(websocket).subscriptions, found_answers(websocket), ae_title)
        group.cancel_scope.cancel()
    with suppress(RuntimeError, WebSocketDisconnect):  # it has gone already
        await websocket.close(_TRY_AGAIN_LATER)


async def _until_it_leaves(websocket: WebSocket, scope: CancelScope) -> None:
    """Read and drop whatever the subscriber says, the channel is one-way; then stop telling."""
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()
    scope.cancel()


async def _tell(websocket: WebSocket, subscriptions: Subscriptions, found: FoundAnswers, ae_title: str) -> None:
    """Hand over waiting events, the oldest first, until the subscriber or the store does not answer.

    Events are looked for when something changed in the store, which all channels together ask with one query.
    """
    looked_at = -1
    told = Told(subscriptions)
    with suppress(WebSocketDisconnect, TimeoutError, PlumblineError):
        try:
            while True:
                await told.drop(after_s=DROP_WITHIN_S)
                number = await found.change_number()
                if number == looked_at:
                    await sleep(POLL_EVERY_S)
                    continue
                waiting = await told.others_waiting(ae_title)
                for event in waiting:
                    with fail_after(SEND_WITHIN_S):
                        await websocket.send_json(event_dataset(event))
                    told.note(event)
                if not waiting:
                    looked_at = number
        finally:
            with CancelScope(shield=True):
                await told.drop()


class Told:
    """Events that one application has been told and that still wait in the store."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._events: dict[int, PendingEvent] = {}
        self._first_at = 0.0

    def note(self, event: PendingEvent) -> None:
        """Note one that has been told."""
        if not self._events:
            self._first_at = current_time()
        self._events[event.event_id] = event

    async def others_waiting(self, ae_title: str) -> list[PendingEvent]:
        """Events that wait and have not been told."""
        limit = EVENTS_AT_A_TIME + len(self._events)
        waiting = await run_in_threadpool(self._subscriptions.pending, ae_title, limit=limit)
        return [event for event in waiting if event.event_id not in self._events]

    async def drop(self, *, after_s: float = 0.0) -> None:
        """Drop them in the store where they are many, or where the first was told so long ago."""
        is_due = len(self._events) >= EVENTS_AT_A_TIME or current_time() - self._first_at >= after_s
        if self._events and is_due:
            await run_in_threadpool(self._subscriptions.forget, list(self._events.values()))
            self._events.clear()


def event_dataset(event: PendingEvent) -> dict[str, Any]:
    """Event report as PS3.18 11.13 writes it: command elements and the information in one DICOM JSON dataset."""
    return {
        "00000002": element("UI", UPS_EVENT_SOP_CLASS),
        "00000110": element("US", event.event_id % 65536),
        "00001000": element("UI", event.report.workitem_uid),
        "00001002": element("US", int(event.report.event_type)),
        **{tag: event.report.information[tag] for tag in sorted(event.report.information)},
    }
