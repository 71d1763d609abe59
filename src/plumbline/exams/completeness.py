"""Is a study complete? Counted against the archive, never guessed from silence.

Silence only triggers the count (design section 1, step 2). A completed study that grows becomes a new
revision; a revision is known by the digest of its SOP Instance UIDs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompletenessPolicy:
    """When to count, and when to stop hoping that the sender will send the rest."""

    quiet_period_s: float = 3.0
    """Silence after the last instance that triggers the count."""
    fetch_missing_after_s: float = 30.0
    """Silence after which what is missing should be fetched rather than waited for."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Every instance that the archive lists is held."""

    sentence: str
    digest: str
    """``revision_digest`` of what is held."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The archive lists instances that are not held, and the sender has been silent for long."""

    sentence: str
    missing: tuple[str, ...]
    """SOP Instance UIDs, sorted; empty where the archive gave only a number."""
    missing_count: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """It cannot be told yet; ask again."""

    sentence: str


Completeness = Complete | Incomplete | Waiting


def judge_completeness(
    held: Collection[str],
    archive: Collection[str] | int | None,
    *,
    quiet_s: float,
    policy: CompletenessPolicy | None = None,
) -> Completeness:
    """Compare what is held with what the archive says exists.

    Parameters
    ----------
    held
        SOP Instance UIDs held.
    archive
        SOP Instance UIDs that the archive lists, or only their number; None where it was not asked yet
        or does not know the study.
    quiet_s
        Seconds since the last instance came in.
    """
    policy = policy or CompletenessPolicy()
    if not held:
        return Waiting("No instance is held yet.")
    if quiet_s < policy.quiet_period_s:
        return Waiting(
            f"Instances still arrive: {quiet_s:.0f} s since the last one, counted after {policy.quiet_period_s:.0f} s."
        )
    if archive is None or archive == 0 or (not isinstance(archive, int) and not archive):
        return Waiting(f"{_instances(len(held))} held; the archive does not list the study yet.")
    listed = archive if isinstance(archive, int) else len(set(archive))
    missing = () if isinstance(archive, int) else tuple(sorted(set(archive) - set(held)))
    lacking = max(listed - len(set(held)), 0) if isinstance(archive, int) else len(missing)
    if lacking == 0:
        return Complete(_complete_sentence(len(set(held)), listed), revision_digest(held))
    sentence = f"{len(set(held))} of {_instances(listed)} held, {lacking} missing"
    if quiet_s < policy.fetch_missing_after_s:
        return Waiting(f"{sentence}; waiting for the sender.")
    return Incomplete(f"{sentence} after {quiet_s:.0f} s of silence.", missing, lacking)


def revision_digest(sop_instance_uids: Iterable[str]) -> str:
    """Hexadecimal SHA-256 of the sorted SOP Instance UIDs, each once: the same set, the same digest."""
    joined = "\n".join(sorted(set(sop_instance_uids)))
    return hashlib.sha256(joined.encode("ascii", "backslashreplace")).hexdigest()


def is_new_revision(previous_digest: str | None, held: Iterable[str]) -> bool:
    """Whether what is held now differs from the last completed revision (None: there was none)."""
    return previous_digest != revision_digest(held)


def _complete_sentence(held: int, listed: int) -> str:
    if held > listed:
        return f"All {_instances(listed)} of the archive are held, and {held - listed} more that it does not list."
    return f"All {_instances(listed)} of the archive are held."


def _instances(count: int) -> str:
    return f"{count} instance{'' if count == 1 else 's'}"
