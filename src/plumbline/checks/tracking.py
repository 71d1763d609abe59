"""One tracking UID for one implant, in every exam of the patient (TID 1501, Tracking Unique Identifier)."""

from __future__ import annotations

import uuid

from plumbline.checks.finding import TrackedImplant

_NAMESPACE = uuid.UUID("5b8d9c0e-3f0c-5d57-8a39-6d9c31f5a1b2")


def spacer_tracking(
    first_study_instance_uid: str, ordinal: int, level: str | None, *, beside: int = 0
) -> TrackedImplant:
    """Identity of a spacer, derived from the exam in which it was first measured and its place there.

    Parameters
    ----------
    first_study_instance_uid
        The baseline's, or the exam's own where there is no baseline.
    ordinal
        Index of the vertebra above it in that exam, cranial to caudal.
    level
        Level name for the identifier that people read; not part of the UID, because names may change.
    beside
        Which of several spacers at the level it is, from left to right.
    """
    place = f"{ordinal}/{beside}" if beside else f"{ordinal}"
    number = uuid.uuid5(_NAMESPACE, f"{first_study_instance_uid}/interbody-spacer/{place}").int
    which = f" ({beside + 1})" if beside else ""
    identifier = f"Interbody spacer {level or 'at an unnamed level'}{which}"
    return TrackedImplant(f"2.25.{number}", identifier, "interbody-spacer")


def screw_tracking(first_study_instance_uid: str, ordinal: int, side: str, vertebra: str | None) -> TrackedImplant:
    """Identity of a pedicle screw, derived like a spacer's.

    Parameters
    ----------
    ordinal
        Index of its vertebra in the exam in which it was first measured, cranial to caudal.
    side
        ``left`` or ``right``.
    vertebra
        Name for the identifier that people read; not part of the UID, because names may change.
    """
    number = uuid.uuid5(_NAMESPACE, f"{first_study_instance_uid}/pedicle-screw/{ordinal}/{side}").int
    identifier = f"Pedicle screw {vertebra or 'of an unnamed vertebra'} {side}"
    return TrackedImplant(f"2.25.{number}", identifier, "pedicle-screw")
