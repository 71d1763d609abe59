"""Taking back what a later revision makes wrong: key object selections, which nothing else can supersede.

A report names the one before it as its predecessor and stays in the archive as the record of what was told. A
key object selection has no such attribute (PS3.3 A.35.4), and readers would find two side by side.
"""

from __future__ import annotations

from plumbline.errors import Misconfigured
from plumbline.pipeline.ports import PathPorts, Step

ARCHIVE = "archive"
"""Destination name of the archive that the exam came from."""
KEY_OBJECTS = "key-objects"
"""Kind of report object."""


def withdraw_earlier_selections(step: Step, ports: PathPorts) -> list[str]:
    """Remove the key object selections of earlier revisions from the archive; return what it does not let go.

    To be called once what takes their place is stored. A repeat changes nothing.
    """
    uid, left = step.study_instance_uid, []
    for object_uid, revision in ports.publications.sent_before(uid, step.revision, ARCHIVE, KEY_OBJECTS).items():
        try:
            ports.archive.withdraw(object_uid)
        except Misconfigured:
            left.append(object_uid)  # an archive that we may not delete from; the selection names its revision
            continue
        ports.publications.withdrawn(uid, revision, ARCHIVE, object_uid)
    return left
