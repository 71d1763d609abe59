"""Traces of exams, deliveries and requests, without patient data; off unless the settings name a collector.

Every process derives the identifiers of an exam's trace from its Study Instance UID, so what different processes did
for one exam is one trace, and nothing has to be passed on with messages or rows. Knows no library of telemetry:
``otlp`` does, and is loaded only where traces are on.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from importlib.util import find_spec
from typing import Any, Protocol

from prometheus_client import Counter

from plumbline.errors import Misconfigured, PlumblineError
from plumbline.pipeline.outbox import Delivery, DeliveryObserver
from plumbline.pipeline.ports import Clock, Exam, Step, StepName
from plumbline.pipeline.runner import StepObserver
from plumbline.settings import TracingSettings

SPANS = Counter("plumbline_trace_spans", "Spans by what became of them: made, exported, lost.", ["outcome"])
"""Spans that were made and neither exported nor lost wait, or were dropped because too many waited."""

LIBRARY = "opentelemetry.exporter.otlp.proto.http"
"""Module of the optional packages whose absence means that they are not installed."""


class SpanKind(StrEnum):
    """Which side of a call a span is."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands: its trace (128 bits) and itself (64 bits)."""

    trace_id: int
    span_id: int

    def beside(self) -> Place:
        """A new place in the same trace. Not from ``random``, whose state forked processes share."""
        return Place(self.trace_id, _random_id(64))


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was done and how long it took. Attributes name studies and systems, never patients."""

    name: str
    place: Place
    began_at: datetime
    ended_at: datetime
    parent: Place | None = None
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    has_failed: bool = False
    link: Place | None = None
    """A span of another trace that this one is about."""


class Tracing(Protocol):
    """Takes spans. Neither waits for a collector nor fails where there is none."""

    def record(self, span: Span) -> None:
        """Take a span that has ended."""
        ...

    def stop(self) -> None:
        """Hand on what was taken, within a few seconds; what comes later is dropped."""
        ...


def exam_place(study_instance_uid: str, revision: int = 1) -> Place:
    """The place that every process gives to a revision of an exam, without asking another one.

    The trace is the UUIDv5 of the Study Instance UID in the name space of OIDs (RFC 9562, appendix C).
    """
    name = study_instance_uid if revision <= 1 else f"{study_instance_uid} revision {revision}"
    own = uuid.uuid5(uuid.NAMESPACE_OID, f"{name} exam")
    return Place(uuid.uuid5(uuid.NAMESPACE_OID, study_instance_uid).int, own.int >> 64)


def new_place() -> Place:
    """A place at the top of a new trace."""
    return Place(_random_id(128), _random_id(64))


def _random_id(bits: int) -> int:
    return secrets.randbits(bits) or 1  # zero is no identifier


def require_packages(settings: TracingSettings) -> None:
    """Raise ``Misconfigured`` where traces are on and what they need is not installed."""
    if settings.endpoint is None or _is_installed(LIBRARY):
        return
    raise Misconfigured(
        "traces need packages that are not installed here",
        where="tracing.endpoint",
        remedy="Install plumbline[tracing], or leave the key out",
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even a package above it
        return False


def open_tracing(settings: TracingSettings, *, process: str) -> Tracing | None:
    """What takes this process's spans, None where traces are off; call it after the fork, never before.

    Raises
    ------
    Misconfigured
        Where the packages are not installed, or the file with the token cannot be read.
    """
    if settings.endpoint is None:
        return None
    require_packages(settings)
    from plumbline.observability.otlp import OtlpTracing  # noqa: PLC0415  slow to load, and may be missing

    return OtlpTracing(settings, process=process)


# --- steps --------------------------------------------------------------------------------------


class TracedSteps:
    """``StepObserver`` that tells another one, and makes a span of each step, of receiving and of each exam.

    Parameters
    ----------
    exam
        Looks an exam up, for when its images came.
    """

    def __init__(self, inner: StepObserver, tracing: Tracing, exam: Callable[[str], Exam], clock: Clock) -> None:
        self._inner = inner
        self._tracing = tracing
        self._exam = exam
        self._clock = clock
        self._began: dict[int, datetime] = {}

    def started(self, step: Step) -> None:
        """See ``StepObserver.started``."""
        self._began[step.step_id] = self._clock.now()
        self._inner.started(step)

    def ended(self, step: Step, outcome: str, sentence: str | None, result: Mapping[str, Any]) -> None:
        """See ``StepObserver.ended``. The sentence goes to the log only: traces often leave the house."""
        self._inner.ended(step, outcome, sentence, result)
        ended_at = self._clock.now()
        began_at = self._began.pop(step.step_id, ended_at)
        if step.name is StepName.COMPLETE and outcome == "proceed":  # only now it is known which revision this is
            step = replace(step, revision=result["revision"])
        exam = exam_place(step.study_instance_uid, step.revision)
        self._tracing.record(
            Span(
                name=step.name.value,
                place=exam.beside(),
                parent=exam,
                began_at=began_at,
                ended_at=ended_at,
                attributes={**_named(step), **_of_step(step, outcome, result, began_at)},
                has_failed=outcome in ("failed", "retried", "lost"),
            )
        )
        with suppress(PlumblineError):  # the store is away: the exam goes on, and its trace lacks what only that knows
            self._record_exam(step, outcome, exam, began_at, ended_at)

    def _record_exam(self, step: Step, outcome: str, place: Place, began_at: datetime, ended_at: datetime) -> None:
        is_received = step.name is StepName.COMPLETE and outcome == "proceed" and step.revision == 1
        is_over = outcome in ("end", "failed") or (step.name is StepName.PUBLISH and outcome == "proceed")
        if not is_received and not is_over:
            return
        exam = self._exam(step.study_instance_uid)
        first_at, last_at = exam.first_instance_at, exam.last_instance_at
        if is_received:
            self._tracing.record(Span("receive", place.beside(), first_at, last_at, place, attributes=_named(step)))
            return
        is_first = step.revision <= 1
        began_at = first_at if is_first else min(began_at, exam.completed_at or began_at)
        self._tracing.record(
            Span(
                name="exam",
                place=place,
                parent=None if is_first else exam_place(step.study_instance_uid),
                began_at=began_at,
                ended_at=ended_at,
                attributes={**_named(step), "plumbline.exam.state": exam.state.value},
                has_failed=outcome == "failed",
            )
        )


def _named(step: Step) -> dict[str, str | int]:
    return {"plumbline.study_instance_uid": step.study_instance_uid, "plumbline.revision": step.revision}


def _of_step(step: Step, outcome: str, result: Mapping[str, Any], began_at: datetime) -> dict[str, str | int | float]:
    """What is said of a step: chosen one by one, so that nothing else of its result gets out."""
    said: dict[str, str | int | float] = {"plumbline.attempt": step.attempt, "plumbline.outcome": outcome}
    if step.due_at is not None:
        said["plumbline.queue_wait_s"] = _seconds(step.due_at, began_at)
    if outcome != "proceed":
        return said
    match step.name:
        case StepName.COMPLETE:
            said["plumbline.instances"] = result["instances"]
        case StepName.PROVISIONAL | StepName.TRIAGE:
            said["plumbline.priority"] = result["decision"]["priority"]
        case StepName.COMPARE:
            took = result["check_seconds"].items()
            said |= {f"plumbline.check.{name}_s": round(seconds, 3) for name, seconds in took}
        case _:
            pass
    return said


def _seconds(earlier: datetime, later: datetime) -> float:
    return round(max(0.0, (later - earlier).total_seconds()), 3)


# --- deliveries ---------------------------------------------------------------------------------


class TracedDeliveries:
    """``DeliveryObserver`` that tells another one, and makes a span of each attempt in the trace of its exam."""

    def __init__(self, inner: DeliveryObserver, tracing: Tracing, clock: Clock) -> None:
        self._inner = inner
        self._tracing = tracing
        self._clock = clock
        self._began: dict[int, datetime] = {}

    def started(self, delivery: Delivery) -> None:
        """See ``DeliveryObserver.started``."""
        self._began[delivery.delivery_id] = self._clock.now()
        self._inner.started(delivery)

    def delivered(self, delivery: Delivery) -> None:
        """See ``DeliveryObserver.delivered``."""
        self._inner.delivered(delivery)
        self._record(delivery, "sent")

    def not_delivered(self, delivery: Delivery, sentence: str, *, is_dead: bool) -> None:
        """See ``DeliveryObserver.not_delivered``."""
        self._inner.not_delivered(delivery, sentence, is_dead=is_dead)
        self._record(delivery, "dead" if is_dead else "failed")

    def _record(self, delivery: Delivery, outcome: str) -> None:
        ended_at = self._clock.now()
        began_at = self._began.pop(delivery.delivery_id, ended_at)
        exam = exam_place(delivery.study_instance_uid, delivery.revision)
        self._tracing.record(
            Span(
                name=f"deliver {delivery.kind.value}",
                place=exam.beside(),
                parent=exam,
                began_at=began_at,
                ended_at=ended_at,
                kind=SpanKind.CLIENT,
                attributes={
                    "plumbline.study_instance_uid": delivery.study_instance_uid,
                    "plumbline.revision": delivery.revision,
                    "plumbline.destination": delivery.destination,
                    "plumbline.attempt": delivery.attempts,
                    "plumbline.outcome": outcome,
                    "plumbline.queue_wait_s": _seconds(delivery.not_before, began_at),
                },
                has_failed=outcome != "sent",
            )
        )
