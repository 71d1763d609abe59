"""Answers to searches in DICOM JSON, put together from what the store holds ready, once for all who ask the same.

An answer is given again only while the store's change number is what it was, and that is read after each request
came in: a reader never sees less than what was stored before it asked, whichever process stored it.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from plumbline.worklist.desk import Worklist
from plumbline.worklist.matching import Query
from services.worklist_api.context import context_of

KEPT_ANSWERS = 64
"""Different searches whose last answer is kept, for each application."""

KEPT_BYTES = 64 * 1024 * 1024
"""Memory that these answers may take, for each application."""

KEPT_PIECES = 1024
"""Workitems whose compressed form is kept: a change of one compresses that one anew."""

_QUICKEST = 1
"""Level of compression: what lists many instances shrinks to a twentieth even so."""
_GZIP_HEADER = bytes.fromhex("1f8b08000000000004ff")
_LAST_BLOCK = b"\x03\x00"
"""An empty block that ends a deflate stream (RFC 1951 3.2.3)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """One answer: the JSON array, what to tell it apart by, and whether more can be had."""

    body: bytes
    compressed: bytes
    """The body for those who accept gzip."""
    has_more: bool
    is_empty: bool
    change_number: int

    @cached_property
    def entity_tag(self) -> str:
        """Value of the ETag header, from the compressed body: the same bytes always compress to the same."""
        return f'"{hashlib.blake2b(self.compressed, digest_size=16).hexdigest()}"'


def gzip_of(pieces: Sequence[bytes], body: bytes) -> bytes:
    """One gzip member (RFC 1952) of a body from its deflated pieces."""
    trailer = zlib.crc32(body).to_bytes(4, "little") + (len(body) & 0xFFFFFFFF).to_bytes(4, "little")
    return b"".join((_GZIP_HEADER, *pieces, _LAST_BLOCK, trailer))


@lru_cache(maxsize=KEPT_PIECES)
def deflated(data: bytes) -> bytes:
    """Bytes as a piece of a deflate stream that stands for itself, so that it goes into any answer as it is."""
    compressing = zlib.compressobj(_QUICKEST, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressing.compress(data) + compressing.flush(zlib.Z_FULL_FLUSH)


@dataclass
class SharedCall(Generic[T]):
    """One call of a slow function for all who want it at about the same time, never one begun before they did."""

    function: Callable[[], T]
    _running: asyncio.Task[T] | None = None
    _next: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """Result of a call that begins after this one."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        return await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[T] | None) -> T:
        if running is not None and not running.done():
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        return await run_in_threadpool(self.function)


@dataclass
class FoundAnswers:
    """The last answers of one application; used in its event loop alone."""

    worklist: Worklist
    _answers: OrderedDict[Query, Answer] = field(default_factory=OrderedDict)
    _made: dict[Query, SharedCall[Answer]] = field(default_factory=dict)

    @cached_property
    def _number(self) -> SharedCall[int]:
        return SharedCall(self.worklist.change_number)

    async def change_number(self) -> int:
        """Change number of the store, read after this was called, once for all who want it by then."""
        return await self._number.result()

    async def answer(self, query: Query) -> Answer:
        """Answer a search as the store stands now."""
        number = await self.change_number()
        kept = self._answers.get(query)
        if kept is None or kept.change_number < number:
            making = self._made.setdefault(query, SharedCall(lambda: self._make(query)))
            kept = await making.result()
            self._keep(query, kept)
        return kept

    def _make(self, query: Query) -> Answer:
        """Search; the change number is read before, so the answer is at least as new as its number says."""
        number = self.worklist.change_number()
        page = self.worklist.search_rendered(query)
        parts = [b"[", *_separated(page.datasets), b"]"]
        body = b"".join(parts)
        compressed = gzip_of([deflated(part) for part in parts], body)
        return Answer(body, compressed, page.has_more, not page.datasets, number)

    def _keep(self, query: Query, answer: Answer) -> None:
        self._answers[query] = answer
        self._answers.move_to_end(query)
        while len(self._answers) > KEPT_ANSWERS or self._size() > KEPT_BYTES:
            oldest, _ = self._answers.popitem(last=False)
            self._made.pop(oldest, None)

    def _size(self) -> int:
        return sum(len(answer.body) for answer in self._answers.values())


def _separated(datasets: Sequence[bytes]) -> Iterator[bytes]:
    for number, dataset in enumerate(datasets):
        if number:
            yield b","
        yield dataset


def found_answers(connection: HTTPConnection) -> FoundAnswers:
    """Return those of the application that serves the connection."""
    state = connection.app.state
    if not hasattr(state, "found_answers"):
        state.found_answers = FoundAnswers(context_of(connection).worklist)
    return state.found_answers
