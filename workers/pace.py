"""What the clock rings for comes first, so it must leave time for exams, however long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps


def rested(
    share: float, now: Callable[[], float] = time.monotonic
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Let a task have at most this share of the time of its process; a call that comes earlier does nothing.

    Messages of the clock overtake those of exams and come at a fixed pace. Where one took longer than that, on a busy
    machine or after messages were delivered twice, a worker would do nothing else any more.
    """

    def decorated(task: Callable[[], None]) -> Callable[[], None]:
        not_before = 0.0

        @wraps(task)
        def run() -> None:
            nonlocal not_before
            began = now()
            if began < not_before:
                return
            try:
                task()
            finally:
                ended = now()
                not_before = ended + (ended - began) * (1 - share) / share

        return run

    return decorated
