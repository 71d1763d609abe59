"""One line of the board: what is shown of a reading, and what it can be found by. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plumbline.checks.finding import Status
from services.worklist_api.readings.schemas import Entry

_SHOWN = (Status.POSITIVE, Status.FAILED, Status.INDETERMINATE, Status.NEGATIVE)
"""Statuses that are worth a glance, in the order of the glance."""

Place = tuple[int, datetime, str]
"""Reading order: rank of the priority, age, and the UID so that the order is the same for everybody."""


@dataclass(frozen=True, slots=True)
class Brief:
    """One check's answer at a glance."""

    check: str
    level: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Line:
    """One reading on the board."""

    entry: Entry
    place: Place
    site: str | None
    reader: str | None
    """Who has it or had it; None where nobody claimed it here."""
    briefs: tuple[Brief, ...]
    searchable: str
    """Everything a search looks at, case folded."""

    @property
    def checks(self) -> frozenset[str]:
        """Checks that call for a reader: positive, failed, or could not tell."""
        return frozenset(each.check for each in self.briefs if each.status != Status.NEGATIVE.value)


def briefs_of(document: Mapping[str, Any]) -> tuple[Brief, ...]:
    """Answers of the checks that applied, positive ones first."""
    found = [
        Brief(str(each.get("check", "")), each.get("level"), str(each.get("status")))
        for each in document.get("findings") or []
    ]
    order = {status.value: rank for rank, status in enumerate(_SHOWN)}
    return tuple(sorted((each for each in found if each.status in order), key=lambda each: order[each.status]))


def searchable_text(entry: Entry, reader: str | None, briefs: Sequence[Brief]) -> str:
    """Text that a search looks at."""
    parts = (
        entry.patient_name,
        entry.patient_id,
        entry.accession_number,
        entry.exam,
        entry.modality,
        reader,
        *entry.reasons,
        *entry.levels,
        *(each.check.replace("-", " ") for each in briefs if each.status == Status.POSITIVE.value),
    )
    return " ".join(part for part in parts if part).casefold()
