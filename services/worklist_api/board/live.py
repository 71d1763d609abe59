"""Tells open pages that something changed, over a WebSocket of our own; what changed, they ask for.

The message is a version number and nothing of any patient. A beat says that the link holds, so that a page
can tell its reader when it does not.
"""

from __future__ import annotations

import time
from contextlib import suppress

from anyio import create_task_group, fail_after, sleep
from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from plumbline.errors import PlumblineError
from services.worklist_api.context import Context, context_of
from services.worklist_api.sockets import until_closed

router = APIRouter()

LOOK_EVERY_S = 0.5
BEAT_EVERY_S = 5.0
SEND_WITHIN_S = 10.0
_POLICY_VIOLATION = 1008


@router.websocket("/live")
async def live(websocket: WebSocket) -> None:
    """Send ``{"version": n}`` when the board changes and as a beat; ``{"lost": true}`` while the store is away."""
    if not _is_own_page(websocket):
        await websocket.close(_POLICY_VIOLATION)
        return
    await websocket.accept()
    async with create_task_group() as group:
        group.start_soon(_tell, websocket, context_of(websocket))
        await until_closed(websocket)
        group.cancel_scope.cancel()


def _is_own_page(websocket: WebSocket) -> bool:
    """Whether the page that opens the socket is one of ours; a client without an Origin is no browser."""
    origin = websocket.headers.get("origin")
    return origin is None or origin.partition("://")[2] == websocket.headers.get("host")


async def _tell(websocket: WebSocket, context: Context) -> None:
    told: int | None = None
    told_at = 0.0
    with suppress(WebSocketDisconnect, TimeoutError):
        while True:
            version = await run_in_threadpool(_version, context)
            if version != told or time.monotonic() - told_at >= BEAT_EVERY_S:
                with fail_after(SEND_WITHIN_S):
                    await websocket.send_json({"lost": True} if version is None else {"version": version})
                told, told_at = version, time.monotonic()
            await sleep(LOOK_EVERY_S)


def _version(context: Context) -> int | None:
    """Version of the board, None while the store does not answer."""
    try:
        return context.board.refresh(unless_within_s=LOOK_EVERY_S / 2)
    except PlumblineError:
        return None
