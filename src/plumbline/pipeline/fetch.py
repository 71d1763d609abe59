"""Fetching from the archive into the spool: what the indexer then records like anything that was sent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from plumbline.errors import InvalidInput, Unavailable
from plumbline.pipeline.archive_ports import Archive, ArchiveInstance
from plumbline.pipeline.ports import Clock, Spool

SENDER = "archive"
"""Sender under which the missing instances of an exam are recorded."""

REFERENCE_SENDER = "archive-reference"
"""Sender under which instances are recorded that were fetched only to be compared with."""

INDEX_DELAY_S = 1.0
"""Time for the indexer to record what was just fetched."""

BROKEN_AT_ONCE = 5
"""An archive that fails on so many instances is not asked for the others of the same call: each takes seconds."""

BROKEN_AGAIN_AFTER = timedelta(seconds=20)
"""How soon an archive is asked again for an instance that it failed on."""
BROKEN_FORGOTTEN_AFTER = timedelta(minutes=10)


class Fetcher:
    """Fetches each instance once within ``again_after_s``, however often a waiting step asks for it.

    Parameters
    ----------
    again_after_s
        After this long without having been recorded, an instance is fetched again.
    """

    def __init__(self, archive: Archive, spool: Spool, clock: Clock, *, again_after_s: float = 120.0) -> None:
        self._archive = archive
        self._spool = spool
        self._clock = clock
        self._again_after = timedelta(seconds=again_after_s)
        self._fetched_at: dict[str, datetime] = {}
        self._broken = _Broken()

    def fetch(
        self, wanted: Iterable[ArchiveInstance], *, sender: str = SENDER, broken_after_s: float = 0.0
    ) -> set[str]:
        """Make instances durable in the spool. Return the UIDs that the archive lists but cannot give.

        Among them is what the archive has failed on for ``broken_after_s`` while it answered otherwise.
        """
        now = self._clock.now()
        self._fetched_at = {uid: at for uid, at in self._fetched_at.items() if now - at < self._again_after}
        left = [each for each in wanted if each.sop_instance_uid not in self._fetched_at]
        failed: set[str] = set()
        broken: set[str] = set()
        while left and len(broken) < BROKEN_AT_ONCE:
            each = left.pop(0)
            try:
                if not self._came(each, sender, now):
                    broken.add(each.sop_instance_uid)
            except InvalidInput:
                failed.add(each.sop_instance_uid)
        overdue = {uid for uid in broken if self._broken.for_s(uid, now) >= broken_after_s}
        if left and overdue == broken:
            failed |= {each.sop_instance_uid for each in left}
        return failed | overdue

    def _came(self, instance: ArchiveInstance, sender: str, now: datetime) -> bool:
        """Fetch an instance; false where the archive fails on it, or did a moment ago, and answers otherwise."""
        uid = instance.sop_instance_uid
        if self._broken.was_found_lately(uid, now):
            return False
        try:
            fetched = self._archive.fetch(instance)
        except Unavailable:
            self._archive.tell_missing()
            self._broken.found(uid, now)
            return False
        self._spool.append(
            fetched.dataset,
            sop_class_uid=fetched.sop_class_uid,
            sop_instance_uid=fetched.sop_instance_uid,
            transfer_syntax_uid=fetched.transfer_syntax_uid,
            sender=sender,
        )
        self._broken.forget(uid)
        self._fetched_at[uid] = now
        return True


class _Broken:
    """Instances that an archive fails on: since when, and when that was last seen."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[datetime, datetime]] = {}

    def was_found_lately(self, uid: str, now: datetime) -> bool:
        """Whether it is too soon to ask for it again."""
        return uid in self._seen and now - self._seen[uid][1] < BROKEN_AGAIN_AFTER

    def found(self, uid: str, now: datetime) -> None:
        """Note that the archive failed on it now; what nobody asks for any more is forgotten."""
        since = self._seen[uid][0] if uid in self._seen else now
        self._seen = {known: seen for known, seen in self._seen.items() if now - seen[1] < BROKEN_FORGOTTEN_AFTER}
        self._seen[uid] = (since, now)

    def for_s(self, uid: str, now: datetime) -> float:
        """For how long the archive has failed on it."""
        return (now - self._seen[uid][0]).total_seconds()

    def forget(self, uid: str) -> None:
        """It came."""
        self._seen.pop(uid, None)
