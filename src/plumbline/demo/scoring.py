"""Every patient's outcome against the truth: the exam's end, the worklist, the report as the archive holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plumbline.demo.ordering import ordered_exams
from plumbline.demo.patients import WrittenPatient
from plumbline.demo.watching import Watch
from plumbline.exams.facts import SourceKind
from plumbline.pipeline.ports import ExamState
from plumbline.reports.reading import ReadFinding, read_report

TOLERANCE_MM = 0.5
"""Largest error of a displacement on any axis at 1 mm slices (issue of the first path)."""

REAL_TOLERANCE_MM = 1.0
"""The same on the real CT of 3 mm voxels."""

AXES = ("translation_posterior_mm", "translation_cranial_mm", "translation_left_mm")


@dataclass(frozen=True)
class Verdict:
    """What was found for one patient, and what is wrong with it."""

    name: str
    outcome: str
    priority: str
    found: str
    worst_error_mm: float | None
    problems: tuple[str, ...]


def judge_patient(written: WrittenPatient, watch: Watch) -> Verdict:
    """Compare the outcome of a patient's last exam with the expectation."""
    uid = written.exams[-1].exam.header.study_instance_uid
    exam = watch.exam(uid)
    entry = next((each for each in watch.entries() if each["study_instance_uid"] == uid), None)
    reports = watch.reports(uid)
    findings = read_report(reports[0]) if reports else ()
    expected = written.patient.expectation
    problems: list[str] = []
    if exam is None:
        problems.append("the exam never arrived")
    elif not expected.is_on_worklist:
        problems += _problems_of_unlisted(exam.state, has_entry=entry is not None, has_report=bool(reports))
    else:
        problems += _problems_of_listed(written, exam.state, entry, findings)
        problems += _problems_of_order(written, watch.result(uid))
        wanted_reports = written.exams[-1].exam.parts
        if not 1 <= len(reports) <= wanted_reports:
            problems.append(f"{len(reports)} reports in the archive")
    return Verdict(
        name=written.patient.name,
        outcome=exam.state.value if exam else "absent",
        priority=entry["priority"] if entry else "",
        found=_found_words(findings),
        worst_error_mm=_worst_error(written, findings),
        problems=tuple(problems),
    )


def _problems_of_unlisted(state: ExamState, *, has_entry: bool, has_report: bool) -> Iterator[str]:
    if state is not ExamState.NOT_APPLICABLE:
        yield f"it should have ended early and is {state.value}"
    if has_entry or has_report:
        yield "it should not be on the worklist"


def _problems_of_listed(
    written: WrittenPatient, state: ExamState, entry: dict | None, findings: tuple[ReadFinding, ...]
) -> Iterator[str]:
    expected = written.patient.expectation
    if state is not ExamState.DONE:
        yield f"the exam is {state.value}"
    if entry is None:
        yield "it is not on the worklist"
    elif entry["priority"] not in expected.priorities:
        yield f"priority {entry['priority']} instead of {' or '.join(expected.priorities)}"
    if not findings:
        yield "there is no report in the archive"
        return
    for check, statuses in expected.statuses.items():
        told = _finding(findings, check)
        if told is None:
            yield f"{check} is missing"
        elif told.status is None or told.status.value not in statuses:
            yield f"{check} is {told.status} instead of {' or '.join(statuses)}"
        elif expected.level and told.level and expected.level not in told.level:
            yield f"{check} is at {told.level} instead of {expected.level}"
    error = _worst_error(written, findings)
    if expected.translation_mm is not None and error is None:
        yield "no displacement was measured"
    elif error is not None and error > (REAL_TOLERANCE_MM if written.is_real else TOLERANCE_MM):
        yield f"displacement wrong by {error:.2f} mm on an axis"


def _problems_of_order(written: WrittenPatient, result: Mapping[str, Any] | None) -> Iterator[str]:
    """An order that came by HL7 is a stronger source than the header, and has to show."""
    if not any(ordered_exams([written])):
        return
    reasons = [reason for finding in (result or {}).get("findings", ()) for reason in finding["reasons"]]
    if not any(f"source: {SourceKind.ORDER.label}" in reason for reason in reasons):
        yield "the order that came by HL7 was not used"


def _finding(findings: tuple[ReadFinding, ...], check: str) -> ReadFinding | None:
    return next((each for each in findings if each.check is not None and each.check.value == check), None)


def _worst_error(written: WrittenPatient, findings: tuple[ReadFinding, ...]) -> float | None:
    """Largest error of the displacement in the report, over the three axes."""
    truth = written.patient.expectation.translation_mm
    told = _finding(findings, "spacer-migration")
    if truth is None or told is None or not all(axis in told.measurements for axis in AXES):
        return None
    return max(abs(told.measurements[axis].value - true) for axis, true in zip(AXES, truth, strict=True))


def _found_words(findings: tuple[ReadFinding, ...]) -> str:
    return ", ".join(
        f"{each.check.value} {each.status.value}" for each in findings if each.check is not None and each.status
    )
