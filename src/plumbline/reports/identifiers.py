"""Unique identifiers of everything that one report publishes, derived from what it is about.

The same study, revision and algorithm version give the same UIDs on every machine and in every re-run, so
that a repeat overwrites instead of doubling (design section 3). Implants keep their own UIDs; those come
with the findings.
"""

from __future__ import annotations

import uuid
from enum import StrEnum

from plumbline.errors import InvalidInput

_NAMESPACE = uuid.UUID("d43e3a1c-6a5e-5f0b-9a44-6b2b8f0d7c11")
"""Namespace of this project's UIDs. Changing it would rename every object ever published."""
_SEPARATOR = "\x1f"
"""ASCII unit separator: occurs in no UID and no version, so that no two lists of parts read the same."""


class ObjectKind(StrEnum):
    """What a derived UID names."""

    REPORT_SERIES = "report-series"
    REPORT = "report"
    KEY_OBJECT_SERIES = "key-object-series"
    KEY_OBJECTS = "key-objects"
    REJECTION_SERIES = "rejection-series"
    REJECTION = "rejection"
    PICTURE_SERIES = "picture-series"
    PICTURE = "picture"
    WORKITEM = "workitem"
    TRACKING = "tracking"
    OBSERVATION = "observation"


def derived_uid(
    study_instance_uid: str,
    *,
    revision: int,
    algorithm_version: str,
    kind: ObjectKind,
    ordinal: int = 0,
    about: str = "",
) -> str:
    """UID under 2.25 (PS3.5 B.2) of a version 5 UUID over all the arguments.

    Parameters
    ----------
    study_instance_uid
        The current study.
    revision
        Revision of the study, from 1.
    algorithm_version
        Version of the analysis that produced the object.
    kind, ordinal
        What the UID names, and which of several.
    about
        Further text that tells objects of one kind apart, e.g. check and level of a tracked finding.

    Raises
    ------
    InvalidInput
        If the study UID or the version is empty, or a number is negative.
    """
    if not study_instance_uid or not algorithm_version:
        raise InvalidInput("a UID cannot be derived without a Study Instance UID and an algorithm version")
    if revision < 0 or ordinal < 0:
        raise InvalidInput(f"a UID cannot be derived from revision {revision} and ordinal {ordinal}")
    parts = (study_instance_uid, str(revision), algorithm_version, kind.value, str(ordinal), about)
    return f"2.25.{uuid.uuid5(_NAMESPACE, _SEPARATOR.join(parts)).int}"


def workitem_uid(study_instance_uid: str, *, revision: int, algorithm_version: str) -> str:
    """SOP Instance UID of the reading workitem of a study.

    A caller that updates one workitem in place over several revisions keeps the UID of the first.
    """
    return derived_uid(
        study_instance_uid, revision=revision, algorithm_version=algorithm_version, kind=ObjectKind.WORKITEM
    )
