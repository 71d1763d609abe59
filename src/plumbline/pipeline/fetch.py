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

    def fetch(self, wanted: Iterable[ArchiveInstance], *, sender: str = SENDER, skips_broken: bool = False) -> set[str]:
        """Make instances durable in the spool. Return the UIDs that the archive lists but cannot give.

        With ``skips_broken`` an instance that the archive fails on, while it answers otherwise, is among them.
        """
        now = self._clock.now()
        self._fetched_at = {uid: at for uid, at in self._fetched_at.items() if now - at < self._again_after}
        failed: set[str] = set()
        for each in wanted:
            if each.sop_instance_uid in self._fetched_at:
                continue
            try:
                self._fetch_one(each, sender)
            except InvalidInput:
                failed.add(each.sop_instance_uid)
            except Unavailable:
                if not skips_broken:
                    raise
                self._archive.tell_missing()
                failed.add(each.sop_instance_uid)
        return failed

    def _fetch_one(self, instance: ArchiveInstance, sender: str) -> None:
        fetched = self._archive.fetch(instance)
        self._spool.append(
            fetched.dataset,
            sop_class_uid=fetched.sop_class_uid,
            sop_instance_uid=fetched.sop_instance_uid,
            transfer_syntax_uid=fetched.transfer_syntax_uid,
            sender=sender,
        )
        self._fetched_at[instance.sop_instance_uid] = self._clock.now()
