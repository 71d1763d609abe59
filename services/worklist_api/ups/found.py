"""Answers to searches in DICOM JSON, put together from what the store holds ready, once for all who ask the same.

An answer is given again only while the store's change number is what it was, and that is read after each request
came in: a reader never sees less than what was stored before it asked, whichever process stored it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from plumbline.worklist.desk import Worklist
from plumbline.worklist.matching import Query
from plumbline.worklist.workitem import RenderedPage
from services.worklist_api.context import context_of
from services.worklist_api.ups import pieces
from services.worklist_api.ups.pieces import Answer, Piece, Pieces

KEPT_ANSWERS = 64
"""Different searches whose last answer is kept, for each application."""

T = TypeVar("T")


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
    _under_way: dict[Query, asyncio.Task[tuple[int, Answer]]] = field(default_factory=dict)
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
        while kept is None or kept[0] < number:
            kept = await self._made(query)
        return kept[1]

    async def _made(self, query: Query) -> tuple[int, Answer]:
        """Return the answer that is being made for others, which may be too old for this reader, or make one."""
        if query not in self._under_way:
            self._under_way[query] = asyncio.create_task(self._make_and_keep(query))
        return await asyncio.shield(self._under_way[query])

    async def _make_and_keep(self, query: Query) -> tuple[int, Answer]:
        known = [answer for _, answer in self._answers.values()]
        try:
            number, answer = await run_in_threadpool(self._make, query, known)
        finally:
            del self._under_way[query]
        self._keep(query, number, answer)
        return number, answer

    def _make(self, query: Query, known: Sequence[Answer]) -> tuple[int, Answer]:
        """Search, and put the answer together where none that is known says the same."""
        page = self.worklist.search_rendered(query, self._pieces)
        same = (each for each in known if (each.has_more, each.editions) == (page.has_more, page.editions))
        answer = next(same, None) or self._put_together(query, page)
        _ = answer.entity_tag, answer.size  # made here and not in the event loop
        return page.change_number, answer

    def _put_together(self, query: Query, page: RenderedPage) -> Answer:
        found = self._pieces.of(page)
        if found is None:
            page = self.worklist.search_rendered(query)
            found = [Piece.of(page.datasets[edition]) for edition in page.editions]
        return Answer.of(page.editions, found, has_more=page.has_more)

    def _keep(self, query: Query, number: int, answer: Answer) -> None:
        if query in self._answers and self._answers[query][0] > number:
            return
        self._answers[query] = number, answer
        self._answers.move_to_end(query)
        while len(self._answers) > KEPT_ANSWERS or self._size() > pieces.KEPT_BYTES:
            self._answers.popitem(last=False)

    def _size(self) -> int:
        return sum(answer.size for _, answer in self._answers.values())


def found_answers(connection: HTTPConnection) -> FoundAnswers:
    """Return those of the application that serves the connection."""
    state = connection.app.state
    if not hasattr(state, "found_answers"):
        state.found_answers = FoundAnswers(context_of(connection).worklist)
    return state.found_answers
