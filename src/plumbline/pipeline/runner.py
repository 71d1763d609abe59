"""Carry out one claimed step: run it, keep its lease, commit what came of it, ring for the next.

The runner is the edge at which errors become outcomes; nothing a step does wrong is lost here. What a step came
to is not lost either when the store is away at that moment: it is committed as soon as the store is back.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from plumbline.errors import Conflict, InvalidInput, Misconfigured, OutOfCapacity, PlumblineError, Unavailable
from plumbline.pipeline.path import next_step
from plumbline.pipeline.ports import Doorbell, Step, StepName, StepOutcome, Steps, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

Committed = TypeVar("Committed")
StepFunction = Callable[[Step], StepOutcome]

NEVER_RETRIED = (InvalidInput, Misconfigured)
"""Errors that the same input will raise again."""

WAITED_OUT = (Unavailable, OutOfCapacity)
"""Errors of others: the step waits and no attempt is counted."""

AWAY_DELAY_S = 5.0
"""First wait for something that does not answer; the wait is not lengthened, so nothing is late when it is back."""


SETTLE_AGAIN_S = 1.0
"""Wait between two attempts at committing an outcome, or at lengthening a lease, while the store is away."""


class _Failed(Exception):
    """A step came to nothing."""

    def __init__(self, sentence: str, *, is_final: bool) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_final = is_final


class StepObserver(Protocol):
    """Told what happens, for logs, metrics and traces."""

    def started(self, step: Step) -> None:
        """A worker has begun a step."""
        ...

    def ended(self, step: Step, outcome: str, sentence: str | None, result: Mapping[str, Any]) -> None:
        """A step came to an outcome: proceed, end, wait, retried, failed or lost. ``result`` is what it found."""
        ...


@dataclass(frozen=True)
class Runner:
    """Runs steps by their names.

    Parameters
    ----------
    functions
        The function of each step.
    holder
        Name of this worker, unique among all that run now.
    extend_every_s
        How often the lease of a running step is lengthened; well below the lease itself.
    on_failure
        Called after a step failed for good, to tell the reader. It may be called again for the same failure.
    settle_within_s
        How long the store may be away before what a step came to is given up.
    """

    steps: Steps
    doorbell: Doorbell
    functions: Mapping[StepName, StepFunction]
    holder: str
    observer: StepObserver
    extend_every_s: float
    on_failure: Callable[[Step, str], None]
    settle_within_s: float = 120.0

    def run(self, step_id: int) -> None:
        """Claim a step and carry it out; do nothing where somebody else holds it or it is not due.

        Raises
        ------
        Unavailable
            The store does not answer; what was not committed is done again when the lease has run out.
        """
        step = self.steps.claim(step_id, self.holder)
        if step is None:
            return
        if step.failure is not None:
            self._tell(step, step.failure)
            return
        self.observer.started(step)
        with self._kept_lease(step):
            try:
                outcome = self._carried_out(step)
                following = self._settled(step, outcome)
            except _Failed as failed:
                self._fail(step, failed)
                return
            except Conflict as error:
                self.observer.ended(step, "lost", str(error), {})
                return
        self._go_on(step, outcome, following)

    def _carried_out(self, step: Step) -> StepOutcome:
        """What the step came to; raise ``_Failed`` where it came to nothing."""
        try:
            return self.functions[step.name](step)
        except WAITED_OUT as error:
            return Wait(AWAY_DELAY_S, str(error))
        except PlumblineError as error:
            raise _Failed(str(error), is_final=isinstance(error, NEVER_RETRIED)) from error
        except Exception as error:  # the edge: whatever a step raises, the exam is accounted for
            raise _Failed(f"The step broke off ({type(error).__name__} {_place_of(error)}).", is_final=False) from error

    def _settled(self, step: Step, outcome: StepOutcome) -> int | None:
        """Commit an outcome; the id of the step that follows."""
        try:
            return _insist(lambda: self.steps.settle(step, self.holder, outcome), self.settle_within_s)
        except PlumblineError:
            raise
        except Exception as error:  # the same edge: the store does not take what the step came to
            sentence = f"What the step came to cannot be kept ({type(error).__name__})."
            raise _Failed(sentence, is_final=False) from error

    def _go_on(self, step: Step, outcome: StepOutcome, following: int | None) -> None:
        result = {} if isinstance(outcome, Wait) else outcome.result
        self.observer.ended(step, type(outcome).__name__.lower(), getattr(outcome, "reason", None), result)
        name = next_step(step.name)
        if following is not None and name is not None:
            self._ring(following, name)

    def _ring(self, step_id: int, name: StepName) -> None:
        try:
            self.doorbell.ring(step_id, name)
        except Unavailable:
            return  # the sweeper finds the step
        self.steps.rung([step_id])

    def _fail(self, step: Step, failed: _Failed) -> None:
        try:
            was_last = _insist(
                lambda: self.steps.fail(step, self.holder, failed.sentence, is_final=failed.is_final),
                self.settle_within_s,
            )
        except Conflict as error:
            self.observer.ended(step, "lost", str(error), {})
            return
        if was_last:
            self._tell(step, failed.sentence)
        else:
            self.observer.ended(step, "retried", failed.sentence, {})

    def _tell(self, step: Step, sentence: str) -> None:
        """Tell whoever watches and the reader; where that breaks off, the step stays owed and it is told again."""
        self.observer.ended(step, "failed", sentence, {})
        self.on_failure(step, sentence)
        self.steps.told(step, self.holder)

    @contextmanager
    def _kept_lease(self, step: Step) -> Iterator[None]:
        """Lengthen the lease while the step runs; a lost lease is noticed when the step is settled."""
        finished = threading.Event()

        def extend() -> None:
            wait_s = self.extend_every_s
            while not finished.wait(wait_s):
                try:
                    self.steps.extend(step, self.holder)
                    wait_s = self.extend_every_s
                except Conflict:
                    return
                except PlumblineError:
                    wait_s = min(SETTLE_AGAIN_S, self.extend_every_s)

        keeper = threading.Thread(target=extend, name=f"lease-{step.step_id}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            finished.set()
            keeper.join()


def _insist(commit: Callable[[], Committed], within_s: float) -> Committed:
    """Commit, again and again while the store is away; raise ``Unavailable`` where that lasts for ``within_s``."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return commit()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(SETTLE_AGAIN_S)


def _place_of(error: BaseException) -> str:
    """Where an error arose. Its own words are left out: they may quote what it was about."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "at an unknown place"
