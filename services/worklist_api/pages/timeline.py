"""The patient's spine over time: operations and exams, which were compared, and why the others were not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from plumbline.worklist.results import ExamResult

CURRENT = "current"
_ROLE_WORDS = {"baseline": "Baseline", "preoperative": "Preoperative exam", "prior": "Last prior"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of the timeline."""

    kind: str
    """``operation``, ``current``, the role of a chosen exam, or ``other``."""
    title: str
    on: date | None
    is_approximate: bool
    days_since_surgery: int | None
    sentences: Sequence[str]
    study_instance_uid: str | None = None
    has_page: bool = False


def timeline(
    study_instance_uid: str,
    document: Mapping[str, Any],
    story: Mapping[str, Any],
    results: Mapping[str, ExamResult],
) -> list[Moment]:
    """Operations and exams in the order of time; what has no date comes last.

    Parameters
    ----------
    story
        What matching left: ``history`` and ``days_since_surgery`` by study.
    results
        Results of the exams that have one, by Study Instance UID: their dates and pages.
    """
    operations = (story.get("history") or {}).get("operations") or []
    days = story.get("days_since_surgery") or {}
    moments = [*map(_operation, operations)]
    candidates = [*(document.get("references") or []), *(document.get("considered") or [])]
    for each in candidates:
        if each.get("study_instance_uid") != study_instance_uid:
            moments.append(_exam(each, days, operations, results))
    moments.append(_current(study_instance_uid, document))
    return sorted(moments, key=lambda each: (each.on is None, each.on or date.max, each.kind != "operation"))


def _operation(operation: Mapping[str, Any]) -> Moment:
    earliest, latest = _day(operation.get("earliest")), _day(operation.get("latest"))
    procedures = ", ".join(operation.get("procedures") or []) or "Operation"
    levels = ", ".join(operation.get("levels") or [])
    said = [operation.get("evidence"), operation.get("doubt")]
    return Moment(
        kind="operation",
        title=f"{procedures} {levels}".strip(),
        on=latest or earliest,
        is_approximate=earliest != latest,
        days_since_surgery=None,
        sentences=[each for each in said if each],
    )


def _exam(
    candidate: Mapping[str, Any],
    days: Mapping[str, int | None],
    operations: Sequence[Mapping[str, Any]],
    results: Mapping[str, ExamResult],
) -> Moment:
    uid, role = str(candidate.get("study_instance_uid")), candidate.get("role")
    result = results.get(uid)
    own = (result.document.get("exam") or {}) if result else {}
    since = days.get(uid)
    on = _day(own.get("performed_at")) or _counted(since, operations)
    return Moment(
        kind=str(role or "other"),
        title=_ROLE_WORDS.get(str(role), "Not chosen"),
        on=on,
        is_approximate=False,
        days_since_surgery=since if since is not None else own.get("days_since_surgery"),
        sentences=list(candidate.get("reasons") or []),
        study_instance_uid=uid,
        has_page=result is not None,
    )


def _current(study_instance_uid: str, document: Mapping[str, Any]) -> Moment:
    exam = document.get("exam") or {}
    return Moment(
        kind=CURRENT,
        title="This exam",
        on=_day(exam.get("performed_at")),
        is_approximate=False,
        days_since_surgery=exam.get("days_since_surgery"),
        sentences=[each for each in (exam.get("description"),) if each],
        study_instance_uid=study_instance_uid,
    )


def _counted(since: int | None, operations: Iterable[Mapping[str, Any]]) -> date | None:
    """Day of an exam from the days since the last operation; None where that has no certain day."""
    days = [_day(each.get("latest")) for each in operations if each.get("earliest") == each.get("latest")]
    known = [each for each in days if each]
    return known[-1] + timedelta(days=since) if known and len(known) == 1 and since is not None else None


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
