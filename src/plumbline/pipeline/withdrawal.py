"""Taking back what a later revision makes wrong.

A report that another one replaces names it as its predecessor and stays in the archive as the record of what was
told. A key object selection has no such attribute (PS3.3 A.35.4), and readers would find two side by side: the
earlier one is removed. Where nothing follows, because the exam turns out not to be one of an operated spine, the report
goes, too, and with it the priority that routing reads; our own store keeps what was told.
"""

from __future__ import annotations

from plumbline.errors import InvalidInput, Misconfigured
from plumbline.pipeline.ports import PathPorts, Step

ARCHIVE = "archive"
"""Destination name of the archive that the exam came from."""
KEY_OBJECTS = "key-objects"
"""Kind of report object."""
_REFERRING_FIRST = ("sr", KEY_OBJECTS, "picture")
"""Kinds of report objects, what refers to others before what is referred to."""
PRIORITY, REASON = "plumbline-priority", "plumbline-reason"
"""Metadata of a study in the archive."""


def withdraw_earlier_selections(step: Step, ports: PathPorts) -> list[str]:
    """Remove the key object selections of earlier revisions from the archive; return what it does not let go.

    To be called once what takes their place is stored. A repeat changes nothing.
    """
    return _withdraw(step, KEY_OBJECTS, ports)


def withdraw_report(step: Step, ports: PathPorts) -> list[str]:
    """Remove all that earlier revisions published of an exam that needs no report; return what stays.

    A repeat changes nothing, and an exam that was never reported is left alone.
    """
    if step.revision <= 1:
        return []
    left = [uid for kind in _REFERRING_FIRST for uid in _withdraw(step, kind, ports)]
    try:
        ports.archive.annotate(step.study_instance_uid, {PRIORITY: "", REASON: ""})
    except InvalidInput:
        return left  # the archive does not have the study any more
    return left


def _withdraw(step: Step, kind: str, ports: PathPorts) -> list[str]:
    uid, left = step.study_instance_uid, []
    for object_uid, revision in ports.publications.sent_before(uid, step.revision, ARCHIVE, kind).items():
        try:
            ports.archive.withdraw(object_uid)
        except Misconfigured:
            left.append(object_uid)  # an archive that we may not delete from; the object names its revision
            continue
        ports.publications.withdrawn(uid, revision, ARCHIVE, object_uid)
    return left
