"""What happens by the clock: quiet exams are counted, and nothing that is due waits for a lost message."""

from __future__ import annotations

from datetime import timedelta

from plumbline.errors import Unavailable
from plumbline.pipeline.path import QUEUES, steps_of
from plumbline.pipeline.ports import Clock, Doorbell, Exams, StepName, Steps

ENOUGH = 500
"""Messages in one queue beyond which the sweeper adds none."""


def open_quiet_exams(exams: Exams, steps: Steps, clock: Clock, *, quiet_period_s: float) -> int:
    """Open the counting step of every exam that has been quiet for long enough; return how many."""
    opened = 0
    for study_instance_uid in exams.quiet_since(clock.now() - timedelta(seconds=quiet_period_s)):
        revision = exams.exam(study_instance_uid).revision + 1
        if steps.open(study_instance_uid, revision, StepName.COMPLETE) is not None:
            opened += 1
    return opened


def ring_for_owed(steps: Steps, doorbell: Doorbell, *, unheard_for_s: float) -> int:
    """Ring again for steps that are due and that nobody holds; return how many.

    A queue in which ``ENOUGH`` messages wait needs no more: its workers are busy, and each message less makes room.
    Else a day's backlog would be rung for every few seconds, and the workers would drown in messages.

    Raises
    ------
    Unavailable
        When the broker does not answer; what was rung for until then is noted.
    """
    return sum(_ring_in(queue, steps, doorbell, unheard_for_s) for queue in QUEUES)


def _ring_in(queue: str, steps: Steps, doorbell: Doorbell, unheard_for_s: float) -> int:
    owed = steps.owed(unheard_for_s=unheard_for_s, limit=ENOUGH, names=steps_of(queue))
    room = ENOUGH - doorbell.waiting(queue) if owed else 0
    if room <= 0:
        return 0
    rung: list[int] = []
    try:
        for step_id, name in owed[:room]:
            doorbell.ring(step_id, name)
            rung.append(step_id)
    except Unavailable:
        if not rung:
            raise
    finally:
        steps.rung(rung)
    return len(rung)
