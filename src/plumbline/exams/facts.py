"""Where a fact about a patient came from, and the situations that cannot wait."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class SourceKind(IntEnum):
    """Where a fact came from; the higher one wins where two disagree."""

    IMAGES = 1
    HEADER_TEXT = 2
    ORDER = 3
    OPERATIVE_RECORD = 4
    OPERATOR = 5
    """Typed by a person for this exam, e.g. on the command line."""

    @property
    def label(self) -> str:
        """In words, for a sentence."""
        return self.name.lower().replace("_", " ")


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
