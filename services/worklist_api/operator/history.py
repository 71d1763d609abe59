"""One exam's history as an operator reads it: what happened to it, in the order of time, and who or what did it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from plumbline.adapters.database.overview import (
    Delivery,
    ExamCourse,
    Publication,
    SetAside,
    StepEvent,
    Work,
)
from plumbline.adapters.database.readers import Deed

_FAILED = "failed"
_EVENT_WORDS = {
    "waited": "waits",
    "retried": "did not succeed, is tried again",
    "lost": "lost its worker, is taken over",
    _FAILED: "failed for good",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the history."""

    at: datetime
    what: str
    said: str = ""
    by: str = ""
    """Worker, system or person."""
    revision: int | None = None
    took_s: float | None = None
    is_trouble: bool = False


def history_of(
    course: ExamCourse | None,
    steps: Iterable[Work],
    events: Iterable[StepEvent],
    publications: Iterable[Publication],
    deliveries: Iterable[Delivery],
    set_aside: Iterable[SetAside],
    deeds: Iterable[Deed],
) -> Sequence[Happening]:
    """Everything that happened to an exam, the newest first."""
    happened = [
        *(_received(course) if course else ()),
        *(happening for step in steps for happening in _step(step)),
        *map(_event, events),
        *(_sent(each.published_at, each) for each in publications if each.published_at),
        *(_sent(each.sent_at, each) for each in deliveries if each.sent_at),
        *(Happening(each.received_at, f"Set aside: {each.reason}", each.sentence, each.sender) for each in set_aside),
        *(Happening(each.at, each.deed[:1].upper() + each.deed[1:], by=each.who) for each in deeds),
    ]
    return sorted(happened, key=lambda each: each.at, reverse=True)


def _received(course: ExamCourse) -> Iterator[Happening]:
    yield Happening(course.first_instance_at, "First image received", by=course.sender)
    if course.last_instance_at != course.first_instance_at:
        yield Happening(course.last_instance_at, "Last image received", by=course.sender)
    if course.completed_at is not None:
        yield Happening(course.completed_at, "All images counted", revision=course.revision)


def _step(step: Work) -> Iterator[Happening]:
    """A step that is done, or under way; what went wrong with it before is among the events."""
    if step.started_at is None:
        return
    if step.state == "held":
        yield Happening(step.started_at, f"{step.name} is under way", by=step.holder or "", revision=step.revision)
    elif step.finished_at is not None and step.state != _FAILED:
        took_s = (step.finished_at - step.started_at).total_seconds()
        yield Happening(step.finished_at, f"{step.name} done", revision=step.revision, took_s=took_s)


def _event(event: StepEvent) -> Happening:
    return Happening(
        event.at,
        f"{event.name} {_EVENT_WORDS.get(event.kind, event.kind)}",
        event.sentence,
        event.holder or "",
        event.revision,
        is_trouble=event.kind != "waited",
    )


def _sent(at: datetime, sent: Publication | Delivery) -> Happening:
    return Happening(at, f"{sent.kind} sent", by=sent.destination, revision=sent.revision)
