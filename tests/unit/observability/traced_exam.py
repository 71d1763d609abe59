"""An exam of a patient whose name, ID and birth date stand wherever the path meets them, and a list of its spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plumbline.errors import Unavailable
from plumbline.exams.study import PatientIdentity
from plumbline.observability.tracing import Span, TracedSteps
from plumbline.pipeline.ports import Exam, ExamState, Step, StepName
from plumbline.testing import ManualClock, SilentObserver

STUDY = "1.2.826.0.1.3680043.8.498.1"
PATIENT = ("Mustermann", "PAT-4711", "19500102", "1950-01-02")
"""What must be in no trace."""
SAID = f"{PATIENT[0]}^Erika, {PATIENT[1]}, born {PATIENT[2]} ({PATIENT[3]})"

RESULTS = {
    StepName.COMPLETE: {"revision": 1, "instances": 240, "sentence": SAID, "basis": "archive", "news": []},
    StepName.RECOGNISE: {"text": SAID},
    StepName.PROVISIONAL: {"decision": {"priority": "URGENT", "reasons": [SAID]}, "since_last_instance_s": 4.0},
    StepName.MATCH: {"choice": {"considered": [{"role": "baseline", "reasons": [SAID]}]}},
    StepName.COMPARE: {
        "comparison": {"findings": [{"check": "spacer-migration", "status": "positive", "reasons": [SAID]}]},
        "check_seconds": {"spacer-migration": 3.25, "level-error": 0.5},
    },
    StepName.TRIAGE: {"decision": {"priority": "STAT", "reasons": [SAID]}, "since_last_instance_s": 9.0},
    StepName.REPORT: {"title": SAID},
    StepName.PUBLISH: {"label": SAID},
}
"""What each step found, as the path writes it."""


@dataclass
class KeptTracing:
    """``Tracing`` that keeps spans in a list."""

    spans: list[Span] = field(default_factory=list)

    def record(self, span: Span) -> None:
        self.spans.append(span)

    def stop(self) -> None:
        pass

    def named(self, name: str) -> Span:
        (found,) = [each for each in self.spans if each.name == name]
        return found


class TracedExam:
    """The observer of one worker process, told of steps by hand."""

    def __init__(self, tracing=None, clock=None) -> None:
        self.clock = clock or ManualClock()
        self.tracing = tracing or KeptTracing()
        self.inner = SilentObserver()
        self.is_store_away = False
        self.state = ExamState.COMPLETE
        self.first_at = self.clock.now()
        self.observer = TracedSteps(self.inner, self.tracing, self._exam, self.clock)

    def _exam(self, study_instance_uid: str) -> Exam:
        if self.is_store_away:
            raise Unavailable("the database does not answer")
        last_at = self.first_at + timedelta(seconds=20)
        patient = PatientIdentity(PATIENT[1])
        return Exam(study_instance_uid, 1, self.state, patient, self.first_at, last_at, completed_at=last_at)

    def carry_out(
        self,
        name: StepName,
        outcome: str = "proceed",
        *,
        revision: int = 1,
        took_s: float = 1.0,
        due_at: datetime | None = None,
        found: dict | None = None,
    ) -> None:
        step = Step(5, STUDY, revision, name, 1, kept={"patient": SAID}, due_at=due_at)
        self.observer.started(step)
        self.clock.advance(took_s)
        result = {**RESULTS[name], **(found or {})} if outcome == "proceed" else {}
        self.observer.ended(step, outcome, SAID, result)
