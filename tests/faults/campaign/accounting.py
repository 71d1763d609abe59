"""What became of every exam at the end, and what of that must not be.

| kind | ends as | current reports in the archive | readings on the worklist |
|---|---|---|---|
| follow-up, baseline, alone | done | exactly one | exactly one, with the priority of the result |
| ends-early | not applicable | none | none |
| poison | failed, after three attempts | none | exactly one, which says so |

A report is current unless another one names it as its predecessor: an exam that grew, or of which news came, is
reported again as a new revision, and the report of the old one stays in the archive, superseded. More reports than
revisions are doubled all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.campaign.patients import Kind, PlannedExam

ATTEMPTS = 3
NOT_COMPARED = "was not compared"


class Wrong(StrEnum):
    """What may be wrong with an exam."""

    LOST = "lost"
    """It never came, failed, or lacks its report, its reading or its priority."""
    DOUBLED = "doubled"
    """It has more than it may have."""
    STUCK = "stuck"
    """It has not come to an end."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the database, the archive and the worklist have of one exam."""

    state: str | None
    """None where the exam never came."""
    note: str | None = None
    revision: int = 0
    open_steps: int = 0
    """Steps that are due, waiting or held."""
    attempts: int = 0
    """Attempts at comparing it, in the newest revision."""
    reports: int = 0
    """Structured reports in the archive."""
    current_reports: int = 0
    """Those of them that no other one supersedes."""
    readings: Sequence[str] = ()
    """Priorities of its reading workitems."""
    reasons: str = ""
    """What its line on the worklist says."""
    result_priority: str | None = None
    """Priority in the result document."""
    is_told_failed: bool = False
    """Whether the page of the operator lists it among the failures."""


@dataclass(frozen=True)
class Verdict:
    """What is wrong with one exam, in words; nothing where all is well."""

    exam: PlannedExam
    found: Found
    wrong: Wrong | None = None
    sentence: str = ""


_ENDS = {Kind.ENDS_EARLY: "not-applicable", Kind.POISON: "failed"}
_REPORTED = frozenset({Kind.FOLLOW_UP, Kind.BASELINE, Kind.ALONE})


def judge(exam: PlannedExam, found: Found) -> Verdict:
    """Compare what was found of an exam with what has to become of its kind."""
    for wrong, sentence in _problems(exam.kind, found):
        return Verdict(exam, found, wrong, sentence)
    return Verdict(exam, found)


def _problems(kind: Kind, found: Found) -> Iterable[tuple[Wrong, str]]:
    if found.state is None:
        yield Wrong.LOST, "it never arrived"
        return
    if found.open_steps or found.state in ("receiving", "complete", "reference"):
        yield Wrong.STUCK, f"it is {found.state}, with {found.open_steps} open steps ({found.note})"
    expected = _ENDS.get(kind, "done")
    if found.state != expected:
        yield Wrong.LOST, f"it is {found.state} and should be {expected} ({found.note})"
    wanted_reports, wanted_readings = int(kind in _REPORTED), int(kind is not Kind.ENDS_EARLY)
    if found.current_reports > wanted_reports or found.reports > found.revision * wanted_reports:
        yield Wrong.DOUBLED, f"{found.reports} reports, {found.current_reports} of them current"
    if len(found.readings) > wanted_readings:
        yield Wrong.DOUBLED, f"{len(found.readings)} readings"
    if found.current_reports < wanted_reports:
        yield Wrong.LOST, "it has no report in the archive"
    if len(found.readings) < wanted_readings:
        yield Wrong.LOST, "it is not on the worklist"
    if kind in _REPORTED and [found.result_priority] != list(found.readings):
        yield Wrong.LOST, f"the worklist says {', '.join(found.readings)}, its result {found.result_priority}"


def is_poison_visible(found: Found) -> bool:
    """Whether the exam that crashes its worker was tried often enough, given up, and told to reader and operator."""
    return (
        found.state == "failed"
        and found.attempts == ATTEMPTS
        and NOT_COMPARED in found.reasons
        and found.is_told_failed
    )
