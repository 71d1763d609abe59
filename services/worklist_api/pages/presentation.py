"""How results are worded and laid out for readers. No decisions: only names, units and order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from plumbline.checks.finding import Status
from plumbline.triage.priority import Priority
from services.worklist_api.readings.schemas import Entry, ExamDetails

_UNITS = {"_mm": "mm", "_deg": "°", "_mm2": "mm²", "_ml": "ml", "_hu": "HU", "_percent": "%"}
_STATUS_ORDER = [status.value for status in (Status.POSITIVE, Status.FAILED, Status.INDETERMINATE, Status.NEGATIVE)]
_STATUS_WORDS = {
    "positive": "Positive",
    "negative": "Negative",
    "indeterminate": "Could not tell",
    "not-applicable": "Not applicable",
    "failed": "Check failed",
}
_STATE_WORDS = {
    "SCHEDULED": "Waiting",
    "IN PROGRESS": "Being read",
    "COMPLETED": "Read",
    "CANCELED": "Cancelled",
}
_UNMET = re.compile(r"(?P<fact>\S+) .*: it is (?P<value>.*)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """One measured value, ready to be shown."""

    name: str
    value: str
    uncertainty: str
    unit: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding, ready to be shown."""

    name: str
    level: str | None
    status: str
    status_words: str
    reasons: Sequence[str]
    measurements: Sequence[MeasurementRow]
    reference: str | None
    sources: Sequence[str]
    landmarks: Sequence[Mapping[str, Any]] = ()
    """Points that readers set, on which the finding rests."""


@dataclass(frozen=True, slots=True)
class ExamView:
    """The parts of a result document in the order a reader wants them."""

    reasons: Sequence[str]
    priority: str
    findings: Sequence[FindingView]
    quiet_findings: Sequence[FindingView]
    missing: Mapping[str, str]
    current: Mapping[str, Any]
    exam: Mapping[str, Any]
    report: str | None
    warnings: Sequence[str]


def exam_view(details: ExamDetails) -> ExamView:
    """Arrange a result document; positive findings first, those that do not apply apart."""
    document = details.result
    triage = document.get("triage") or {}
    reasons = list(triage.get("reasons") or [])
    findings = sorted(map(_finding, document.get("findings") or []), key=_finding_order)
    return ExamView(
        reasons=reasons or ["Nothing was found that changes the order of reading."],
        priority=triage.get("priority") or Priority.ROUTINE.value,
        findings=[each for each in findings if each.status != Status.NOT_APPLICABLE.value],
        quiet_findings=[each for each in findings if each.status == Status.NOT_APPLICABLE.value],
        missing=document.get("missing") or {},
        current=document.get("current") or {},
        exam=document.get("exam") or {},
        report=(document.get("report") or {}).get("sr"),
        warnings=document.get("warnings") or [],
    )


def _finding(document: Mapping[str, Any]) -> FindingView:
    status = str(document.get("status"))
    measured = document.get("measurements") or {}
    return FindingView(
        name=check_name(str(document.get("check", ""))),
        level=document.get("level"),
        status=status,
        status_words=status_words(status),
        reasons=document.get("reasons") or [],
        measurements=[_measurement(key, value) for key, value in measured.items() if value],
        reference=document.get("reference"),
        sources=document.get("sources") or [],
        landmarks=document.get("landmarks") or [],
    )


def _finding_order(finding: FindingView) -> tuple[int, str, str]:
    known = finding.status in _STATUS_ORDER
    rank = _STATUS_ORDER.index(finding.status) if known else len(_STATUS_ORDER)
    return rank, finding.name, finding.level or ""


def _measurement(key: str, value: Mapping[str, float]) -> MeasurementRow:
    name, unit = split_unit(key)
    return MeasurementRow(
        name=words(name), value=number(value.get("value")), uncertainty=number(value.get("uncertainty_95")), unit=unit
    )


def split_unit(key: str) -> tuple[str, str]:
    """Name and unit of a measurement's key; the unit may stand before ``_above`` or at the end."""
    for suffix, unit in sorted(_UNITS.items(), key=lambda pair: -len(pair[0])):
        if key.endswith(suffix):
            return key.removesuffix(suffix), unit
    return key, ""


def words(key: str) -> str:
    """``translation_posterior_above`` as ``Translation posterior (against the vertebra above)``."""
    against_above = key.endswith("_above")
    text = key.removesuffix("_above").replace("_", " ").strip().capitalize()
    return f"{text} (against the vertebra above)" if against_above else text


def number(value: float | None) -> str:
    """One decimal, a true minus sign; a dash where there is nothing."""
    return "–" if value is None else f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−")


def counts(entries: Sequence[Entry]) -> dict[str, int]:
    """How many entries have each priority, the most urgent first."""
    found = Counter(entry.priority for entry in entries)
    return {priority.value: found[priority.value] for priority in Priority}


def day(value: date | datetime | str | None) -> str:
    """``1 Mar 2026``, or a dash."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    return f"{value.day} {value:%b %Y}" if value else "–"


def moment(value: datetime | None) -> str:
    """``1 Mar 2026, 09:30`` in UTC, or a dash."""
    return f"{value.day} {value:%b %Y, %H:%M} UTC" if value else "–"


def instant(value: datetime | None) -> str:
    """``1 Mar 2026, 09:30:07`` in UTC, for logs."""
    return f"{value.day} {value:%b %Y, %H:%M:%S} UTC" if value else "–"


def position(value: str) -> str:
    """How far a source was read: a number as it is, a time as people read it."""
    if value.isdecimal():
        return value
    try:
        return instant(datetime.fromisoformat(value))
    except ValueError:
        return value


def age(since: datetime | None, now: datetime) -> str:
    """Time that has passed, as ``12 min``, ``3 h`` or ``2 d``."""
    if since is None:
        return "–"
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def state_words(state: str) -> str:
    """State of a reading, as a reader says it."""
    return _STATE_WORDS.get(state, state)


def operations(schema: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Operations of an OpenAPI document by tag, in the order of the document."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema.get("paths", {}).items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["Other"])[0]
            groups.setdefault(tag, []).append({"method": method.upper(), "path": path, **operation})
    return list(groups.items())


@dataclass(frozen=True, slots=True)
class Why:
    """Reasons of a priority as a list shows them: what first, on what it rests, and what else there is."""

    headline: str
    basis: str
    others: Sequence[str]
    further: int


def why(reasons: Sequence[str], shown: int = 3) -> Why:
    """First sentences of the reasons, each once; the second sentence of the first one is what it rests on.

    Where the first one is all that was said, as of an order's red flag, the next one keeps its second sentence, so
    that what was measured is not lost behind what was ordered.
    """
    split = [_SENTENCE_END.split(reason, maxsplit=2) for reason in reasons]
    told: dict[str, str] = {}
    for head, *rest in split:
        told.setdefault(head, rest[0] if rest else "")
    (first, basis), *others = told.items() or [("–", "")]
    lines = [head for head, _ in others]
    if others and not basis:
        lines[0] = " ".join(filter(None, others[0]))
    return Why(first, basis, lines[: shown - 1], max(0, len(told) - shown))


def firing_words(why: str) -> str:
    """Why a rule fired or did not, where its conditions and which of both stand beside it already."""
    told = why.removeprefix("Not fired, ").removeprefix("Fired: ")
    if found := _UNMET.match(told):
        return f"{found['fact']} is {found['value']}"
    return told if "." in told.partition(" ")[0] else told[:1].upper() + told[1:]


def check_name(check: str) -> str:
    """``spacer-migration`` as ``Spacer migration``."""
    return words(check.replace("-", "_"))


def status_words(status: str) -> str:
    """Status of a finding, as a reader says it."""
    return _STATUS_WORDS.get(status, status)


FILTERS: dict[str, Callable[..., Any]] = {
    "day": day,
    "age": age,
    "moment": moment,
    "instant": instant,
    "position": position,
    "state_words": state_words,
    "words": words,
    "check_name": check_name,
    "number": number,
    "status_words": status_words,
    "check_option": lambda check: (check, check_name(check)),
    "why": why,
    "firing_words": firing_words,
    "same_option": lambda value: (value, value),
}
