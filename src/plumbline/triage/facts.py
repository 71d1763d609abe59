"""What triage rules may ask about: facts of the exam, of its order, and what the checks found.

Each fact has a name that rule files use. A fact that is not known is None and never satisfies a
condition other than ``is_known: false``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from plumbline.checks.finding import Finding
from plumbline.exams.history import SurgicalHistory
from plumbline.exams.order import Order
from plumbline.exams.recognition import Recognition

FactValue = str | float | bool | frozenset[str] | None

EXAM_FACTS: Mapping[str, str] = {
    "exam.kind": "postoperative-spine, spine or other",
    "exam.modality": "DICOM modality, e.g. CT",
    "exam.projection": "lateral, ap or oblique",
    "exam.position": "standing, supine, flexion, extension...",
    "exam.regions": "set of C, T, L",
    "exam.days_since_surgery": "days since the last operation before the exam",
    "exam.phase": "postoperative, intermediate or late (FBS24)",
    "exam.has_operation": "whether an operation before the exam is known",
    "exam.has_baseline": "whether a valid baseline was found; not known before matching",
    "exam.is_measured": "whether the checks have run",
    "order.red_flags": "set of red flags",
    "order.priority": "stat, urgent or routine, as ordered",
    "order.procedures": "set of canonical procedure words",
}
"""Names that a condition may use, with their meaning."""

_ORDERED_PRIORITY = {
    **dict.fromkeys(("S", "STAT", "HIGH", "EMERGENCY", "ASAP"), "stat"),
    **dict.fromkeys(("A", "U", "URGENT", "MEDIUM", "P", "PREOP"), "urgent"),
    **dict.fromkeys(("R", "ROUTINE", "LOW", "C", "T"), "routine"),
}
"""Spellings of HL7 TQ1-9 (table 0485), DICOM (0040,1003) and FHIR."""


@dataclass(frozen=True)
class Facts:
    """Everything a rule can see. ``findings`` is empty before the checks have run."""

    values: Mapping[str, FactValue]
    findings: tuple[Finding, ...] = ()

    def __getitem__(self, name: str) -> FactValue:
        return self.values.get(name)


def provisional_facts(
    orders: Order | Iterable[Order] | None,
    history: SurgicalHistory | None,
    recognition: Recognition,
    *,
    performed_on: date | None = None,
) -> Facts:
    """Facts from order, history and header alone, before any pixel is read.

    Parameters
    ----------
    performed_on
        Day of the exam; without it the time since surgery is not known.
    """
    belonging = [orders] if isinstance(orders, Order) else list(orders or ())
    days = history.days_since_surgery(performed_on) if history and performed_on else None
    phase = history.phase_at(performed_on) if history and performed_on else None
    return Facts(
        {
            "exam.kind": recognition.kind.value,
            "exam.modality": recognition.modality,
            "exam.projection": recognition.projection,
            "exam.position": recognition.position,
            "exam.regions": frozenset(recognition.regions),
            "exam.days_since_surgery": float(days) if days is not None else None,
            "exam.phase": phase.value if phase else None,
            "exam.has_operation": bool(history and history.before(performed_on)),
            "exam.has_baseline": None,
            "exam.is_measured": False,
            "order.red_flags": frozenset(flag.value for order in belonging for flag in order.red_flags),
            "order.priority": _ordered_priority(belonging),
            "order.procedures": frozenset(
                name for order in belonging if order.plan is not None for name in order.plan.procedures
            ),
        }
    )


def with_findings(facts: Facts, findings: Sequence[Finding], *, has_baseline: bool | None = None) -> Facts:
    """The same facts once matching and the checks are done; nothing that was known before is taken away."""
    measured = {**facts.values, "exam.is_measured": True, "exam.has_baseline": has_baseline}
    return replace(facts, values=measured, findings=tuple(findings))


def _ordered_priority(orders: Sequence[Order]) -> str | None:
    """The most urgent priority that any of the orders asks for."""
    asked = {_ORDERED_PRIORITY.get((order.priority or "").strip().upper()) for order in orders}
    return next((priority for priority in ("stat", "urgent", "routine") if priority in asked), None)
