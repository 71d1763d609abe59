"""What a destination is to hide of what it was sent: named in a notice, made into a rejection note when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plumbline.pipeline.ports import ReportObject
from plumbline.reports.content import ReportingDevice
from plumbline.reports.published import as_file, header_of
from plumbline.reports.rejection_note import Rejection, RejectionReason, build_rejection_note

REJECTION_NOTE = "rejection-note"
"""Kind of report object."""
REJECTS = "rejects"
"""Key of a notice under which it names what is to be hidden."""

ObjectsOf = Callable[[str, int], Sequence[ReportObject]]
"""Report objects of a revision: Study Instance UID, revision."""


@dataclass(frozen=True)
class Decided:
    """Why objects do not hold any more, and by which revision."""

    reason: RejectionReason
    words: str
    revision: int
    at: datetime
    device_uid: str


def rejects_document(decided: Decided, revisions: Mapping[str, int]) -> dict[str, Any]:
    """The part of a notice that names what is to be hidden.

    Parameters
    ----------
    revisions
        Revision that each object is of, by SOP Instance UID.
    """
    return {
        "reason": decided.reason.value,
        "words": decided.words,
        "revision": decided.revision,
        "decided_at": decided.at.isoformat(),
        "device_uid": decided.device_uid,
        "objects": dict(revisions),
    }


def rejected_before(notice: Mapping[str, Any]) -> Mapping[str, int]:
    """Objects that a notice rejects: revision by SOP Instance UID."""
    return notice.get(REJECTS, {}).get("objects", {})


def rejection_notes(study_instance_uid: str, notice: Mapping[str, Any], objects_of: ObjectsOf) -> list[ReportObject]:
    """The rejection note that a notice asks for, or none. The same notice gives the same note."""
    revisions = rejected_before(notice)
    kept = [
        each
        for revision in sorted(set(revisions.values()))
        for each in objects_of(study_instance_uid, revision)
        if each.sop_instance_uid in revisions
    ]
    if not kept:
        return []
    asked = notice[REJECTS]
    note = build_rejection_note(
        Rejection(
            rejected=[header_of(each.part10) for each in kept],
            reason=RejectionReason(asked["reason"]),
            revision=asked["revision"],
            words=asked["words"],
            decided_at=datetime.fromisoformat(asked["decided_at"]),
            device=ReportingDevice(device_uid=asked["device_uid"]),
        )
    )
    return [
        ReportObject(
            sop_instance_uid=str(note.SOPInstanceUID),
            series_instance_uid=str(note.SeriesInstanceUID),
            sop_class_uid=str(note.SOPClassUID),
            kind=REJECTION_NOTE,
            part10=as_file(note),
        )
    ]
