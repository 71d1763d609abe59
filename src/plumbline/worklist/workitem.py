"""One workitem as the store keeps it, and what a store of workitems has to be able to do."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from plumbline.worklist import tags
from plumbline.worklist.dataset import Dataset, text
from plumbline.worklist.events import EventReport
from plumbline.worklist.matching import Query
from plumbline.worklist.states import State

PRIORITY_ORDER = ("HIGH", "MEDIUM", "LOW")
"""Values of Scheduled Procedure Step Priority, the most urgent first."""


class Edition(NamedTuple):
    """What tells one state of a workitem from every other, also of one that was erased and made again."""

    workitem_uid: str
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Workitem:
    """A UPS instance. ``dataset`` is complete but for the Transaction UID, which never leaves the store."""

    workitem_uid: str
    dataset: Dataset
    created_at: datetime
    updated_at: datetime
    transaction_uid: str | None = None
    """The lock: who knows it owns the workitem. None while nobody claimed it."""
    version: int = 1

    @property
    def state(self) -> State:
        """Procedure Step State."""
        return State(text(self.dataset, tags.STATE))

    @property
    def priority_rank(self) -> int:
        """0 for HIGH, 1 for MEDIUM, 2 for LOW."""
        return PRIORITY_ORDER.index(text(self.dataset, tags.PRIORITY))

    @property
    def study_instance_uid(self) -> str | None:
        """Study that the workitem is about, None where it does not say."""
        return text(self.dataset, tags.STUDY_INSTANCE_UID) or None

    @property
    def edition(self) -> Edition:
        """What tells this state of it from every other."""
        return Edition(self.workitem_uid, self.version, self.created_at)


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Results of a search in reading order, most urgent and then oldest first."""

    workitems: Sequence[Workitem]
    has_more: bool
    """Whether further workitems match after these."""


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """Results of a search as ``worklist.rendering.rendered`` writes them."""

    editions: tuple[Edition, ...]
    """What was found, in reading order."""
    datasets: Mapping[Edition, bytes]
    """The workitems in writing, but for those that the caller holds already."""
    has_more: bool
    change_number: int
    """That of the store when it was searched."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many workitems are in one state with one priority, and since when the oldest is."""

    state: State
    priority: str
    count: int
    oldest_created_at: datetime


class WorkitemStore(Protocol):
    """Workitems that survive a restart."""

    def add(self, workitem: Workitem, reports: Sequence[EventReport] = ()) -> None:
        """Store a new workitem and tell its events; raise ``WorkitemConflict`` (DUPLICATE) where its UID is taken."""
        ...

    def get(self, workitem_uid: str) -> Workitem:
        """One workitem; raise ``WorkitemInvalid`` (NO_SUCH_WORKITEM) where there is none."""
        ...

    def replace(self, before: Workitem, after: Workitem, reports: Sequence[EventReport] = ()) -> bool:
        """Store the next version of a workitem and tell its events, both or neither.

        False where ``before``, whole as ``get`` gave it, is no longer the stored version.
        """
        ...

    def search(self, query: Query) -> SearchPage:
        """Workitems that match, in reading order."""
        ...

    def search_rendered(self, query: Query, held: Container[Edition] = ()) -> RenderedPage:
        """Answer the same search in writing, without the editions that are ``held``; ``query.include`` is not used."""
        ...

    def change_number(self) -> int:
        """Return a number that grows with every change of a workitem and with every event, once it can be seen."""
        ...

    def change_number_at_once(self) -> int | None:
        """Return the same where it can be had in microseconds, waiting for nobody; else None."""
        ...

    def tell(self, reports: Sequence[EventReport]) -> None:
        """Tell events that no change of the workitem goes with."""
        ...

    def standing(self) -> list[Standing]:
        """Counts by state and priority; groups without a workitem are left out."""
        ...
