"""Who is told what happens to workitems: subscriptions of one, of all, of a filtered part (PS3.4 CC.2.3)."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from plumbline.errors import InvalidInput
from plumbline.worklist.events import EventReport
from plumbline.worklist.matching import Key

GLOBAL = "1.2.840.10008.5.1.4.34.5"
"""Well-known UID of the subscription to every workitem."""

FILTERED = "1.2.840.10008.5.1.4.34.5.1"
"""Well-known UID of the subscription to every workitem that matches some keys."""

WELL_KNOWN = frozenset({GLOBAL, FILTERED})

_LONGEST_AE_TITLE = 16


@dataclass(frozen=True, slots=True)
class Subscription:
    """One application's wish to be told.

    ``workitem_uid`` is that of one workitem or a well-known UID; ``keys`` only go with FILTERED.
    With a deletion lock a finished workitem stays until the lock is given back.
    """

    receiving_ae: str
    workitem_uid: str
    deletion_lock: bool = False
    keys: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        check_ae_title(self.receiving_ae)
        if self.keys and self.workitem_uid != FILTERED:
            raise InvalidInput("only the filtered worklist can be subscribed to with matching keys")

    @property
    def is_global(self) -> bool:
        """Whether it is for more than one workitem."""
        return self.workitem_uid in WELL_KNOWN


def check_ae_title(title: str) -> str:
    """Return an AE Title that can be one (PS3.5 table 6.2-1); raise ``InvalidInput`` where it cannot."""
    if not title.strip() or len(title) > _LONGEST_AE_TITLE or not title.isascii() or not title.isprintable():
        raise InvalidInput("this is not an AE Title")
    if "\\" in title:
        raise InvalidInput("this is not an AE Title")
    return title


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event that waits for one application."""

    event_id: int
    report: EventReport


class Subscriptions(Protocol):
    """Subscriptions and the events that wait for those who have them.

    Table CC.2.3-2: what is asked for one workitem goes before what is asked for all, but for
    unsubscribing globally, which ends everything.
    """

    def subscribe(self, subscription: Subscription) -> None:
        """Subscribe, or change the deletion lock of what is subscribed already.

        A subscription to one workitem is answered with its present state as an event; a global one with
        a deletion lock with that of every workitem it is for. Raises ``WorkitemInvalid`` (NO_SUCH_WORKITEM).
        """
        ...

    def unsubscribe(self, receiving_ae: str, workitem_uid: str) -> None:
        """End a subscription; raise ``WorkitemInvalid`` (NO_SUCH_WORKITEM) where there is none."""
        ...

    def suspend(self, receiving_ae: str, workitem_uid: str) -> None:
        """Stop subscribing to new workitems, keep those subscribed; raise as ``unsubscribe`` does."""
        ...

    def pending(self, receiving_ae: str, *, limit: int, without: Set[int] = frozenset()) -> Sequence[PendingEvent]:
        """Events that wait for an application, the oldest first, but for those with the ids ``without``."""
        ...

    def forget(self, events: Sequence[PendingEvent]) -> None:
        """Drop events that their application has been told.

        These and no others: an older one may have been committed after a younger one was read.
        """
        ...

    def take_turn(self, receiving_ae: str, holder: str, until: datetime) -> bool:
        """Be the one who tells an application its events, until a moment; False where another holder is it now.

        Who is it already, goes on, or gives it up with a moment that has passed.
        """
        ...

    def expire(self, before: datetime) -> int:
        """Drop events that nobody fetched for too long; return how many."""
        ...
