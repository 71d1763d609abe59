"""Where a board of readings comes from: everything once, then what changed. The port that the pages read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from plumbline.worklist.matching import Query
from plumbline.worklist.results import ExamResult, ExamResults
from plumbline.worklist.workitem import SearchPage, Workitem

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading workitem with what its exam came to.

    ``result`` needs no more than what a line of a list shows. ``reader`` is who claimed it, None where nobody
    did or where another system did without saying for whom.
    """

    workitem: Workitem
    result: ExamResult | None = None
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """Readings that changed since the source was last asked; all there are where ``is_everything``."""

    readings: Sequence[Reading]
    is_everything: bool


class BoardSource(Protocol):
    """Readings for a board."""

    def changes(self) -> Changes:
        """Everything the first time and whenever a reading is gone, else what may have changed since."""
        ...


class Searchable(Protocol):
    """A worklist that can be searched."""

    def search(self, query: Query) -> SearchPage:
        """Workitems that match, in reading order."""
        ...


class SearchedBoardSource:
    """``BoardSource`` on any worklist: reads everything each time. For tests and small lists."""

    def __init__(self, worklist: Searchable, results: ExamResults) -> None:
        self._worklist = worklist
        self._results = results

    def changes(self) -> Changes:
        """See ``BoardSource.changes``."""
        found: list[Workitem] = []
        has_more = True
        while has_more:
            page = self._worklist.search(Query(limit=_PAGE, offset=len(found), with_references=False))
            found.extend(page.workitems)
            has_more = page.has_more
        results = self._results.newest_of([each.study_instance_uid for each in found if each.study_instance_uid])
        readings = [Reading(each, results.get(each.study_instance_uid or "")) for each in found]
        return Changes(readings, is_everything=True)
