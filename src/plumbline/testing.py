"""In-memory versions of the ports, shipped so that users test with what the makers test with.

They keep the promises that the Protocols in ``pipeline.ports`` state; the same contract tests run on them
and on the real adapters.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from threading import RLock

from plumbline.anatomy.landmarks import Landmark
from plumbline.errors import InvalidInput, Unavailable
from plumbline.exams.identity import IdentityPolicy, identifiers_of
from plumbline.exams.notices import OrderNotice
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.pipeline.archive_ports import ArchiveChange, ArchiveInstance, ArchiveStudy, FetchedInstance
from plumbline.pipeline.ports import Clock, Location, Spool, StepName
from plumbline.worklist.desk import Worklist
from plumbline.worklist.events import EventReport, state_report
from plumbline.worklist.matching import Query, matches
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.rendering import rendered
from plumbline.worklist.results import ExamResult
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import WELL_KNOWN, PendingEvent, Subscription
from plumbline.worklist.workitem import PRIORITY_ORDER, Edition, RenderedPage, SearchPage, Standing, Workitem


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
    withdrawn: list[str] = field(default_factory=list)
    annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: list[ArchiveChange] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    """Studies that the archive was told not to send."""
    is_away: bool = False

    def tell_missing(self) -> None:
        """See ``Archive.tell_missing``."""
        if self.is_away:
            raise Unavailable("the archive does not answer")

    def instances_of(self, study_instance_uid: str) -> tuple[ArchiveInstance, ...]:
        """See ``Archive.instances_of``."""
        self.tell_missing()
        return self._listed(study_instance_uid)

    def instances_of_each(self, studies: Sequence[Study]) -> Mapping[str, tuple[ArchiveInstance, ...]]:
        """See ``Archive.instances_of_each``."""
        self.tell_missing()
        return {study.study_instance_uid: self._listed(study.study_instance_uid) for study in studies}

    def _listed(self, study_instance_uid: str) -> tuple[ArchiveInstance, ...]:
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

    def withdraw(self, sop_instance_uid: str) -> None:
        """See ``Archive.withdraw``; ``withdrawn`` keeps what was asked for."""
        self.tell_missing()
        self.withdrawn.append(sop_instance_uid)

    def annotate(self, study_instance_uid: str, values: Mapping[str, str]) -> None:
        """See ``Archive.annotate``."""
        self.tell_missing()
        kept = {**self.annotations.get(study_instance_uid, {}), **values}
        self.annotations[study_instance_uid] = {name: value for name, value in kept.items() if value}

    def stable_since(self, sequence: int, limit: int) -> tuple[tuple[ArchiveChange, ...], int, bool]:
        """See ``Archive.stable_since``."""
        self.tell_missing()
        later = [change for change in self.changes if change.sequence > sequence]
        page = tuple(later[:limit])
        return page, page[-1].sequence if page else sequence, len(later) <= limit

    def is_left_out(self, study_instance_uid: str) -> bool:
        """See ``Archive.is_left_out``."""
        self.tell_missing()
        return study_instance_uid in self.left_out

    def newest_change(self) -> int:
        """See ``Archive.newest_change``."""
        self.tell_missing()
        return self.changes[-1].sequence if self.changes else 0


@dataclass
class MemoryRemoteArchive:
    """``RemoteArchive`` in dictionaries, delivering into a spool.

    ``withheld`` are listed and never delivered; ``failures`` is how many calls raise ``Unavailable`` first. One that
    does not list instances refuses to be asked for them.
    """

    spool: Spool
    studies: list[ArchiveStudy] = field(default_factory=list)
    instances: dict[str, list[FetchedInstance]] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)
    failures: int = 0
    lists_instances: bool = True
    name: str = "ELSEWHERE"
    sender: str = "remote:ELSEWHERE"
    calls: list[str] = field(default_factory=list)

    def studies_of(self, patient: PatientIdentity) -> tuple[ArchiveStudy, ...]:
        """See ``RemoteArchive.studies_of``."""
        self._called("studies_of")
        found = [each for each in self.studies if each.study.patient.patient_id == patient.patient_id]
        return tuple(
            replace(each, study=replace(each.study, series=()), modalities=each.study.modalities) for each in found
        )

    def with_series(self, listed: ArchiveStudy) -> ArchiveStudy:
        """See ``RemoteArchive.with_series``."""
        self._called("with_series")
        uid = listed.study.study_instance_uid
        return next(each for each in self.studies if each.study.study_instance_uid == uid)

    def instances_of(self, study: Study) -> tuple[ArchiveInstance, ...]:
        """See ``RemoteArchive.instances_of``."""
        self._called("instances_of")
        if not self.lists_instances:
            raise InvalidInput("it cannot be asked for instances", where=self.name)
        held = self.instances.get(study.study_instance_uid, [])
        return tuple(ArchiveInstance(each.sop_instance_uid, "", each.sop_instance_uid) for each in held)

    def retrieve(self, study: Study, wanted: Sequence[ArchiveInstance]) -> None:
        """See ``RemoteArchive.retrieve``."""
        self._called("retrieve")
        asked = {each.sop_instance_uid for each in wanted} - self.withheld
        for each in self.instances.get(study.study_instance_uid, []):
            if each.sop_instance_uid in asked:
                self.spool.append(
                    each.dataset,
                    sop_class_uid=each.sop_class_uid,
                    sop_instance_uid=each.sop_instance_uid,
                    transfer_syntax_uid=each.transfer_syntax_uid,
                    sender=self.sender,
                )

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.failures:
            self.failures -= 1
            raise Unavailable("the archive does not answer")


@dataclass
class RecordingDoorbell:
    """``Doorbell`` that remembers what was rung; ``is_away`` makes it raise ``Unavailable``."""

    rung: list[tuple[int, StepName]] = field(default_factory=list)
    is_away: bool = False
    untaken: Mapping[str, int] = field(default_factory=dict)
    """Messages that wait, by queue."""

    def ring(self, step_id: int, name: StepName) -> None:
        """See ``Doorbell.ring``."""
        if self.is_away:
            raise Unavailable("the message broker does not answer")
        self.rung.append((step_id, name))

    def waiting(self, queue: str) -> int:
        """See ``Doorbell.waiting``."""
        if self.is_away:
            raise Unavailable("the message broker does not answer")
        return self.untaken.get(queue, 0)


@dataclass
class SilentObserver:
    """``StepObserver`` that only remembers outcomes."""

    outcomes: list[tuple[StepName, str, str | None]] = field(default_factory=list)

    def started(self, step: object) -> None:
        """See ``StepObserver.started``."""

    def ended(self, step: object, outcome: str, sentence: str | None, result: Mapping[str, object]) -> None:
        """See ``StepObserver.ended``."""
        self.outcomes.append((step.name, outcome, sentence))  # type: ignore[attr-defined]


# --- exams --------------------------------------------------------------------------------------

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


def invented_ct_study(number: int = 1, *, instance_count: int = 3) -> Study:
    """Headers of a lumbar CT of a patient who does not exist; the same number gives the same study."""
    uid = f"2.25.77{number}"
    instances = (Instance(f"{uid}.1.{i}", CT_IMAGE_STORAGE, instance_number=i) for i in range(1, instance_count + 1))
    return Study(
        uid,
        PatientIdentity("PLB-0001", issuer="HOSPITAL", birth_date=date(1961, 4, 2), sex="F"),
        (Series(f"{uid}.1", "CT", tuple(instances)),),
        performed_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        has_time=True,
        description="CT lumbar spine",
        accession_number=f"A{number:05d}",
        study_id=f"RP{number}",
        requested_procedure_description="CT lumbar spine without contrast",
        procedure_codes=(("24963-1", "LN", "CT Spine Lumbar"),),
    )


@dataclass
class MemoryPatients:
    """``Patients`` in a list of merges."""

    merged: list[tuple[tuple[str, str], tuple[str, str]]] = field(default_factory=list)
    """Pairs of (patient ID, issuer)."""
    policy: IdentityPolicy = field(default_factory=IdentityPolicy)

    def linked(self, patient: PatientIdentity) -> tuple[tuple[str, str], ...]:
        """See ``Patients.linked``."""
        own = identifiers_of(patient, self.policy)
        known = set(own)
        while more := {each for pair in self.merged if known & set(pair) for each in pair} - known:
            known |= more
        return tuple(sorted(known - own))


@dataclass
class MemoryOrders:
    """``Orders`` in a list; every one of them is offered for every study."""

    notices: list[OrderNotice] = field(default_factory=list)

    def concerning(self, study: Study) -> tuple[OrderNotice, ...]:
        """See ``Orders.concerning``."""
        return tuple(self.notices)


@dataclass
class MemoryNews:
    """``News`` that is only noted."""

    expected: list[Study] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    """(Study Instance UID, reason) of the exams whose later ones were told."""

    def expect(self, study: Study) -> None:
        """See ``News.expect``."""
        self.expected.append(study)

    def tell_later_exams(self, study: Study, reason: str) -> int:
        """See ``News.tell_later_exams``."""
        self.told.append((study.study_instance_uid, reason))
        return 0

    def unsettled(self, study_instance_uid: str) -> None:
        """See ``News.unsettled``: there is none here."""

    def settle(self, study_instance_uid: str, last: int, outcome: str) -> None:
        """See ``News.settle``."""

    def waiting(self, *, quiet_before: datetime, limit: int) -> list[str]:
        """See ``News.waiting``."""
        return []


@dataclass
class MemoryLandmarks:
    """``Landmarks`` in a dictionary."""

    by_study: dict[str, list[Landmark]] = field(default_factory=dict)

    def landmarks(self, study_instance_uid: str) -> list[Landmark]:
        """See ``Landmarks.landmarks``."""
        return list(self.by_study.get(study_instance_uid, ()))


# --- workitems ----------------------------------------------------------------------------------


class MemoryWorkitems(Worklist):
    """The worklist in memory; also the path's port ``Workitems``."""

    def __init__(self, clock: Clock | None = None) -> None:
        clock = clock or ManualClock()
        self.store = MemoryWorkitemStore(clock)
        super().__init__(self.store, clock.now)


class MemoryWorkitemStore:
    """``worklist.workitem.WorkitemStore`` and ``worklist.subscriptions.Subscriptions`` in memory."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or ManualClock()
        self._workitems: dict[str, Workitem] = {}
        self._subscriptions: dict[tuple[str, str], Subscription] = {}
        self._waiting: list[tuple[str, datetime, PendingEvent]] = []
        self._turns: dict[str, tuple[str, datetime]] = {}
        self._last_event_id = 0
        self._change_number = 0
        self._lock = RLock()

    def add(self, workitem: Workitem, reports: Sequence[EventReport] = ()) -> None:
        """See ``WorkitemStore.add``."""
        with self._lock:
            if workitem.workitem_uid in self._workitems:
                raise WorkitemConflict(Refusal.DUPLICATE, where=workitem.workitem_uid)
            self._workitems[workitem.workitem_uid] = workitem
            for wanted in list(self._subscriptions.values()):
                if wanted.is_global and matches(workitem.dataset, wanted.keys):
                    self._keep_also(wanted, workitem.workitem_uid)
            self.tell(reports)

    def get(self, workitem_uid: str) -> Workitem:
        """See ``WorkitemStore.get``."""
        try:
            return self._workitems[workitem_uid]
        except KeyError:
            raise WorkitemInvalid(Refusal.NO_SUCH_WORKITEM, where=workitem_uid) from None

    def replace(self, before: Workitem, after: Workitem, reports: Sequence[EventReport] = ()) -> bool:
        """See ``WorkitemStore.replace``."""
        with self._lock:
            if self.get(before.workitem_uid).version != before.version:
                return False
            self._workitems[before.workitem_uid] = replace(after, version=before.version + 1)
            self.tell(reports)
            return True

    def tell(self, reports: Sequence[EventReport]) -> None:
        """See ``WorkitemStore.tell``."""
        with self._lock:
            self._change_number += 1
            for report in reports:
                for receiving_ae, workitem_uid in self._subscriptions:
                    if workitem_uid == report.workitem_uid:
                        self._queue(receiving_ae, report)

    def search(self, query: Query) -> SearchPage:
        """See ``WorkitemStore.search``."""
        ordered = sorted(
            self._workitems.values(), key=lambda found: (found.priority_rank, found.created_at, found.workitem_uid)
        )
        kept = [found for found in ordered if query.states is None or found.state.value in query.states]
        matching = [found for found in kept if matches(found.dataset, query.keys)]
        stop = query.offset + query.limit
        return SearchPage(tuple(matching[query.offset : stop]), has_more=len(matching) > stop)

    def search_rendered(self, query: Query, held: Container[Edition] = ()) -> RenderedPage:
        """See ``WorkitemStore.search_rendered``."""
        number, page = self._change_number, self.search(query)
        found = {each.edition: each for each in page.workitems}
        fresh = {edition: rendered(each.dataset) for edition, each in found.items() if edition not in held}
        return RenderedPage(tuple(found), fresh, page.has_more, number)

    def change_number(self) -> int:
        """See ``WorkitemStore.change_number``."""
        return self._change_number

    def change_number_at_once(self) -> int:
        """See ``WorkitemStore.change_number_at_once``."""
        return self._change_number

    def standing(self) -> list[Standing]:
        """See ``WorkitemStore.standing``."""
        groups: dict[tuple[State, int], list[Workitem]] = {}
        for found in self._workitems.values():
            groups.setdefault((found.state, found.priority_rank), []).append(found)
        return [
            Standing(state, PRIORITY_ORDER[rank], len(group), min(found.created_at for found in group))
            for (state, rank), group in sorted(groups.items())
        ]

    def subscribe(self, subscription: Subscription) -> None:
        """See ``Subscriptions.subscribe``."""
        with self._lock:
            if not subscription.is_global:
                dataset = self.get(subscription.workitem_uid).dataset
                self._subscriptions[subscription.receiving_ae, subscription.workitem_uid] = subscription
                self._queue(subscription.receiving_ae, state_report(subscription.workitem_uid, dataset))
                return
            self._subscriptions[subscription.receiving_ae, subscription.workitem_uid] = subscription
            for found in self._workitems.values():
                if matches(found.dataset, subscription.keys):
                    self._keep_also(subscription, found.workitem_uid)
                    if subscription.deletion_lock:
                        self._queue(subscription.receiving_ae, state_report(found.workitem_uid, found.dataset))

    def unsubscribe(self, receiving_ae: str, workitem_uid: str) -> None:
        """See ``Subscriptions.unsubscribe``."""
        self.suspend(receiving_ae, workitem_uid)
        if workitem_uid in WELL_KNOWN:
            for key in [key for key in self._subscriptions if key[0] == receiving_ae]:
                del self._subscriptions[key]

    def suspend(self, receiving_ae: str, workitem_uid: str) -> None:
        """See ``Subscriptions.suspend``."""
        if self._subscriptions.pop((receiving_ae, workitem_uid), None) is None:
            raise WorkitemInvalid(Refusal.NO_SUCH_WORKITEM, where=workitem_uid, detail="there is no such subscription")

    def pending(self, receiving_ae: str, *, limit: int, without: Set[int] = frozenset()) -> Sequence[PendingEvent]:
        """See ``Subscriptions.pending``."""
        own = [event for receiver, _, event in self._waiting if receiver == receiving_ae]
        return [event for event in own if event.event_id not in without][:limit]

    def forget(self, events: Sequence[PendingEvent]) -> None:
        """See ``Subscriptions.forget``."""
        told = {event.event_id for event in events}
        with self._lock:
            self._waiting = [each for each in self._waiting if each[2].event_id not in told]

    def take_turn(self, receiving_ae: str, holder: str, until: datetime) -> bool:
        """See ``Subscriptions.take_turn``."""
        with self._lock:
            has_it, held_until = self._turns.get(receiving_ae, (holder, until))
            if has_it != holder and held_until > self._clock.now():
                return False
            self._turns[receiving_ae] = holder, until
            return True

    def expire(self, before: datetime) -> int:
        """See ``Subscriptions.expire``."""
        with self._lock:
            kept = [each for each in self._waiting if each[1] >= before]
            dropped, self._waiting = len(self._waiting) - len(kept), kept
            return dropped

    def _keep_also(self, wanted: Subscription, workitem_uid: str) -> None:
        """Extend a global subscription to one workitem; a lock is added, never taken away."""
        key = wanted.receiving_ae, workitem_uid
        held = self._subscriptions.get(key)
        lock = wanted.deletion_lock or (held is not None and held.deletion_lock)
        self._subscriptions[key] = Subscription(wanted.receiving_ae, workitem_uid, lock)

    def _queue(self, receiving_ae: str, report: EventReport) -> None:
        self._change_number += 1
        self._last_event_id += 1
        self._waiting.append((receiving_ae, self._clock.now(), PendingEvent(self._last_event_id, report)))


@dataclass
class MemoryTaskBook:
    """``worklist.performer.TaskBook`` in a dictionary."""

    entered: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Study and Transaction UID by workitem UID."""

    def note(self, workitem_uid: str, study_instance_uid: str, transaction_uid: str) -> None:
        """See ``TaskBook.note``."""
        self.entered.setdefault(workitem_uid, (study_instance_uid, transaction_uid))

    def locks(self, study_instance_uid: str) -> Mapping[str, str]:
        """See ``TaskBook.locks``."""
        return {uid: lock for uid, (study, lock) in self.entered.items() if study == study_instance_uid}

    def knows(self, workitem_uid: str) -> bool:
        """See ``TaskBook.knows``."""
        return workitem_uid in self.entered


@dataclass
class MemoryExamResults:
    """``worklist.results.ExamResults`` in memory."""

    results: dict[str, ExamResult] = field(default_factory=dict)
    pictures: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """Caption and PNG of each picture, by Study Instance UID."""

    def newest(self, study_instance_uid: str) -> ExamResult:
        """See ``ExamResults.newest``."""
        try:
            return self.results[study_instance_uid]
        except KeyError:
            raise InvalidInput("there is no result for this exam yet", where=study_instance_uid) from None

    def newest_of(self, study_instance_uids: Sequence[str]) -> Mapping[str, ExamResult]:
        """See ``ExamResults.newest_of``."""
        return {uid: self.results[uid] for uid in study_instance_uids if uid in self.results}

    def captions(self, result: ExamResult) -> Sequence[str]:
        """See ``ExamResults.captions``."""
        return [caption for caption, _ in self.pictures.get(result.study_instance_uid, [])]

    def picture(self, result: ExamResult, ordinal: int) -> bytes:
        """See ``ExamResults.picture``."""
        held = self.pictures.get(result.study_instance_uid, [])
        if not 1 <= ordinal <= len(held):
            raise InvalidInput("there is no such picture", where=f"{result.study_instance_uid}, {ordinal}")
        return held[ordinal - 1][1]
