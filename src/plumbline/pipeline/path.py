"""The order of the steps, and which queue each belongs to. Design section 1 in code."""

from __future__ import annotations

from plumbline.pipeline.ports import StepName

PATH: tuple[StepName, ...] = (
    StepName.COMPLETE,
    StepName.RECOGNISE,
    StepName.PROVISIONAL,
    StepName.MATCH,
    StepName.COMPARE,
    StepName.TRIAGE,
    StepName.REPORT,
    StepName.PUBLISH,
)

PATH_QUEUE = "path"
"""Cheap steps: seconds at most, mostly waiting for others."""

MEASURE_QUEUE = "measure"
"""Steps that keep a core busy."""

QUEUES = (PATH_QUEUE, MEASURE_QUEUE)


def next_step(name: StepName) -> StepName | None:
    """The step after this one, or None after the last."""
    position = PATH.index(name) + 1
    return PATH[position] if position < len(PATH) else None


def queue_of(name: StepName) -> str:
    """Queue that carries the doorbell of a step."""
    return MEASURE_QUEUE if name is StepName.COMPARE else PATH_QUEUE


def steps_of(queue: str) -> tuple[StepName, ...]:
    """Steps whose doorbell a queue carries."""
    return tuple(name for name in PATH if queue_of(name) == queue)
