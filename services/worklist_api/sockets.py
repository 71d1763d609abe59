"""WebSockets on which only we speak: what the other end says is read, so that its leaving is noticed, and dropped."""

from __future__ import annotations

from fastapi import WebSocket

NO_STATUS = 1005
"""Status code of a closing that names none (RFC 6455 7.4.1)."""


async def until_closed(websocket: WebSocket) -> int:
    """Wait until the other end has gone; return the status code with which it closed, 1006 where it just broke off."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return int(message.get("code") or NO_STATUS)
