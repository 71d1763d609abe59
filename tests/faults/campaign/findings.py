"""Reads, from outside, what the system has of every exam: database, archive, worklist, operator's page, metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import httpx
from pydicom import Dataset
from sqlalchemy import func, select

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.tables import ExamRow, StepRow
from plumbline.demo.watching import FINAL, Watch, predecessors
from plumbline.pipeline.ports import StepName
from tests.faults.campaign.accounting import Found
from tests.faults.campaign.patients import PlannedExam

TIMEOUT_S = 30.0
PAGE = 500
OPEN_STATES = ("ready", "held")
PRIORITIES = {"HIGH": "STAT", "MEDIUM": "URGENT", "LOW": "ROUTINE"}


@dataclass(frozen=True)
class Standing:
    """How far all exams are; two of the same mean that nothing has happened in between."""

    states: Mapping[str, str]
    """State by Study Instance UID."""
    open_steps: int
    attempts: int
    """At all steps."""

    def ended(self, exams: Iterable[PlannedExam]) -> int:
        """How many of these exams have come to an end."""
        final = {state.value for state in FINAL}
        return sum(self.states.get(exam.study_instance_uid) in final for exam in exams)


def standing(store: Store) -> Standing:
    """Where all exams stand; raise ``Unavailable`` while the database is away."""
    with store.read() as session:
        states = dict(session.execute(select(ExamRow.study_instance_uid, ExamRow.state)).tuples().all())
        totals = select(StepRow.state, func.count(), func.sum(StepRow.attempts)).group_by(StepRow.state)
        steps = session.execute(totals).all()
    open_steps = sum(count for state, count, _ in steps if state in OPEN_STATES)
    return Standing(states, open_steps, sum(attempts for _, _, attempts in steps))


def findings(exams: Sequence[PlannedExam], store: Store, watch: Watch, worklist_url: str) -> list[Found]:
    """What is found of each exam."""
    readings, reasons = _readings(worklist_url), _reasons(watch)
    operator = httpx.get(f"{worklist_url}/operator", timeout=TIMEOUT_S).text
    return [_found(exam.study_instance_uid, store, watch, readings, reasons, operator) for exam in exams]


def failures_counted(worklist_url: str) -> float:
    """Steps that failed for good, as the metrics that alerts ask for count them."""
    lines = httpx.get(f"{worklist_url}/metrics", timeout=TIMEOUT_S).raise_for_status().text.splitlines()
    named = [line for line in lines if line.startswith("plumbline_steps_total{") and 'outcome="failed"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in named)


def is_ready(worklist_url: str) -> bool:
    """Whether an exam could be processed now."""
    try:
        return httpx.get(f"{worklist_url}/health/ready", timeout=TIMEOUT_S).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _found(
    uid: str,
    store: Store,
    watch: Watch,
    readings: Mapping[str, Sequence[str]],
    reasons: Mapping[str, str],
    operator: str,
) -> Found:
    exam = watch.exam(uid)
    if exam is None:
        return Found(None)
    open_steps, attempts = _steps(store, uid)
    reports = watch.reports(uid)
    result = watch.result(uid)
    return Found(
        state=exam.state.value,
        note=exam.note,
        revision=exam.revision,
        open_steps=open_steps,
        attempts=attempts,
        reports=len(reports),
        current_reports=current_reports(reports),
        readings=readings.get(uid, ()),
        reasons=reasons.get(uid, ""),
        result_priority=result["triage"]["priority"] if result else None,
        is_told_failed=f"/operator/exams/{uid}" in operator,
    )


def current_reports(reports: Sequence[Dataset]) -> int:
    """How many of the reports of one exam no other one supersedes."""
    superseded = {uid for report in reports for uid in predecessors(report)}
    return len({str(report.SOPInstanceUID) for report in reports} - superseded)


def _steps(store: Store, uid: str) -> tuple[int, int]:
    """Open steps of an exam, and the attempts at comparing its newest revision."""
    with store.read() as session:
        rows = list(session.scalars(select(StepRow).where(StepRow.study_instance_uid == uid).order_by(StepRow.step_id)))
    compared = [row.attempts for row in rows if row.name == StepName.COMPARE.value]
    return sum(row.state in OPEN_STATES for row in rows), compared[-1] if compared else 0


def _readings(worklist_url: str) -> Mapping[str, Sequence[str]]:
    """Priorities of the workitems of each study, over UPS-RS."""
    found: dict[str, list[str]] = defaultdict(list)
    offset = 0
    while True:
        query = {"limit": PAGE, "offset": offset, "includefield": "all"}
        answer = httpx.get(f"{worklist_url}/dicom-web/workitems", params=query, timeout=TIMEOUT_S).raise_for_status()
        page = answer.json() if answer.content else []
        for workitem in page:
            (uid,), (priority,) = workitem["0020000D"]["Value"], workitem["00741200"]["Value"]
            found[uid].append(PRIORITIES[priority])
        if len(page) < PAGE:
            return found
        offset += PAGE


def _reasons(watch: Watch) -> Mapping[str, str]:
    return {each["study_instance_uid"]: " ".join(each["reasons"]) for each in watch.entries()}
