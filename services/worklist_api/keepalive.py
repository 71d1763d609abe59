"""How soon the server notices that whoever holds a WebSocket does not answer any more."""

PING_EVERY_S, PING_WITHIN_S = 4.0, 4.0
NOTICED_WITHIN_S = PING_EVERY_S + PING_WITHIN_S
"""A connection that lasts so long has been heard of since."""
