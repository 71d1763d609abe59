"""What was asked for: the order of an exam and what it says of the operation. Every fact keeps its source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum

from plumbline.anatomy.levels import Level


class SourceKind(IntEnum):
    """Where a fact came from; the higher one wins where two disagree."""

    IMAGES = 1
    HEADER_TEXT = 2
    ORDER = 3
    OPERATIVE_RECORD = 4
    OPERATOR = 5
    """Typed by a person for this exam, e.g. on the command line."""


class RedFlag(StrEnum):
    """Situations that cannot wait (clinical.md, "What cannot wait")."""

    CAUDA_EQUINA = "cauda-equina"
    NEW_DEFICIT = "new-deficit"
    BLEEDING = "bleeding"
    INFECTION = "infection"
    RADICULAR_PAIN_ON_WAKING = "radicular-pain-on-waking"
    POSTURAL_HEADACHE = "postural-headache"
    CANCER = "cancer"
    NEW_PAIN_AFTER_PROCEDURE = "new-pain-after-procedure"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the operation was meant to be, e.g. from ``"L4-L5 TLIF"``."""

    levels: tuple[Level, ...]
    procedures: tuple[str, ...]
    """Canonical procedure words of ``exams.spine_text``, e.g. ``TLIF``."""
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
