"""The board in memory: read from the store once, then kept up to date with what changed.

A hospital's open readings are a few thousand lines; filtering, searching and counting them here takes
milliseconds on any store. What is shown is never newer or older than one refresh.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from plumbline.triage.priority import Priority
from plumbline.worklist.board import BoardSource, Reading
from plumbline.worklist.tasks import is_for_people
from services.worklist_api.board.filters import Filters
from services.worklist_api.board.lines import Line, Place, briefs_of, searchable_text
from services.worklist_api.readings.service import entry, site_of


@dataclass(frozen=True)
class Choices:
    """Values that the filters can have, from what is on the board."""

    checks: Sequence[str] = ()
    modalities: Sequence[str] = ()
    sites: Sequence[str] = ()
    readers: Sequence[str] = ()


@dataclass(frozen=True)
class Selection:
    """One page of a view."""

    lines: Sequence[Line]
    offset: int
    total: int
    counts: dict[str, int]
    """Lines of the whole view by priority, the most urgent first."""
    version: int
    choices: Choices = field(default_factory=Choices)


class Board:
    """Every reading of the source, in reading order."""

    def __init__(self, source: BoardSource) -> None:
        self._source = source
        self._lines: dict[str, Line] = {}
        self._ordered: list[Line] = []
        self._version = 0
        self._refreshed_at = float("-inf")
        self._lock = Lock()

    def refresh(self, *, unless_within_s: float = 0.0) -> int:
        """Take in what changed since the last time; return the version, which grows with every change.

        Parameters
        ----------
        unless_within_s
            Leave it where it was done so recently, however many ask.
        """
        with self._lock:
            if time.monotonic() - self._refreshed_at < unless_within_s:
                return self._version
            self._refreshed_at = time.monotonic()
            changes = self._source.changes()
            fresh = {
                each.workitem.workitem_uid: _line(each)
                for each in changes.readings
                if is_for_people(each.workitem.dataset)
            }
            before = {} if changes.is_everything else self._lines
            after = {**before, **fresh}
            if after != self._lines:
                self._lines = after
                self._ordered = sorted(after.values(), key=_place)
                self._version += 1
            return self._version

    def select(self, filters: Filters, *, offset: int, limit: int, reader: str | None = None) -> Selection:
        """Page of a view, after a refresh."""
        version = self.refresh()
        ordered = self._ordered
        found = [line for line in ordered if filters.accept(line, reader)]
        counted = Counter(line.entry.priority for line in found)
        return Selection(
            lines=found[offset : offset + limit],
            offset=offset,
            total=len(found),
            counts={priority.value: counted[priority.value] for priority in Priority},
            version=version,
            choices=_choices(ordered),
        )


def _line(reading: Reading) -> Line:
    shown = entry(reading.workitem, reading.result)
    briefs = briefs_of(reading.result.document if reading.result else {})
    return Line(
        entry=shown,
        place=(reading.workitem.priority_rank, reading.workitem.created_at, reading.workitem.workitem_uid),
        site=site_of(reading.workitem),
        reader=reading.reader,
        briefs=briefs,
        searchable=searchable_text(shown, reading.reader, briefs),
    )


def _place(line: Line) -> Place:
    return line.place


def _choices(lines: Sequence[Line]) -> Choices:
    return Choices(
        checks=sorted({check for line in lines for check in line.checks}),
        modalities=sorted({line.entry.modality for line in lines if line.entry.modality}),
        sites=sorted({line.site for line in lines if line.site}),
        readers=sorted({line.reader for line in lines if line.reader}),
    )
