"""What happens by the clock: quiet exams are counted, and nothing that is due waits for a lost message."""

from __future__ import annotations

from datetime import timedelta

from plumbline.errors import Unavailable
from plumbline.pipeline.ports import Clock, Doorbell, Exams, StepName, Steps

SWEEP_LIMIT = 500


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

    Raises
    ------
    Unavailable
        When the broker does not answer; what was rung for until then is noted.
    """
    rung: list[int] = []
    try:
        for step_id, name in steps.owed(unheard_for_s=unheard_for_s, limit=SWEEP_LIMIT):
            doorbell.ring(step_id, name)
            rung.append(step_id)
    except Unavailable:
        if not rung:
            raise
    finally:
        steps.rung(rung)
    return len(rung)
