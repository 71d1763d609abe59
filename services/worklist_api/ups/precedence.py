"""Changes go before searches: what an event loop that answers many readers would else deny to the threads that change.

A thread that stores a change needs the interpreter some thirty times, between the calls of the database, and a busy
event loop keeps it for a whole turn each time: a change of 10 ms took 300 ms while twenty readers searched without a
pause, and every reader waited for what was stored meanwhile. A search that waits for the change instead loses a few
milliseconds, and is answered with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

WAIT_AT_MOST_S = 0.02
"""How long a search waits, however long a change takes or how many follow each other."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Precedence:
    """The changes that are being stored; used in one event loop alone."""

    _under_way: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def of(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that changes the store, or reads what others wait to be told, in a thread; searches wait."""
        self._under_way += 1
        self._over.clear()
        try:
            return await run_in_threadpool(function, *args, **kwargs)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._over.set()

    async def given(self) -> None:
        """Wait until no change is under way, but not for long."""
        if self._under_way:
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_AT_MOST_S):
                    await self._over.wait()
