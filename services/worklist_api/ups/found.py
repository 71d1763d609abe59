"""Answers to searches in DICOM JSON, put together from what the store holds ready, once for all who ask the same.

An answer is given again only while the store's change number is what it was, and that is read after each request
came in: a reader never sees less than what was stored before it asked, whichever process stored it.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from plumbline.worklist.desk import Worklist
from plumbline.worklist.matching import Query
from plumbline.worklist.workitem import Edition, RenderedPage
from services.worklist_api.context import context_of

KEPT_ANSWERS = 64
"""Different searches whose last answer is kept, for each application."""

KEPT_BYTES = 64 * 1024 * 1024
"""Memory that what is kept for answers may take, for each application."""

_QUICKEST = 1
"""Level of compression: what lists many instances shrinks to a twentieth even so."""
_GZIP_HEADER = bytes.fromhex("1f8b08000000000004ff")
_LAST_BLOCK = b"\x03\x00"
"""An empty block that ends a deflate stream (RFC 1951 3.2.3)."""

T = TypeVar("T")


def deflated(data: bytes) -> bytes:
    """Bytes as a piece of a deflate stream that stands for itself, so that it goes into any answer as it is."""
    compressing = zlib.compressobj(_QUICKEST, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressing.compress(data) + compressing.flush(zlib.Z_FULL_FLUSH)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of answers, plain and deflated."""

    plain: bytes
    deflated: bytes

    @classmethod
    def of(cls, plain: bytes) -> Piece:
        """Compress a part, once for all answers that it goes into."""
        return cls(plain, deflated(plain))

    @property
    def size(self) -> int:
        """Memory that it takes, bytes."""
        return len(self.plain) + len(self.deflated)


_OPENING, _COMMA, _CLOSING = (Piece.of(part) for part in (b"[", b",", b"]"))


@dataclass(frozen=True)
class Answer:
    """One answer: the pieces of a JSON array, and whether more can be had."""

    editions: tuple[Edition, ...]
    pieces: Sequence[Piece]
    has_more: bool

    @classmethod
    def of(cls, editions: tuple[Edition, ...], found: Sequence[Piece], *, has_more: bool) -> Answer:
        """Answer of the workitems found."""
        separated = [piece for each in found for piece in (_COMMA, each)][1:]
        return cls(editions, (_OPENING, *separated, _CLOSING), has_more)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not self.editions

    @property
    def body(self) -> bytes:
        """The array, for those who do not accept gzip."""
        return b"".join(piece.plain for piece in self.pieces)

    @cached_property
    def compressed(self) -> bytes:
        """One gzip member (RFC 1952) of the array, from its deflated pieces."""
        checksum = size = 0
        for piece in self.pieces:
            checksum, size = zlib.crc32(piece.plain, checksum), size + len(piece.plain)
        trailer = checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
        return b"".join((_GZIP_HEADER, *(piece.deflated for piece in self.pieces), _LAST_BLOCK, trailer))

    @cached_property
    def size(self) -> int:
        """Memory that it takes, bytes, as if no other answer had a piece in common with it."""
        return sum(piece.size for piece in self.pieces) + len(self.compressed)

    @cached_property
    def entity_tag(self) -> str:
        """Value of the ETag header, from the compressed body: the same bytes always compress to the same."""
        return f'"{hashlib.blake2b(self.compressed, digest_size=16).hexdigest()}"'


class Pieces:
    """Workitems in writing that were searched for last; a change of one makes that one anew and no other."""

    def __init__(self) -> None:
        self._held: OrderedDict[Edition, Piece] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def __contains__(self, edition: object) -> bool:
        return edition in self._held

    def of(self, page: RenderedPage) -> list[Piece] | None:
        """Pieces of a page in its order; None where one that was held has been given up meanwhile."""
        fresh = {edition: Piece.of(dataset) for edition, dataset in page.datasets.items()}
        with self._lock:
            found = [fresh.get(edition) or self._held.get(edition) for edition in page.editions]
            for edition in page.editions:
                self._keep(edition, fresh)
            while self._size > KEPT_BYTES:
                self._size -= self._held.popitem(last=False)[1].size
        pieces = [piece for piece in found if piece is not None]
        return pieces if len(pieces) == len(found) else None

    def _keep(self, edition: Edition, fresh: Mapping[Edition, Piece]) -> None:
        if edition in self._held:
            self._held.move_to_end(edition)
        elif edition in fresh:
            self._held[edition] = fresh[edition]
            self._size += fresh[edition].size


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
    _answers: OrderedDict[Query, tuple[int, Answer]] = field(default_factory=OrderedDict)
    """With each answer a change number that it is not older than."""
    _made: dict[Query, SharedCall[tuple[int, Answer]]] = field(default_factory=dict)
    _pieces: Pieces = field(default_factory=Pieces)

    @cached_property
    def _number(self) -> SharedCall[int]:
        return SharedCall(self.worklist.change_number)

    async def change_number(self) -> int:
        """Change number of the store, read after this was called; once for all who have to wait."""
        number = self.worklist.change_number_at_once()
        return await self._number.result() if number is None else number

    async def answer(self, query: Query) -> Answer:
        """Answer a search as the store stands now."""
        number = await self.change_number()
        kept = self._answers.get(query)
        if kept is None or kept[0] < number:
            making = self._made.setdefault(query, SharedCall(lambda: self._make(query)))
            kept = await making.result()
            self._keep(query, *kept)
        return kept[1]

    def _make(self, query: Query) -> tuple[int, Answer]:
        """Search; the change number is read before, so the answer is at least as new as its number says."""
        number = self.worklist.change_number()
        page = self.worklist.search_rendered(query, self._pieces)
        _, before = self._answers.get(query, (0, None))
        if before is not None and (before.editions, before.has_more) == (page.editions, page.has_more):
            return number, before
        pieces = self._pieces.of(page)
        if pieces is None:
            page = self.worklist.search_rendered(query)
            pieces = [Piece.of(page.datasets[edition]) for edition in page.editions]
        answer = Answer.of(page.editions, pieces, has_more=page.has_more)
        _ = answer.entity_tag, answer.size  # made here and not in the event loop
        return number, answer

    def _keep(self, query: Query, number: int, answer: Answer) -> None:
        if query in self._answers and self._answers[query][0] > number:
            return
        self._answers[query] = number, answer
        self._answers.move_to_end(query)
        while len(self._answers) > KEPT_ANSWERS or self._size() > KEPT_BYTES:
            oldest, _ = self._answers.popitem(last=False)
            self._made.pop(oldest, None)

    def _size(self) -> int:
        return sum(answer.size for _, answer in self._answers.values())


def found_answers(connection: HTTPConnection) -> FoundAnswers:
    """Return those of the application that serves the connection."""
    state = connection.app.state
    if not hasattr(state, "found_answers"):
        state.found_answers = FoundAnswers(context_of(connection).worklist)
    return state.found_answers
