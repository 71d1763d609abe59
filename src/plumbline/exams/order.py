"""What was asked for: the order of an exam and what it says of the operation. Every fact keeps its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from plumbline.anatomy.levels import Level
from plumbline.errors import InvalidInput
from plumbline.exams.facts import RedFlag, SourceKind
from plumbline.exams.spine_text import read_spine_text
from plumbline.exams.study import Study
from plumbline.exams.surgery_text import Tense

__all__ = ["Order", "Plan", "RedFlag", "SourceKind", "order_from_header", "order_from_text", "plan_from_text"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the operation was meant to be, e.g. from ``"L4-L5 TLIF"``."""

    levels: tuple[Level, ...]
    procedures: tuple[str, ...]
    """Canonical procedure words of ``exams.surgery_text``, e.g. ``TLIF``."""
    side: str | None
    surgery_date: date | None
    source: SourceKind
    text: str
    """The words it was read from."""


@dataclass(frozen=True, slots=True)
class Order:
    """An imaging order that belongs to a study (by accession number or Study Instance UID)."""

    text: str
    source: SourceKind
    plan: Plan | None = None
    indication: str | None = None
    red_flags: tuple[RedFlag, ...] = ()
    priority: str | None = None
    accession_number: str | None = None


def plan_from_text(text: str, *, surgery_date: date | None = None, source: SourceKind = SourceKind.OPERATOR) -> Plan:
    """What was planned, from a text that is only about it, e.g. ``"L4-L5 TLIF"``.

    Raises
    ------
    InvalidInput
        When the text names neither a level nor a procedure.
    """
    read = read_spine_text(text, source=source)
    if not read.levels and not read.procedures:
        raise InvalidInput("the plan names neither a level nor a procedure", remedy='Write it like "L4-L5 TLIF".')
    when = surgery_date or (read.surgery_date.exact if read.surgery_date else None)
    return Plan(read.levels, read.procedures, read.side, when, source, text)


def order_from_text(text: str, *, source: SourceKind, reference_date: date | None = None) -> Order:
    """An order from its words: the operation it tells of (done or planned) and its red flags.

    A text that names no procedure gives an order without a plan.
    """
    read = read_spine_text(text, source=source, reference_date=reference_date)
    named = [op for op in read.operations if op.procedures and op.tense is not Tense.DENIED]
    if not named:
        return Order(text=text, source=source, red_flags=read.red_flags)
    last = named[-1]
    levels = last.levels or (read.levels if len(named) == 1 else ())
    plan = Plan(levels, last.procedures, last.side, last.when.exact if last.when else None, source, text)
    return Order(text=text, source=source, plan=plan, red_flags=read.red_flags)


def order_from_header(study: Study) -> Order | None:
    """The weakest order: what the study's own header says; None where the header has no text."""
    parts = (
        study.requested_procedure_description,
        *study.reason_for_study,
        *study.admitting_diagnoses,
        study.description,
    )
    texts = tuple(dict.fromkeys(part.strip() for part in parts if part and part.strip()))
    if not texts:
        return None
    written = study.performed_at.date() if study.performed_at else None
    order = order_from_text("\n".join(texts), source=SourceKind.HEADER_TEXT, reference_date=written)
    return replace(order, accession_number=study.accession_number)
