"""In-memory versions of the ports, shipped so that users test with what the makers test with.

They keep the promises that the Protocols in ``pipeline.ports`` state; the same contract tests run on them
and on the real adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from plumbline.errors import InvalidInput, Unavailable
from plumbline.pipeline.ports import (
    ArchiveChange,
    ArchiveInstance,
    ArchiveStudy,
    FetchedInstance,
    Location,
    StepName,
)


@dataclass
class ManualClock:
    """``Clock`` that moves only when told."""

    moment: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """See ``Clock.now``."""
        return self.moment

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


@dataclass
class MemorySpool:
    """``Spool`` in a list."""

    stored: list[bytes] = field(default_factory=list)
    appended: list[FetchedInstance] = field(default_factory=list)

    def read(self, location: Location) -> bytes:
        """See ``Spool.read``."""
        return self.stored[location.offset]

    def put(self, dataset: bytes) -> Location:
        """Store bytes and say where they lie."""
        self.stored.append(dataset)
        return Location("memory", len(self.stored) - 1, len(dataset))

    def append(
        self, dataset: bytes, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, sender: str
    ) -> Location:
        """See ``Spool.append``; ``appended`` keeps what an indexer would have to record."""
        self.appended.append(FetchedInstance(dataset, sop_class_uid, sop_instance_uid, transfer_syntax_uid))
        return self.put(dataset)


@dataclass
class MemoryArchive:
    """``Archive`` in dictionaries; ``is_away`` makes every call raise ``Unavailable``."""

    instances: dict[str, list[FetchedInstance]] = field(default_factory=dict)
    """Instances by Study Instance UID."""
    studies: list[ArchiveStudy] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Objects stored by us, by a number of arrival."""
    annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: list[ArchiveChange] = field(default_factory=list)
    is_away: bool = False

    def tell_missing(self) -> None:
        """See ``Archive.tell_missing``."""
        if self.is_away:
            raise Unavailable("the archive does not answer")

    def instances_of(self, study_instance_uid: str) -> tuple[ArchiveInstance, ...]:
        """See ``Archive.instances_of``."""
        self.tell_missing()
        held = self.instances.get(study_instance_uid, [])
        return tuple(ArchiveInstance(i.sop_instance_uid, "", i.sop_instance_uid) for i in held)

    def studies_of(self, patient_id: str) -> tuple[ArchiveStudy, ...]:
        """See ``Archive.studies_of``."""
        self.tell_missing()
        return tuple(each for each in self.studies if each.study.patient.patient_id == patient_id)

    def fetch(self, instance: ArchiveInstance) -> FetchedInstance:
        """See ``Archive.fetch``."""
        self.tell_missing()
        for held in self.instances.values():
            for each in held:
                if each.sop_instance_uid == instance.handle:
                    return each
        raise InvalidInput("the archive has no such instance", where=instance.sop_instance_uid)

    def store(self, part10: bytes) -> None:
        """See ``Archive.store``."""
        self.tell_missing()
        if part10 not in self.stored.values():
            self.stored[str(len(self.stored))] = part10

    def annotate(self, study_instance_uid: str, values: Mapping[str, str]) -> None:
        """See ``Archive.annotate``."""
        self.tell_missing()
        self.annotations.setdefault(study_instance_uid, {}).update(values)

    def stable_since(self, sequence: int, limit: int) -> tuple[tuple[ArchiveChange, ...], int, bool]:
        """See ``Archive.stable_since``."""
        self.tell_missing()
        later = [change for change in self.changes if change.sequence > sequence]
        page = tuple(later[:limit])
        return page, page[-1].sequence if page else sequence, len(later) <= limit


@dataclass
class RecordingDoorbell:
    """``Doorbell`` that remembers what was rung; ``is_away`` makes it raise ``Unavailable``."""

    rung: list[tuple[int, StepName]] = field(default_factory=list)
    is_away: bool = False

    def ring(self, step_id: int, name: StepName) -> None:
        """See ``Doorbell.ring``."""
        if self.is_away:
            raise Unavailable("the message broker does not answer")
        self.rung.append((step_id, name))


@dataclass
class SilentObserver:
    """``StepObserver`` that only remembers outcomes."""

    outcomes: list[tuple[StepName, str, str | None]] = field(default_factory=list)

    def started(self, step: object) -> None:
        """See ``StepObserver.started``."""

    def ended(self, step: object, outcome: str, sentence: str | None) -> None:
        """See ``StepObserver.ended``."""
        self.outcomes.append((step.name, outcome, sentence))  # type: ignore[attr-defined]
