"""What the path needs from outside, as Protocols. Adapters implement them; ``plumbline.testing`` ships in-memory ones.

Nothing here names a library. Datasets that only travel through (for reports) are opaque to the pipeline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plumbline.exams.study import PatientIdentity, Study
from plumbline.imaging.label_maps import FoundLabelMaps
from plumbline.imaging.volume import Volume
from plumbline.pipeline.archive_ports import Archive, Fetches, RemoteArchive
from plumbline.pipeline.patient_ports import Landmarks, News, Orders, Patients
from plumbline.pipeline.studies import Studies

if TYPE_CHECKING:
    from plumbline.pipeline.outbox import Outbox
    from plumbline.pipeline.processing import Processing


class Clock(Protocol):
    """The time of day; tests bring their own."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware, UTC."""
        ...


# --- step 1, receive ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Location:
    """Where the bytes of one instance lie in the spool: a segment file, a byte offset, a length."""

    segment: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ReceivedInstance:
    """One acknowledged instance as the journal recorded it, plus what its header says.

    ``sha256`` is of the dataset bytes as received (no file meta information).
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient: PatientIdentity
    sha256: str
    location: Location
    sender: str
    """Calling AE Title, or ``archive`` for what the reconciler or a match fetched."""
    received_at: datetime


class RecordOutcome(StrEnum):
    """What recording an instance came to; none of them is an error."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICTING_CONTENT = "conflicting-content"
    """Same SOP Instance UID, other bytes: kept aside, the first stays."""
    CONFLICTING_PATIENT = "conflicting-patient"
    """Same Study Instance UID, another patient: kept aside."""


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """Something that was received and cannot be used, kept with the reason for an operator."""

    reason: str
    """Short machine-readable word, e.g. ``truncated``."""
    sentence: str
    sender: str
    received_at: datetime
    location: Location | None = None
    study_instance_uid: str | None = None
    sop_instance_uid: str | None = None


class InstanceIndex(Protocol):
    """The receive ledger as the workers query it."""

    def record(
        self, received: Sequence[ReceivedInstance], *, cursor: tuple[str, str] | None = None
    ) -> list[RecordOutcome]:
        """Record a batch in one transaction, in order, and store a cursor (name, value) with it.

        New instances of a study advance its exam's ``last_instance_at`` and, where the exam was
        complete already, mark it as grown. Conflicting ones are entered into quarantine.
        """
        ...

    def quarantine(self, entry: QuarantineEntry, *, cursor: tuple[str, str] | None = None) -> None:
        """Enter something that could not even be recorded; once per location."""
        ...

    def quarantined(self, study_instance_uid: str | None = None) -> list[QuarantineEntry]:
        """Entries, the newest first."""
        ...

    def set_aside(self, sop_instance_uids: Iterable[str]) -> set[str]:
        """Those of the given SOP Instance UIDs that are in quarantine and not held."""
        ...

    def held(self, study_instance_uid: str) -> list[ReceivedInstance]:
        """Instances held of a study, in the order of recording; conflicting ones are not among them."""
        ...

    def find(self, sop_instance_uids: Iterable[str]) -> dict[str, ReceivedInstance]:
        """Held instances by SOP Instance UID."""
        ...

    def cursor(self, name: str) -> str | None:
        """Stored value of a cursor (journal position, archive change number)."""
        ...

    def set_cursor(self, name: str, value: str) -> None:
        """Store the value of a cursor."""
        ...


class Spool(Protocol):
    """The bytes of received instances."""

    def read(self, location: Location) -> bytes:
        """Dataset bytes as received, without file meta information."""
        ...

    def append(
        self, dataset: bytes, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, sender: str
    ) -> Location:
        """Store an instance that we fetched ourselves; durable when it returns. The indexer records it."""
        ...


# --- exams and steps ----------------------------------------------------------------------------


class ExamState(StrEnum):
    """Where an exam stands, as an operator reads it."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    """Complete and on its way."""
    DONE = "done"
    REFERENCE = "reference"
    """Fetched only to be compared with: held, but nobody's work."""
    NOT_APPLICABLE = "not-applicable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Exam:
    """A study under this system's care, at its current revision (0 before it was ever complete)."""

    study_instance_uid: str
    revision: int
    state: ExamState
    patient: PatientIdentity
    first_instance_at: datetime
    last_instance_at: datetime
    completed_at: datetime | None = None
    revision_digest: str | None = None
    note: str | None = None


class StepName(StrEnum):
    """Steps of the path that workers carry out, in their order."""

    COMPLETE = "complete"
    RECOGNISE = "recognise"
    PROVISIONAL = "provisional"
    MATCH = "match"
    COMPARE = "compare"
    TRIAGE = "triage"
    REPORT = "report"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Step:
    """One claimed step of one revision of an exam."""

    step_id: int
    study_instance_uid: str
    revision: int
    name: StepName
    attempt: int
    """1 for the first."""
    kept: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What an earlier run of this step kept when it began to wait."""
    failure: str | None = None
    """Why it failed for good, where that is all that is left to do: to tell the reader."""
    due_at: datetime | None = field(default=None, compare=False)
    """Since when it could have been claimed."""


@dataclass(frozen=True)
class Proceed:
    """The step is done; its result is kept and the next one may run."""

    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wait:
    """Nothing is wrong, but not yet: try the same step again after ``seconds``; not counted as an attempt.

    ``kept`` is stored with it, so that the next run need not ask again for what this one was told.
    """

    seconds: float
    reason: str
    kept: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """The path ends here for this revision, with the state and the reason that an operator reads."""

    state: ExamState
    reason: str
    result: Mapping[str, Any] = field(default_factory=dict)


StepOutcome = Proceed | Wait | End


class Exams(Protocol):
    """Exams and their revisions."""

    def exam(self, study_instance_uid: str) -> Exam:
        """Raise ``InvalidInput`` when there is no such exam."""
        ...

    def quiet_since(self, moment: datetime) -> list[str]:
        """Study Instance UIDs that are receiving (or have grown) and got nothing after ``moment``.

        Studies held as references are not among them, nor those whose next count is opened already.
        """
        ...

    def expect_references(self, studies: Sequence[Study], *, sender: str, at: datetime) -> None:
        """Note that instances which ``sender`` brings of these studies are only to be compared with, not work.

        A study that is under care already stays so, and one that anybody else sends becomes work.
        """
        ...

    def stop_counting(self, study_instance_uid: str, *, instance_count: int) -> None:
        """Count an exam no more until it grows, or somebody declares it complete.

        It is counted again where more than ``instance_count`` instances have been recorded meanwhile.
        """
        ...

    def begin_revision(
        self,
        study_instance_uid: str,
        *,
        digest: str,
        instance_count: int,
        completed_at: datetime,
        reopened_from: int | None = None,
    ) -> int:
        """Make the held instances the next revision; the same digest again returns the revision it has.

        With ``reopened_from`` the same instances make a new revision too, where that one is the newest: what
        is known besides them has changed.

        ``instance_count`` is how many instances were counted; where more have been recorded meanwhile,
        the exam stays marked as grown and is counted again.
        """
        ...


class Steps(Protocol):
    """The steps of all exams: the truth that the queue only rings for.

    A step is claimed by a lease; whoever holds an expired one has lost it, and what it then reports is
    refused with ``Conflict``.
    """

    def open(self, study_instance_uid: str, revision: int, name: StepName, *, again: bool = False) -> int | None:
        """Make a step ready and return its id; None where it exists already.

        With ``again`` a counting step that has ended is made ready once more.
        """
        ...

    def claim(self, step_id: int, holder: str) -> Step | None:
        """Take a ready step, or one whose lease ran out; None where it is not to be had now.

        A step that was taken too often without ever being finished is failed here instead, and returned
        with its ``failure``, as is one of which nobody has told the reader yet that it failed.
        """
        ...

    def extend(self, step: Step, holder: str) -> None:
        """Lengthen the lease of a held step; raise ``Conflict`` when it was lost."""
        ...

    def settle(self, step: Step, holder: str, outcome: StepOutcome) -> int | None:
        """Commit an outcome, open the next step with it, and return the id of a step to ring for now."""
        ...

    def fail(self, step: Step, holder: str, sentence: str, *, is_final: bool) -> bool:
        """Commit a failed attempt; True when it was the last, the exam is now failed and the reader is to be told."""
        ...

    def told(self, step: Step, holder: str) -> None:
        """Note that the reader was told of a failure; until then the step is owed and may be claimed."""
        ...

    def result(self, study_instance_uid: str, revision: int, name: StepName) -> Mapping[str, Any]:
        """Stored result of a finished step; raise ``Conflict`` when it has none."""
        ...

    def latest_result(self, study_instance_uid: str, name: StepName) -> Mapping[str, Any]:
        """Result of a step in the newest revision that has one; empty where there is none."""
        ...

    def hardware_seen(self, study_instance_uids: Iterable[str]) -> Mapping[str, bool]:
        """Whether the path saw metal in the spines of many studies: by comparing, else by recognising, the newest."""
        ...

    def owed(
        self, *, unheard_for_s: float, limit: int, names: Collection[StepName] = tuple(StepName)
    ) -> list[tuple[int, StepName]]:
        """Steps of these names that are due, or failed and untold, and that nobody holds, the longest due first.

        For the sweeper, which rings again.
        """
        ...

    def rung(self, step_ids: Sequence[int]) -> None:
        """Note that the doorbell was rung for these steps."""
        ...


class Doorbell(Protocol):
    """Tells workers that a step is ready. It may lose or repeat a message: the steps are the truth."""

    def ring(self, step_id: int, name: StepName) -> None:
        """Ring once; raise ``Unavailable`` when the broker does not answer."""
        ...

    def waiting(self, queue: str) -> int:
        """Messages in a queue that no worker has taken; raise ``Unavailable`` when the broker does not answer."""
        ...


@dataclass(frozen=True, eq=False)
class Picture:
    """One evidence picture: RGB pixels of shape (rows, columns, 3), uint8, without patient data.

    ``view`` names the cut; ``checks`` are the names of the checks it shows.
    """

    caption: str
    view: str
    checks: tuple[str, ...]
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class ReportObject:
    """One DICOM object of a report, as a file."""

    sop_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    kind: str
    """``sr``, ``key-objects``, ``picture`` or ``rejection-note``."""
    part10: bytes


class Results(Protocol):
    """What comparisons came to, for readers."""

    def save(self, study_instance_uid: str, revision: int, document: Mapping[str, Any]) -> None:
        """Store or replace the document of a revision (design section 4, JSON)."""
        ...

    def save_pictures(self, study_instance_uid: str, revision: int, pictures: Sequence[Picture]) -> None:
        """Store or replace the evidence pictures of a revision."""
        ...

    def pictures(self, study_instance_uid: str, revision: int) -> list[Picture]:
        """Evidence pictures of a revision, in order."""
        ...

    def save_objects(self, study_instance_uid: str, revision: int, objects: Sequence[ReportObject]) -> None:
        """Keep the objects of a report until, and after, they are published."""
        ...

    def objects(self, study_instance_uid: str, revision: int) -> list[ReportObject]:
        """Objects of a report, what others refer to first."""
        ...

    def document(self, study_instance_uid: str, revision: int | None = None) -> Mapping[str, Any]:
        """The document of a revision, the newest by default; raise ``InvalidInput`` when there is none."""
        ...


class PublicationState(StrEnum):
    """Where one object stands on its way to one destination."""

    OWED = "owed"
    SENT = "sent"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """The destination had it and has it no more: a later revision took its place."""


class Publications(Protocol):
    """What is owed to whom; a destination sees each object once."""

    def owe(self, study_instance_uid: str, revision: int, destination: str, object_uid: str, kind: str) -> bool:
        """Note that an object is owed; False when it was sent already."""
        ...

    def sent(self, study_instance_uid: str, revision: int, destination: str, object_uid: str) -> None:
        """Note that the destination has it."""
        ...

    def sent_before(self, study_instance_uid: str, revision: int, destination: str, kind: str) -> Mapping[str, int]:
        """Objects of a kind that the destination has of earlier revisions: revision by SOP Instance UID."""
        ...

    def withdrawn(self, study_instance_uid: str, revision: int, destination: str, object_uid: str) -> None:
        """Note that the destination has it no more; it stays an object of our own."""
        ...

    def own_objects(self, study_instance_uid: str) -> frozenset[str]:
        """SOP Instance UIDs that this system has put into a study, whatever the revision."""
        ...


# --- images -------------------------------------------------------------------------------------


class Images(Protocol):
    """Held instances as exams, header datasets and volumes."""

    def study(self, study_instance_uid: str) -> Study:
        """The study as the held instances describe it; raise ``InvalidInput`` where they show two patients."""
        ...

    def headers(self, study_instance_uid: str, series_instance_uid: str | None = None) -> Sequence[Any]:
        """Header datasets (no pixel data) of the held instances, for evidence; opaque to the pipeline."""
        ...

    def volume(self, study_instance_uid: str, series_instance_uid: str) -> Volume:
        """The series as one volume; raise ``InvalidInput`` where no sound geometry can be made of it."""
        ...

    def label_maps(self, study_instance_uid: str, series_instance_uid: str) -> FoundLabelMaps:
        """Label maps of vertebrae in the study that describe this series; none is an answer, too."""
        ...


# --- worklist -----------------------------------------------------------------------------------


class Workitems(Protocol):
    """The UPS workitems, as DICOM JSON model datasets (PS3.18 annex F)."""

    def upsert_reading(self, workitem_uid: str, study_instance_uid: str, dataset: Mapping[str, Any]) -> None:
        """Create the reading workitem of an exam in state SCHEDULED, or replace what may be replaced in it.

        A workitem that a reader has claimed keeps its state, owner and progress; its priority, label and
        comments are updated. Doing the same again changes nothing.
        """
        ...

    def cancel(self, workitem_uid: str, *, reason: str) -> None:
        """Cancel a workitem that turned out not to be one."""
        ...


@dataclass(frozen=True)
class PathPorts:
    """Everything that the steps of the path need from outside."""

    clock: Clock
    index: InstanceIndex
    spool: Spool
    archive: Archive
    fetcher: Fetches
    exams: Exams
    steps: Steps
    images: Images
    workitems: Workitems
    results: Results
    publications: Publications
    patients: Patients
    orders: Orders
    news: News
    studies: Studies
    remotes: tuple[RemoteArchive, ...] = ()
    """Archives elsewhere, asked for earlier exams that our own does not have."""
    landmarks: Landmarks | None = None
    """Points that readers set on radiographs; None where nobody can."""
    outbox: Outbox | None = None
    """What is owed to other systems; None where results go nowhere but to archive and worklist."""
    processing: Processing | None = None
    """Processing workitems that this system performs; None where the site has none."""
