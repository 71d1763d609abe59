"""What the path needs of image archives, our own and those elsewhere, as Protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from plumbline.exams.study import PatientIdentity, Study


@dataclass(frozen=True, slots=True)
class ArchiveInstance:
    """One instance as the archive lists it. ``handle`` is what ``Archive.fetch`` takes."""

    sop_instance_uid: str
    series_instance_uid: str
    handle: str
    is_own: bool = False
    """Whether this system made it (a report of ours): not evidence, and not counted for completeness."""


@dataclass(frozen=True, slots=True)
class FetchedInstance:
    """An instance fetched from the archive, as stored there."""

    dataset: bytes
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class ArchiveChange:
    """A study that the archive says has become stable."""

    sequence: int
    study_instance_uid: str
    at: datetime | None = None
    """When it became stable, where the archive says so."""


@dataclass(frozen=True, slots=True)
class ArchiveStudy:
    """A study of the archive: headers at study and series level (series without instances) and its count."""

    study: Study
    instance_count: int | None
    """None where the archive does not say how many it holds: Number of Study Related Instances is optional."""
    modalities: tuple[str, ...] = ()
    """Modalities in Study (0008,0061), where the archive lists no series."""


class Archive(Protocol):
    """The image archive. Raises ``Unavailable`` when it does not answer."""

    def instances_of(self, study_instance_uid: str) -> tuple[ArchiveInstance, ...]:
        """Every instance that the archive holds of a study; empty when it does not know the study."""
        ...

    def instances_of_each(self, studies: Sequence[Study]) -> Mapping[str, tuple[ArchiveInstance, ...]]:
        """Instances of the listed series of several studies, by Study Instance UID; one query for all of them."""
        ...

    def studies_of(self, patient_id: str) -> tuple[ArchiveStudy, ...]:
        """Studies of a patient ID, whatever their issuer; two queries."""
        ...

    def fetch(self, instance: ArchiveInstance) -> FetchedInstance:
        """One instance, bytes as stored."""
        ...

    def store(self, part10: bytes) -> None:
        """Store one DICOM file; storing the same object again changes nothing."""
        ...

    def withdraw(self, sop_instance_uid: str) -> None:
        """Remove one object that this system made; one that is not there, or that others made, is left alone."""
        ...

    def annotate(self, study_instance_uid: str, values: Mapping[str, str]) -> None:
        """Attach short texts to a study (archive metadata), replacing earlier ones of the same keys.

        An empty text takes the earlier one away.
        """
        ...

    def stable_since(self, sequence: int, limit: int) -> tuple[tuple[ArchiveChange, ...], int, bool]:
        """Studies that became stable after ``sequence``: (changes, last sequence seen, whether that was all)."""
        ...

    def is_left_out(self, study_instance_uid: str) -> bool:
        """Whether the archive was told by the site not to send this study; true only where it says so."""
        ...

    def newest_change(self) -> int:
        """Sequence number of the newest change in the archive's log."""
        ...

    def tell_missing(self) -> None:
        """Raise ``Unavailable`` unless the archive answers now."""
        ...


class RemoteArchive(Protocol):
    """An archive elsewhere. Every call raises ``Unavailable`` when it does not answer.

    ``Misconfigured`` says that it does not know us, ``InvalidInput`` that it cannot do what was asked.
    """

    @property
    def name(self) -> str:
        """What the site calls it."""
        ...

    @property
    def sender(self) -> str:
        """Sender under which what it delivers is recorded."""
        ...

    def studies_of(self, patient: PatientIdentity) -> tuple[ArchiveStudy, ...]:
        """Studies under a patient's identifier, at study level: without their series."""
        ...

    def with_series(self, listed: ArchiveStudy) -> ArchiveStudy:
        """The same study with its series and the number of its instances."""
        ...

    def instances_of(self, study: Study) -> tuple[ArchiveInstance, ...]:
        """Every instance that the archive lists of a study."""
        ...

    def retrieve(self, study: Study, wanted: Sequence[ArchiveInstance]) -> None:
        """Bring instances here, durably or through the listener; raise ``Unavailable`` where it says not all came."""
        ...


class Fetches(Protocol):
    """Brings instances from the archive into the spool."""

    def fetch(self, wanted: Iterable[ArchiveInstance], *, sender: str = ..., broken_after_s: float = ...) -> set[str]:
        """Return the UIDs that the archive lists but cannot give; the others are durable or under way.

        Among them is what it has failed on for ``broken_after_s`` (none where not given) while it answered otherwise.
        """
        ...
