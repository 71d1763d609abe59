"""The surgical history of one patient: operations with their dates or intervals, merged from all sources.

The operator's word counts more than the operative record, that more than the order, that more than
header text, that more than what the images show. Where two sources tell of the same operation and
disagree, the stronger one wins visibly: the other is kept with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from plumbline.anatomy.levels import Level
from plumbline.exams.facts import SourceKind
from plumbline.exams.order import Order, Plan
from plumbline.exams.spine_text import OperationText, SpineText, read_spine_text
from plumbline.exams.study import Study
from plumbline.exams.surgery_text import Tense

REGION_OF_PROCEDURE = {
    "TLIF": "L",
    "PLIF": "L",
    "ALIF": "L",
    "LLIF": "L",
    "OLIF": "L",
    "ACDF": "C",
    "LAMINOPLASTY": "C",
}
"""Region of the spine where a procedure can only be done, for operations without a named level."""
INSTRUMENTED = frozenset(
    {"TLIF", "PLIF", "ALIF", "LLIF", "OLIF", "ACDF", "FUSION", "INSTRUMENTATION", "DISC_REPLACEMENT"}
)
"""Procedures after which metal is expected in the images."""


class Phase(StrEnum):
    """Time since surgery as the clinic divides it (FBS24)."""

    POSTOPERATIVE = "postoperative"
    INTERMEDIATE = "intermediate"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class PhaseLimits:
    """Last day of the first two phases: 6 weeks and 6 months (FBS24)."""

    postoperative_days: int = 42
    intermediate_days: int = 183

    def phase(self, days: int) -> Phase:
        """Phase of a day counted from the operation."""
        if days <= self.postoperative_days:
            return Phase.POSTOPERATIVE
        return Phase.INTERMEDIATE if days <= self.intermediate_days else Phase.LATE


@dataclass(frozen=True, slots=True)
class MergeTolerance:
    """How far two accounts of one operation may be apart."""

    days: int = 21
    """Days between the two dates: a date of admission, a slip of the pen, "about 3 months ago"."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, or the interval in which one must have happened.

    ``earliest`` and ``latest`` are the same day where the date is known; None where that end is open.
    ``confidence`` is 0 to 1. ``evidence`` is a sentence: where it is known from.
    """

    earliest: date | None
    latest: date | None
    levels: tuple[Level, ...]
    procedures: tuple[str, ...]
    source: SourceKind
    confidence: float
    evidence: str
    side: str | None = None
    doubt: str | None = None

    @property
    def exact_date(self) -> date | None:
        """The day of the operation, None where only an interval is known."""
        return self.earliest if self.earliest is not None and self.earliest == self.latest else None

    @property
    def best_date(self) -> date | None:
        """The day, or the middle of the interval; None where an end of it is open."""
        if self.earliest is None or self.latest is None:
            return None
        return self.earliest + (self.latest - self.earliest) / 2

    @property
    def regions(self) -> frozenset[str]:
        """Region letters of the operated levels, or of the procedure; empty where neither says it."""
        letters = {vertebra.region for level in self.levels for vertebra in (level.above, level.below)}
        letters |= {
            REGION_OF_PROCEDURE[name] for name in self.procedures if not letters and name in REGION_OF_PROCEDURE
        }
        return frozenset(letters)

    @property
    def is_instrumented(self) -> bool:
        """Whether metal is expected in the images afterwards."""
        return bool(INSTRUMENTED & set(self.procedures))


@dataclass(frozen=True, slots=True)
class OverruledFact:
    """What a weaker source said and why it does not count."""

    source: SourceKind
    fact: str
    reason: str


@dataclass(frozen=True)
class SurgicalHistory:
    """The operations of one patient, the oldest first, and what was overruled on the way.

    ``is_denied`` is True where a text says that there never was an operation and nothing says otherwise.
    """

    operations: tuple[Operation, ...] = ()
    planned: tuple[Operation, ...] = ()
    """Operations that were only announced; ``earliest`` is the day of the announcement."""
    overruled: tuple[OverruledFact, ...] = ()
    is_denied: bool = False
    limits: PhaseLimits = field(default_factory=PhaseLimits)

    def before(self, day: date | None) -> tuple[Operation, ...]:
        """Operations that may have happened by that day, the oldest first; all where the day is unknown."""
        return tuple(op for op in self.operations if day is None or op.earliest is None or op.earliest <= day)

    def done_by(self, day: date | None) -> tuple[Operation, ...]:
        """Operations that had happened by that day, the oldest first.

        One whose date is not known at all counts: who names it speaks of the past. One whose interval
        ends later does not.
        """
        return tuple(op for op in self.before(day) if day is None or op.latest is None or op.latest <= day)

    def last_operation(self, day: date | None) -> Operation | None:
        """The last operation that may have happened by that day; one that cannot be dated only where none can."""
        operations = self.before(day)
        dated = [op for op in operations if op.best_date is not None]
        return (dated or operations)[-1] if operations else None

    def days_since_surgery(self, day: date) -> int | None:
        """Days from the last operation to ``day``, from the middle of its interval; None where not known."""
        operation = self.last_operation(day)
        if operation is None or operation.best_date is None:
            return None
        return max((day - operation.best_date).days, 0)

    def phase_at(self, day: date) -> Phase | None:
        """Phase of an exam of that day; None without a dated operation."""
        days = self.days_since_surgery(day)
        return None if days is None else self.limits.phase(days)


def history_from_studies(
    studies: Sequence[Study],
    orders: Iterable[Order] = (),
    plan: Plan | None = None,
    hardware_seen: Mapping[str, bool | None] | None = None,
    *,
    tolerance: MergeTolerance | None = None,
    limits: PhaseLimits | None = None,
) -> SurgicalHistory:
    """Merge all that is known of one patient's operations.

    Parameters
    ----------
    studies
        Studies of one patient (the caller has made sure, ``exams.identity``), in any order.
    orders
        Orders of any of them; tied to a study by accession number for "3 months ago".
    plan
        What the operator said for the exam at hand.
    hardware_seen
        By Study Instance UID: metal in the spine seen, looked for and not seen, or (None) not known.
    """
    facts = [
        *_facts_from_plan(plan),
        *(fact for order in orders for fact in _facts_from_order(order, studies)),
        *(fact for study in studies for fact in _facts_from_header(study)),
        *_facts_from_images(studies, hardware_seen or {}),
    ]
    done = sorted((fact for fact in facts if fact.tense is Tense.DONE), key=_strength)
    merged, overruled = _merge(done, tolerance or MergeTolerance())
    planned = tuple(fact.operation for fact in facts if fact.tense is Tense.PLANNED)
    denied = any(fact.tense is Tense.DENIED for fact in facts)
    if denied and merged:
        strongest = max(operation.source for operation in merged)
        overruled.append(OverruledFact(SourceKind.HEADER_TEXT, "no operation", f"{strongest.label} tells of one"))
    return SurgicalHistory(
        operations=tuple(sorted(merged, key=_when)),
        planned=planned,
        overruled=tuple(overruled),
        is_denied=denied and not merged,
        limits=limits or PhaseLimits(),
    )


@dataclass(frozen=True, slots=True)
class _Fact:
    tense: Tense
    operation: Operation


_CONFIDENCE = {
    SourceKind.OPERATOR: 0.99,
    SourceKind.OPERATIVE_RECORD: 0.98,
    SourceKind.ORDER: 0.9,
    SourceKind.HEADER_TEXT: 0.75,
    SourceKind.IMAGES: 0.9,
}
_UNSTATED_FACTOR = 0.6
"""An order or a header names a procedure, but neither when nor whether it was done."""


def _strength(fact: _Fact) -> tuple[int, int, bool]:
    operation = fact.operation
    known = operation.earliest is not None and operation.latest is not None
    width = (operation.latest - operation.earliest).days if known else 10**6  # type: ignore[operator]
    return -int(operation.source), width, not operation.levels


def _when(operation: Operation) -> tuple[date, date]:
    latest = operation.latest or date.max
    return operation.best_date or latest, latest


def _facts_from_plan(plan: Plan | None) -> Iterator[_Fact]:
    if plan is None:
        return
    evidence = f"The {plan.source.label} names the operation."
    confidence = _CONFIDENCE[plan.source]
    day = plan.surgery_date
    yield _Fact(
        Tense.DONE, Operation(day, day, plan.levels, plan.procedures, plan.source, confidence, evidence, plan.side)
    )


def _facts_from_order(order: Order, studies: Sequence[Study]) -> Iterator[_Fact]:
    own = next((s for s in studies if order.accession_number and s.accession_number == order.accession_number), None)
    written = own.performed_at.date() if own and own.performed_at else None
    read = read_spine_text(order.text, source=order.source, reference_date=written)
    facts = list(_facts_from_text(read, written))
    plan = order.plan
    if plan is not None and not any(fact.operation.procedures for fact in facts):
        facts += _facts_from_plan(plan)
    elif plan is not None and plan.surgery_date is not None:
        facts = [_dated(fact, plan) for fact in facts]
    yield from facts


def _dated(fact: _Fact, plan: Plan) -> _Fact:
    """Put the date that the order gives in a field of its own into what its text says."""
    if fact.operation.exact_date is not None or not set(fact.operation.procedures) & set(plan.procedures):
        return fact
    dated = replace(fact.operation, earliest=plan.surgery_date, latest=plan.surgery_date)
    return _Fact(fact.tense if fact.tense is not Tense.UNSTATED else Tense.DONE, dated)


def _facts_from_header(study: Study) -> Iterator[_Fact]:
    written = study.performed_at.date() if study.performed_at else None
    texts = dict.fromkeys(
        text.strip()
        for text in (
            study.requested_procedure_description,
            study.description,
            *study.reason_for_study,
            *study.admitting_diagnoses,
            *(series.description for series in study.series),
        )
        if text and text.strip()
    )
    for text in texts:
        yield from _facts_from_text(
            read_spine_text(text, source=SourceKind.HEADER_TEXT, reference_date=written), written
        )


def _facts_from_text(read: SpineText, written: date | None) -> Iterator[_Fact]:
    if read.is_postoperative is False and not read.operations:
        yield _Fact(Tense.DENIED, Operation(None, None, (), (), read.source, 0.0, "The text denies an operation."))
    for number, told in enumerate(read.operations):
        levels = told.levels or (read.levels if len(read.operations) == 1 or number == 0 else ())
        yield _fact_from_operation(replace(told, levels=levels), read.source, written)
    if not read.operations and read.is_postoperative:
        implied = OperationText(Tense.DONE, read.levels, read.vertebrae, (), read.side, None)
        yield _fact_from_operation(implied, read.source, written)


def _fact_from_operation(told: OperationText, source: SourceKind, written: date | None) -> _Fact:
    is_planned = told.tense is Tense.PLANNED
    if told.when is not None:
        earliest, latest = told.when.earliest, told.when.latest
    else:
        earliest, latest = (written, None) if is_planned else (None, written)
    if latest is not None and written is not None and not is_planned:
        latest = max(min(latest, written), earliest or min(latest, written))
    is_bare = told.tense is Tense.UNSTATED and told.when is None and source < SourceKind.OPERATIVE_RECORD
    factor = _UNSTATED_FACTOR if is_bare else 1.0
    verb = {Tense.DONE: "tells of an operation done", Tense.PLANNED: "announces an operation"}.get(
        told.tense, "names an operation"
    )
    operation = Operation(
        earliest=earliest,
        latest=latest,
        levels=told.levels,
        procedures=told.procedures,
        source=source,
        confidence=_CONFIDENCE[source] * factor,
        evidence=f"The {source.label} {verb}.",
        side=told.side,
        doubt=told.when.doubt if told.when else None,
    )
    return _Fact(Tense.PLANNED if is_planned else Tense.DONE, operation)


def _facts_from_images(studies: Sequence[Study], hardware_seen: Mapping[str, bool | None]) -> Iterator[_Fact]:
    """The interval in which the first hardware must have been put in: absent before, present after."""
    looked = sorted(
        (study.performed_at.date(), bool(hardware_seen[study.study_instance_uid]))
        for study in studies
        if study.performed_at is not None and hardware_seen.get(study.study_instance_uid) is not None
    )
    first_with = next((day for day, seen in looked if seen), None)
    if first_with is None:
        return
    last_without = max((day for day, seen in looked if not seen and day <= first_with), default=None)
    evidence = f"Hardware is in the images of {first_with.isoformat()}" + (
        f" and was not in those of {last_without.isoformat()}." if last_without else "."
    )
    yield _Fact(
        Tense.DONE,
        Operation(
            last_without,
            first_with,
            (),
            ("INSTRUMENTATION",),
            SourceKind.IMAGES,
            _CONFIDENCE[SourceKind.IMAGES],
            evidence,
        ),
    )


def _merge(facts: Sequence[_Fact], tolerance: MergeTolerance) -> tuple[list[Operation], list[OverruledFact]]:
    """Fold facts, the strongest first, into operations."""
    merged: list[Operation] = []
    overruled: list[OverruledFact] = []
    for fact in facts:
        same = [i for i, op in enumerate(merged) if _are_one(op, fact.operation, tolerance)]
        if not same:
            merged.append(fact.operation)
            continue
        chosen = max(same, key=lambda i: _fit(merged[i], fact.operation))
        merged[chosen], losers = _combine(merged[chosen], fact.operation)
        overruled += losers
    return merged, overruled


def _fit(known: Operation, told: Operation) -> tuple[bool, bool, tuple[date, date]]:
    """Which of several operations an account is of: one that it agrees with as it stands, the last of those.

    "s/p" written on a day is true of any operation before that day, so it must not narrow a later one.
    """
    holds = told.latest is None or (known.latest is not None and known.latest <= told.latest)
    return _shares_level(known, told), holds, _when(known)


def _shares_level(first: Operation, second: Operation) -> bool:
    return bool(set(first.levels) & set(second.levels))


def _are_one(known: Operation, told: Operation, tolerance: MergeTolerance) -> bool:
    """Whether two accounts can be of the same operation."""
    if known.regions and told.regions and not known.regions & told.regions:
        return False
    gap = _gap_days(known, told)
    if gap > tolerance.days:
        return False
    if known.levels and told.levels and not _shares_level(known, told):
        return _is_same_with_another_level(known, told)
    return True


def _is_same_with_another_level(known: Operation, told: Operation) -> bool:
    """Whether an account that names another level is a mistake about a known operation rather than a second one.

    It is on the same day; or header text, the weakest of words, names a level for an operation of the
    same kind without saying when it was.
    """
    if known.exact_date is not None and known.exact_date == told.exact_date:
        return True
    is_vague = told.earliest is None and told.source is SourceKind.HEADER_TEXT and told.source < known.source
    return is_vague and (not told.procedures or bool(set(told.procedures) & set(known.procedures)))


def _gap_days(first: Operation, second: Operation) -> int:
    """Days between two intervals, 0 where they overlap; open ends reach as far as they can."""
    start = max(first.earliest or date.min, second.earliest or date.min)
    end = min(first.latest or date.max, second.latest or date.max)
    return max((start - end).days, 0)


def _combine(strong: Operation, weak: Operation) -> tuple[Operation, list[OverruledFact]]:
    """What the stronger account leaves open the weaker may fill; where they disagree it is overruled."""
    losers: list[OverruledFact] = []
    reason = f"the {strong.source.label} says otherwise"
    earliest, latest, doubt = strong.earliest, strong.latest, strong.doubt
    if _gap_days(strong, weak) == 0:
        earliest = max((day for day in (strong.earliest, weak.earliest) if day), default=None)
        latest = min((day for day in (strong.latest, weak.latest) if day), default=None)
        doubt = None if earliest == latest else strong.doubt
    else:
        losers.append(OverruledFact(weak.source, f"operation {_interval_words(weak)}", reason))
    if weak.levels and strong.levels and set(weak.levels) != set(strong.levels):
        named = ", ".join(level.name for level in weak.levels)
        losers.append(OverruledFact(weak.source, f"operation at {named}", reason))
    if weak.side and strong.side and weak.side != strong.side:
        losers.append(OverruledFact(weak.source, f"side {weak.side}", reason))
    combined = replace(
        strong,
        earliest=earliest,
        latest=latest,
        levels=strong.levels or weak.levels,
        procedures=_procedures(strong, weak),
        side=strong.side or weak.side,
        doubt=doubt,
        confidence=1 - (1 - strong.confidence) * (1 - weak.confidence * 0.5) if not losers else strong.confidence,
    )
    return combined, losers


def _procedures(strong: Operation, weak: Operation) -> tuple[str, ...]:
    if not strong.procedures or strong.procedures == ("INSTRUMENTATION",):
        return weak.procedures or strong.procedures
    return strong.procedures


def _interval_words(operation: Operation) -> str:
    if operation.exact_date is not None:
        return f"on {operation.exact_date.isoformat()}"
    start = operation.earliest.isoformat() if operation.earliest else "an unknown day"
    end = operation.latest.isoformat() if operation.latest else "an unknown day"
    return f"between {start} and {end}"


def is_after(operation: Operation, day: date, *, slack: timedelta = timedelta(0)) -> bool | None:
    """Whether an exam of ``day`` was made after the operation; None where that cannot be told from dates.

    An exam of the very day of the operation cannot be told.
    """
    if operation.latest is not None and day > operation.latest + slack:
        return True
    if operation.earliest is not None and day < operation.earliest:
        return False
    return None
