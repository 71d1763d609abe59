"""The one tree of errors, split by what the caller should do about them.

::

    PlumblineError
    ├── InvalidInput      the sender's fault: refuse or quarantine, never retry
    ├── Conflict          contradicts what is already stored or decided: refuse, keep both
    ├── Unavailable       somebody else is away: retry later
    ├── OutOfCapacity     we are full: push back, the sender retries
    ├── AnalysisFailed    a measurement broke: shown to the reader, never left out
    └── Misconfigured     the site's settings are wrong: refuse to start

Errors carry data, never a patient's name or identifier and never a protocol's status code; each edge
translates them in one table of its own.
"""

from __future__ import annotations


class PlumblineError(Exception):
    """Any error that this system raises on purpose.

    Parameters
    ----------
    what
        One sentence: what is wrong.
    where
        The thing it is about: a path, a UID, a setting's key.
    remedy
        What the person who reads it can do.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.what if self.where is None else f"{self.where}: {self.what}"]
        if self.remedy:
            parts.append(self.remedy)
        return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts)


class InvalidInput(PlumblineError):
    """What was sent cannot be used, and sending it again will not help."""


class Conflict(PlumblineError):
    """What was sent contradicts what is stored, or a transition is not allowed from this state."""


class Unavailable(PlumblineError):
    """Another system did not answer or refused for now; the same request may succeed later."""


class OutOfCapacity(PlumblineError):
    """This system is full for now; the sender should keep the data and try again."""


class AnalysisFailed(PlumblineError):
    """An analysis could not be finished; the reader must be told so."""


class Misconfigured(PlumblineError):
    """A setting is missing, unknown or contradictory; nothing should be started with it."""
