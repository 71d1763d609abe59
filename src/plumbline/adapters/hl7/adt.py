"""Which patient messages (ADT) are applied, which are acknowledged and passed over, and which a person must see.

Interface engines send one feed of everything, and some hold it up for ever at the first AR. So an event that
changes nothing here is acknowledged; one that changes which record is whose is never passed over in silence.
"""

from __future__ import annotations

_ADT = "ADT^"

MERGES = frozenset(_ADT + event for event in ("A18", "A34", "A36", "A40", "A47"))
"""Two records become one, or a record gets another identifier: PID-3 takes the place of MRG-1 (HL7 v2 chapter 3; IHE
PAM asks for A40 and A47, the others are what earlier versions had)."""

PASSED_OVER = frozenset(
    _ADT + f"A{number:02d}"
    for number in (
        *range(1, 18),
        *range(20, 24),
        *range(25, 30),
        *range(31, 34),
        35,
        38,
        41,
        42,
        *range(49, 56),
        60,
        61,
        62,
    )
)
"""Admissions, transfers, visits, accounts, demographics. Who an exam is of is read from its images and orders, so a
corrected birth date counts once the archive corrects the images; until then it contradicts them, and nothing is
compared."""

MOVES = frozenset(_ADT + event for event in ("A24", "A30", "A37", "A39", "A43", "A44", "A45", "A46", "A48"))
"""Links, unlinks and moves between patients, which are not carried out here: rejected, and kept for an operator."""
