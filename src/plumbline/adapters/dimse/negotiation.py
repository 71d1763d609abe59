"""How much an association request may ask for, told from its item headers before anything is decoded (PS3.8 9.3.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.errors import InvalidInput

ASSOCIATE_RQ = 0x01
PRESENTATION_CONTEXT = 0x20
USER_INFORMATION = 0x50
MAXIMUM_CONTEXTS = 128
"""Presentation Context IDs are the odd numbers to 255 (PS3.8 9.3.2.2)."""
MAXIMUM_SYNTAXES = 128
"""Sub-items of one Presentation Context: the Standard has fewer Transfer Syntaxes."""
_FIXED_LENGTH = 74
_CONTEXT_FIXED_LENGTH = 4
_ITEM = struct.Struct(">BxH")


@dataclass(frozen=True, slots=True)
class NegotiationLimits:
    """Largest number of user items, and of bytes in one of them."""

    user_items: int = 512
    user_item_bytes: int = 16384


def tell_excess(request: bytes | bytearray, limits: NegotiationLimits) -> None:
    """Raise ``InvalidInput`` where an A-ASSOCIATE-RQ asks for more than anybody needs, or its items do not fit.

    Parameters
    ----------
    request
        The whole PDU.
    """
    contexts = 0
    for kind, content in _items(memoryview(request)[_FIXED_LENGTH:]):
        if kind == PRESENTATION_CONTEXT:
            contexts += 1
            _tell_more(contexts, MAXIMUM_CONTEXTS, "presentation contexts")
            _tell_more(sum(1 for _ in _items(content[_CONTEXT_FIXED_LENGTH:])), MAXIMUM_SYNTAXES, "transfer syntaxes")
        elif kind == USER_INFORMATION:
            _tell_user_items(content, limits)


def _tell_user_items(information: memoryview, limits: NegotiationLimits) -> None:
    for count, (_, content) in enumerate(_items(information), start=1):
        _tell_more(count, limits.user_items, "user items")
        _tell_more(len(content), limits.user_item_bytes, "bytes in a user item")


def _tell_more(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise InvalidInput(f"the association request has more than {limit} {what}")


def _items(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(type, content) of each item."""
    at = 0
    while at < len(data):
        if at + _ITEM.size > len(data):
            raise InvalidInput("an item of the association request ends too early")
        kind, length = _ITEM.unpack_from(data, at)
        end = at + _ITEM.size + length
        if end > len(data):
            raise InvalidInput("an item of the association request is longer than what holds it")
        yield kind, data[at + _ITEM.size : end]
        at = end
