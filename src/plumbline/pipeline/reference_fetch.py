"""Making a chosen exam whole: every instance that its archive lists is fetched and counted, or it is said what is not.

Nothing is fetched twice within a while, and what does not come is asked for again a few times only. How
far it came is kept with the waiting step, so that a run that follows neither lists nor fetches again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from plumbline.errors import PlumblineError, Unavailable
from plumbline.pipeline.archive_ports import ArchiveInstance, ArchiveStudy
from plumbline.pipeline.fetch import REFERENCE_SENDER
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts
from plumbline.pipeline.remote import RemoteArchive


@dataclass(frozen=True)
class ReferenceFetch:
    """How far the fetching of one chosen exam has come.

    ``archive`` is the remote archive that has it, None for our own. ``listed_count`` is what the archive
    says it holds: at least as many as it lists one by one.
    """

    listed: tuple[ArchiveInstance, ...]
    listed_count: int
    archive: str | None = None
    attempts: int = 0
    asked_at: datetime | None = None
    held_count: int = 0
    refused: tuple[str, ...] = ()
    """SOP Instance UIDs that our own archive lists and cannot give."""
    is_settled: bool = False
    shortfall: str = ""
    """Why instances are missing, as a clause."""

    @property
    def is_whole(self) -> bool:
        """Whether every instance that the archive has is here."""
        return self.is_settled and self.held_count >= self.listed_count

    def as_document(self) -> dict[str, Any]:
        """JSON form, for a waiting step."""
        return {
            "listed": [[each.sop_instance_uid, each.series_instance_uid, each.handle] for each in self.listed],
            "listed_count": self.listed_count,
            "archive": self.archive,
            "attempts": self.attempts,
            "asked_at": self.asked_at.isoformat() if self.asked_at else None,
            "held_count": self.held_count,
            "refused": list(self.refused),
            "is_settled": self.is_settled,
            "shortfall": self.shortfall,
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> ReferenceFetch:
        """Inverse of ``as_document``."""
        at = document["asked_at"]
        return ReferenceFetch(
            **{
                **document,
                "listed": tuple(ArchiveInstance(*each) for each in document["listed"]),
                "asked_at": datetime.fromisoformat(at) if at else None,
                "refused": tuple(document["refused"]),
            }
        )


def begin_fetches(chosen: Sequence[tuple[ArchiveStudy, str | None]], ports: PathPorts) -> dict[str, ReferenceFetch]:
    """List the instances of chosen exams, each with the remote archive that has it (None: our own, one query for all).

    Raises
    ------
    Unavailable
        When our own archive does not answer. What a remote one does not list is settled with the reason.
    """
    own = [each.study for each, archive in chosen if archive is None]
    listed = ports.archive.instances_of_each(own) if own else {}
    begun: dict[str, ReferenceFetch] = {}
    for each, archive in chosen:
        uid = each.study.study_instance_uid
        if archive is None:
            begun[uid] = _listed(listed.get(uid, ()), each, None)
        else:
            begun[uid] = _begin_remote(each, _remote(archive, ports))
    return begun


def advance(
    uid: str, listed: ArchiveStudy, fetch: ReferenceFetch, ports: PathPorts, policy: SitePolicy
) -> ReferenceFetch:
    """Count, and ask for what is missing where that is due; settled when whole or when asking is of no more use."""
    missing, set_aside = _missing(fetch, ports)
    fetch = replace(fetch, held_count=len(fetch.listed) - len(missing) - set_aside)
    if set_aside:
        fetch = replace(fetch, shortfall=f"{set_aside} in quarantine")
    if {each.sop_instance_uid for each in missing} <= set(fetch.refused) or fetch.is_settled:
        return replace(fetch, is_settled=True)
    if len(fetch.listed) > policy.maximum_instances:
        return replace(
            fetch, is_settled=True, shortfall=f"more than the {policy.maximum_instances} fetched for one exam"
        )
    now = ports.clock.now()
    if fetch.asked_at is not None and (now - fetch.asked_at).total_seconds() < policy.remote_retry_after_s:
        return fetch
    if fetch.attempts >= policy.remote_attempts:
        return replace(fetch, is_settled=True, shortfall=fetch.shortfall or "the others did not arrive")
    asked = replace(fetch, attempts=fetch.attempts + 1, asked_at=now)
    if fetch.attempts == 0:
        sender = REFERENCE_SENDER if fetch.archive is None else _remote(fetch.archive, ports).sender
        ports.exams.expect_references([listed.study], sender=sender, at=now)
    return _from_own(asked, missing, ports) if fetch.archive is None else _from_remote(asked, missing, listed, ports)


def _from_own(fetch: ReferenceFetch, missing: Sequence[ArchiveInstance], ports: PathPorts) -> ReferenceFetch:
    failed = ports.fetcher.fetch(missing, sender=REFERENCE_SENDER)
    if not failed:
        return fetch
    shortfall = f"the archive lists {len(failed)} that it cannot give"
    return replace(fetch, shortfall=shortfall, refused=tuple(sorted(failed)))


def _from_remote(
    fetch: ReferenceFetch, missing: Sequence[ArchiveInstance], listed: ArchiveStudy, ports: PathPorts
) -> ReferenceFetch:
    remote = _remote(fetch.archive or "", ports)
    try:
        remote.retrieve(listed.study, missing)
    except PlumblineError as error:
        return replace(fetch, shortfall=f"the archive {remote.name}: {error.what}")
    return replace(fetch, shortfall="")


def _begin_remote(listed: ArchiveStudy, remote: RemoteArchive) -> ReferenceFetch:
    try:
        return _listed(remote.instances_of(listed.study), listed, remote.name)
    except PlumblineError as error:
        shortfall = f"the archive {remote.name}: {error.what}"
        return ReferenceFetch((), max(listed.instance_count or 0, 1), remote.name, is_settled=True, shortfall=shortfall)


def _listed(instances: Sequence[ArchiveInstance], listed: ArchiveStudy, archive: str | None) -> ReferenceFetch:
    foreign = tuple(each for each in instances if not each.is_own)
    count = max(len(foreign), listed.instance_count or 0)
    shortfall = "the archive does not list the others one by one" if count > len(foreign) else ""
    return ReferenceFetch(foreign, count, archive, shortfall=shortfall)


def _missing(fetch: ReferenceFetch, ports: PathPorts) -> tuple[list[ArchiveInstance], int]:
    """What is neither held nor in quarantine, and how many are in quarantine."""
    uids = [each.sop_instance_uid for each in fetch.listed]
    held = set(ports.index.find(uids))
    set_aside = ports.index.set_aside(uid for uid in uids if uid not in held)
    return [each for each in fetch.listed if each.sop_instance_uid not in held | set_aside], len(set_aside)


def _remote(name: str, ports: PathPorts) -> RemoteArchive:
    """The archive of that name; ``Unavailable`` where the site's settings no longer have it."""
    for remote in ports.remotes:
        if remote.name == name:
            return remote
    raise Unavailable("this remote archive is no longer among the settings", where=name)
