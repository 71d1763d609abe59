"""Carry out one claimed step: run it, keep its lease, commit what came of it, ring for the next.

The runner is the edge at which errors become outcomes; nothing a step does wrong is lost here.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from plumbline.errors import Conflict, InvalidInput, Misconfigured, OutOfCapacity, PlumblineError, Unavailable
from plumbline.pipeline.path import next_step
from plumbline.pipeline.ports import Doorbell, Step, StepName, StepOutcome, Steps, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

StepFunction = Callable[[Step], StepOutcome]

NEVER_RETRIED = (InvalidInput, Misconfigured)
"""Errors that the same input will raise again."""

WAITED_OUT = (Unavailable, OutOfCapacity)
"""Errors of others: the step waits and no attempt is counted."""

AWAY_DELAY_S = 5.0
"""First wait for something that does not answer; the wait is not lengthened, so nothing is late when it is back."""


class StepObserver(Protocol):
    """Told what happens, for logs and metrics."""

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
        Called after a step failed for good, to tell the reader.
    """

    steps: Steps
    doorbell: Doorbell
    functions: Mapping[StepName, StepFunction]
    holder: str
    observer: StepObserver
    extend_every_s: float
    on_failure: Callable[[Step, str], None]

    def run(self, step_id: int) -> None:
        """Claim a step and carry it out; do nothing where somebody else holds it or it is not due."""
        step = self.steps.claim(step_id, self.holder)
        if step is None:
            return
        self.observer.started(step)
        try:
            with self._kept_lease(step):
                outcome = self.functions[step.name](step)
        except WAITED_OUT as error:
            outcome = Wait(AWAY_DELAY_S, str(error))
        except Conflict as error:
            self._failed(step, str(error), is_final=False)
            return
        except NEVER_RETRIED as error:
            self._failed(step, str(error), is_final=True)
            return
        except PlumblineError as error:
            self._failed(step, str(error), is_final=False)
            return
        except Exception as error:  # noqa: BLE001 (the edge: whatever a step raises, the exam is accounted for)
            self._failed(step, f"The step broke off ({type(error).__name__} {_place_of(error)}).", is_final=False)
            return
        self._settle(step, outcome)

    def _settle(self, step: Step, outcome: StepOutcome) -> None:
        try:
            following = self.steps.settle(step, self.holder, outcome)
        except Conflict as error:
            self.observer.ended(step, "lost", str(error), {})
            return
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

    def _failed(self, step: Step, sentence: str, *, is_final: bool) -> None:
        try:
            was_last = self.steps.fail(step, self.holder, sentence, is_final=is_final)
        except Conflict as error:
            self.observer.ended(step, "lost", str(error), {})
            return
        self.observer.ended(step, "failed" if was_last else "retried", sentence, {})
        if was_last:
            self.on_failure(step, sentence)

    @contextmanager
    def _kept_lease(self, step: Step) -> Iterator[None]:
        """Lengthen the lease while the step runs; a lost lease is noticed when the step is settled."""
        finished = threading.Event()

        def extend() -> None:
            while not finished.wait(self.extend_every_s):
                try:
                    self.steps.extend(step, self.holder)
                except PlumblineError:
                    continue

        keeper = threading.Thread(target=extend, name=f"lease-{step.step_id}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            finished.set()
            keeper.join()


def _place_of(error: BaseException) -> str:
    """Where an error arose. Its own words are left out: they may quote what it was about."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "at an unknown place"
