"""What the archive has and never sent: found in its log of changes, fetched, and put into the spool like the rest.

The listener is pushed to; this is what makes up for every way in which a push can fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from plumbline.pipeline.archive_ports import Archive, ArchiveChange, ArchiveInstance, Fetches
from plumbline.pipeline.ports import InstanceIndex

CURSOR = "archive:changes"
"""Number of the last change that was dealt with."""
HORIZON = "archive:horizon"
"""Moment before which the archive's studies are history, not work that was missed."""
OWED = "archive:owed"
"""Studies of which the archive could not give something, each with the moment when that was first so."""
STUDIES = 100
PAGE = 1000
GRACE = timedelta(seconds=20)
"""How long the archive is given to send a stable study by itself."""
LOOK_BACK = timedelta(days=1)
"""How far before the first pass of all a study counts as missed."""
OWED_FOR = timedelta(days=1)
"""How long the archive is asked again for what it lists and cannot give."""


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """One pass: studies looked at, instances fetched, instances that the archive lists and cannot give."""

    studies: int
    fetched: int
    failed: tuple[str, ...]
    given_up: tuple[str, ...]
    """Studies that the archive is not asked for any more, after a day in which it could not give something of them."""
    sequence: int
    """Number of the last change that was dealt with."""
    is_done: bool
    """Whether nothing that is due was left for the next pass."""


def reconcile(
    archive: Archive, index: InstanceIndex, fetcher: Fetches, limit: int = STUDIES, *, now: datetime | None = None
) -> ReconcileReport:
    """Look at the studies that became stable since the last pass and fetch what is not held of them.

    Our own objects are left alone, and studies that the site's filter leaves out. The position moves on only when
    everything before it is durable in the spool, so that a crash repeats work and loses none; an instance that the
    archive fails on, while it answers otherwise, is owed and does not hold up what comes after it.

    Parameters
    ----------
    limit
        How many studies to look at, at most.
    now
        Time of day; studies that became stable only just now are left for the next pass.

    Raises
    ------
    Unavailable
        The archive or the store does not answer; the next pass goes on where this one stopped.
    """
    work = _Pass(archive, index, fetcher, now or datetime.now(UTC))
    try:
        work.ask_again()
        for change in islice(work.due(), limit):
            work.make_up_for(change)
    finally:
        work.remember()
    return work.report()


def missing(study_instance_uid: str, archive: Archive, index: InstanceIndex) -> list[ArchiveInstance]:
    """Instances that the archive has of a study, others made, and neither the ledger nor the quarantine has."""
    listed = [instance for instance in archive.instances_of(study_instance_uid) if not instance.is_own]
    held = set(index.find(instance.sop_instance_uid for instance in listed))
    set_aside = {entry.sop_instance_uid for entry in index.quarantined(study_instance_uid)}
    return [instance for instance in listed if instance.sop_instance_uid not in held | set_aside]


class _Pass:
    """One pass over the log of changes."""

    def __init__(self, archive: Archive, index: InstanceIndex, fetcher: Fetches, now: datetime) -> None:
        self._archive = archive
        self._index = index
        self._fetcher = fetcher
        self._now = now
        self._newest = now - GRACE
        self._horizon = _horizon(index, now)
        self._stored = int(index.cursor(CURSOR) or 0)
        self._reached = 0 if self._stored > archive.newest_change() else self._stored
        self._owed: dict[str, str] = json.loads(index.cursor(OWED) or "{}")
        self._owed_before = dict(self._owed)
        self._is_done = False
        self._seen: set[str] = set()
        self._fetched = 0
        self._failed: list[str] = []
        self._given_up: list[str] = []

    def ask_again(self) -> None:
        """Fetch what earlier passes were owed; what was owed for too long is given up."""
        for uid, since in list(self._owed.items()):
            if self._now - datetime.fromisoformat(since) < OWED_FOR:
                self._look_at(uid)
            else:
                del self._owed[uid]
                self._given_up.append(uid)

    def due(self) -> Iterator[ArchiveChange]:
        """Studies that became stable long enough ago and after the horizon."""
        sequence, was_all = self._reached, False
        while not was_all:
            changes, sequence, was_all = self._archive.stable_since(sequence, PAGE)
            for change in changes:
                if change.at is not None and change.at > self._newest:
                    self._is_done = True
                    return
                if change.at is None or change.at >= self._horizon:
                    yield change
            self._reached = sequence
        self._is_done = True

    def make_up_for(self, change: ArchiveChange) -> None:
        """Fetch what is not held of one study."""
        self._look_at(change.study_instance_uid)
        self._reached = change.sequence

    def _look_at(self, uid: str) -> None:
        if uid in self._seen:
            return
        wanted = missing(uid, self._archive, self._index)
        if wanted and self._archive.is_left_out(uid):
            wanted = []
        failed = self._fetcher.fetch(wanted)
        self._seen.add(uid)
        self._fetched += len(wanted) - len(failed)
        self._failed += sorted(failed)
        if failed:
            self._owed.setdefault(uid, self._now.isoformat())
        else:
            self._owed.pop(uid, None)

    def remember(self) -> None:
        """Store the position reached, and what is owed."""
        if self._owed != self._owed_before:
            self._index.set_cursor(OWED, json.dumps(self._owed))
        if self._reached != self._stored:
            self._index.set_cursor(CURSOR, str(self._reached))

    def report(self) -> ReconcileReport:
        """What this pass came to."""
        return ReconcileReport(
            len(self._seen),
            self._fetched,
            tuple(self._failed),
            tuple(self._given_up),
            self._reached,
            self._is_done,
        )


def _horizon(index: InstanceIndex, now: datetime) -> datetime:
    stored = index.cursor(HORIZON)
    if stored is None:
        stored = (now - LOOK_BACK).isoformat()
        index.set_cursor(HORIZON, stored)
    return datetime.fromisoformat(stored)
