"""Matching as a step: asked once, made whole, counted; what an archive elsewhere has, or fails to give."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.errors import InvalidInput
from plumbline.exams.facts import SourceKind
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.order import order_from_text
from plumbline.exams.study import PatientIdentity, Study
from plumbline.pipeline.archive_ports import ArchiveStudy, FetchedInstance
from plumbline.pipeline.fetch import REFERENCE_SENDER, Fetcher
from plumbline.pipeline.match import match_step
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import ExamState, Location, Proceed, ReceivedInstance, Step, StepName, Wait
from plumbline.pipeline.recognise import recognise_step
from plumbline.priors.choice import PriorPolicy
from plumbline.testing import (
    ManualClock,
    MemoryArchive,
    MemoryLandmarks,
    MemoryNews,
    MemoryOrders,
    MemoryPatients,
    MemoryRemoteArchive,
    MemorySpool,
)
from plumbline.triage.rule_file import default_rules
from tests.unit.pipeline.test_given import PATIENT, study

CURRENT = study("2.25.9", "2026-06-01")
BASELINE = study("2.25.1", "2026-03-05")
LATER = study("2.25.2", "2026-04-10")
PREOPERATIVE = study("2.25.3", "2026-02-20")
POLICY = SitePolicy(default_rules(), "2.25.99")
ORDER = order_from_text(
    "status post L4-L5 TLIF on 2026-03-02", source=SourceKind.ORDER, reference_date=date(2026, 6, 1)
)


def listed(one: Study, count: int | None = 3) -> ArchiveStudy:
    """As an archive lists it: series without their instances."""
    series = tuple(replace(each, instances=()) for each in one.series)
    return ArchiveStudy(replace(one, series=series), count)


def files(one: Study, count: int = 3) -> list[FetchedInstance]:
    return [FetchedInstance(b"x", "1.2", f"{one.study_instance_uid}.{i}", "1.2.840.10008.1.2") for i in range(count)]


class Images:
    """What is held, as its own headers tell; ``named`` are other patients than the archive lists."""

    def __init__(self) -> None:
        self.named: dict[str, PatientIdentity] = {}
        self.told: dict[str, Study] = {CURRENT.study_instance_uid: CURRENT}
        self.mixed: set[str] = set()

    def study(self, uid: str) -> Study:
        if uid in self.mixed:
            raise InvalidInput("these instances of one study carry different patient IDs")
        told = self.told[uid]
        return replace(told, patient=self.named.get(uid, told.patient))


class World:
    """An exam, its archive, and one elsewhere; what is fetched is recorded when ``index_all`` is called."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.store = open_store(url)
        self.index = DatabaseInstanceIndex(self.store)
        self.exams: Any = DatabaseExams(self.store)
        notice = OrderNotice("1", OrderStatus.ACTIVE, PATIENT, ORDER, CURRENT.study_instance_uid)
        self.orders, self.patients, self.news = MemoryOrders([notice]), MemoryPatients(), MemoryNews()
        self.landmarks = MemoryLandmarks()
        self.archive = MemoryArchive()
        self.spool = MemorySpool()
        self.fetcher = Fetcher(self.archive, self.spool, self.clock)
        self.steps = DatabaseSteps(self.store, self.clock, lease_s=60, maximum_attempts=3)
        self.remotes: tuple[MemoryRemoteArchive, ...] = ()
        self.images = Images()
        self.queries: list[str] = []
        self.kept: Any = {}
        self._indexed = 0
        self.senders: list[str] = []
        original = self.spool.append

        def append(*arguments: Any, **named: Any) -> Location:
            self.senders.append(named["sender"])
            return original(*arguments, **named)

        self.spool.append = append  # type: ignore[method-assign]
        for name in ("studies_of", "instances_of", "instances_of_each"):
            self._count(name)

    def _count(self, name: str) -> None:
        original = getattr(self.archive, name)

        def counted(*arguments: Any) -> Any:
            self.queries.append(name)
            return original(*arguments)

        setattr(self.archive, name, counted)

    def hold_in_archive(self, *studies: Study, count: int = 3) -> None:
        for each in studies:
            self.images.told[each.study_instance_uid] = each
            self.archive.studies.append(listed(each, count))
            self.archive.instances[each.study_instance_uid] = files(each, count)

    def elsewhere(self, *studies: Study, count: int = 3, **options: Any) -> MemoryRemoteArchive:
        self.images.told |= {each.study_instance_uid: each for each in studies}
        remote = MemoryRemoteArchive(self.spool, **options)
        remote.studies = [listed(each, count) for each in studies]
        remote.instances = {each.study_instance_uid: files(each, count) for each in studies}
        self.remotes = (remote,)
        return remote

    def index_all(self) -> None:
        """What the indexer does with whatever was put into the spool since."""
        new = self.spool.appended[self._indexed :]
        senders = self.senders[self._indexed :]
        self.receive(*((each.sop_instance_uid, sender) for each, sender in zip(new, senders, strict=True)))
        self._indexed += len(new)

    def receive(self, *uids: tuple[str, str]) -> None:
        self.index.record(
            [
                ReceivedInstance(
                    uid,
                    "1.2",
                    "1.2.840.10008.1.2",
                    uid.rpartition(".")[0],
                    f"{uid.rpartition('.')[0]}.0",
                    PATIENT,
                    uid.rjust(64, "0"),
                    Location(sender[:20], abs(hash(uid)) % 10**9, 1),
                    sender,
                    self.clock.now(),
                )
                for uid, sender in uids
            ]
        )

    def recognise(self) -> None:
        self.receive((f"{CURRENT.study_instance_uid}.0", "ORTHANC"))
        outcome = recognise_step(Step(1, CURRENT.study_instance_uid, 1, StepName.RECOGNISE, 1), self, POLICY)  # type: ignore[arg-type]
        assert isinstance(outcome, Proceed), outcome
        step_id = self.steps.open(CURRENT.study_instance_uid, 1, StepName.RECOGNISE)
        assert step_id is not None
        step = self.steps.claim(step_id, "test")
        assert step is not None
        self.steps.settle(step, "test", outcome)
        self.match_id = self.steps.open(CURRENT.study_instance_uid, 1, StepName.MATCH)
        self.match_id = self.match_id or step_id + 1

    def match_once(self, policy: SitePolicy = POLICY) -> Proceed | Wait:
        step = Step(7, CURRENT.study_instance_uid, 1, StepName.MATCH, 1, self.kept)
        outcome = match_step(step, self, policy)  # type: ignore[arg-type]
        assert isinstance(outcome, Proceed | Wait)
        self.kept = outcome.kept if isinstance(outcome, Wait) else {}
        return outcome

    def match(self, policy: SitePolicy = POLICY) -> dict[str, Any]:
        """Run the step until it proceeds; what was fetched is indexed in between."""
        self.recognise()
        for _ in range(60):
            outcome = self.match_once(policy)
            if isinstance(outcome, Proceed):
                return dict(outcome.result)
            self.clock.advance(outcome.seconds)
            self.index_all()
        raise AssertionError("matching never comes to an end")


def chosen(result: dict[str, Any]) -> dict[str, str]:
    return {each["role"]: each["study_instance_uid"] for each in result["choice"]["considered"] if each["role"]}


def considered(result: dict[str, Any], one: Study) -> dict[str, Any]:
    return next(e for e in result["choice"]["considered"] if e["study_instance_uid"] == one.study_instance_uid)


@pytest.fixture
def world(tmp_path):
    world = World(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield world
    world.store.engine.dispose()


def test_references_are_chosen_made_whole_and_counted(world):
    world.hold_in_archive(BASELINE, LATER, PREOPERATIVE)
    result = world.match()
    assert chosen(result) == {"preoperative": "2.25.3", "baseline": "2.25.1", "prior": "2.25.2"}
    assert not any(each["partial"] for each in result["choice"]["considered"])
    assert len(world.spool.appended) == 9


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (PatientIdentity("SOMEBODY"), "The patient IDs differ."),
        (replace(PATIENT, issuer="ELSEWHERE"), "different issuers"),
        (replace(PATIENT, birth_date=date(1999, 9, 9)), "birth dates do not"),
    ],
)
def test_an_exam_whose_images_name_another_patient_than_the_archive_lists_is_not_compared(world, held, words):
    world.hold_in_archive(BASELINE, LATER)
    world.images.named[BASELINE.study_instance_uid] = held
    result = world.match()
    assert BASELINE.study_instance_uid not in chosen(result).values()
    refused = considered(result, BASELINE)
    assert not refused["comparable"] and words in " ".join(refused["reasons"])
    assert chosen(result)["baseline"] == LATER.study_instance_uid, "the next best takes its place"


def test_images_that_leave_issuer_and_birth_date_open_are_of_whom_the_archive_lists(world):
    world.hold_in_archive(BASELINE)
    world.images.named[BASELINE.study_instance_uid] = PatientIdentity(PATIENT.patient_id)
    assert chosen(world.match())["baseline"] == BASELINE.study_instance_uid


def test_an_exam_whose_images_show_two_patients_gives_way_to_the_next_best(world):
    world.hold_in_archive(BASELINE, LATER)
    world.images.mixed.add(BASELINE.study_instance_uid)
    result = world.match()
    assert chosen(result)["baseline"] == LATER.study_instance_uid
    refused = considered(result, BASELINE)
    assert not refused["comparable"]
    assert "different patient IDs" in " ".join(refused["reasons"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"image_orientation": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)}, "not axial"),
        ({"image_type": ("DERIVED", "SECONDARY", "MPR")}, "derived"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture"),
    ],
)
def test_an_exam_that_turns_out_unfit_once_its_images_are_here_gives_way_to_the_next_best(world, changed, words):
    world.hold_in_archive(BASELINE, LATER)
    (series,) = BASELINE.series
    unfit = replace(series, instances=tuple(replace(each, **changed) for each in series.instances))
    world.images.told[BASELINE.study_instance_uid] = replace(BASELINE, series=(unfit,))
    result = world.match()
    assert chosen(result) == {"baseline": LATER.study_instance_uid}
    assert words in " ".join(considered(result, BASELINE)["reasons"])


def test_each_kind_of_question_is_asked_once_however_often_the_step_waits(world):
    world.hold_in_archive(*(study(f"2.25.{i}", f"2026-03-{i % 20 + 3:02}") for i in range(20, 60)))
    world.match()
    assert world.queries == ["studies_of", "instances_of_each"]


def test_what_is_held_already_is_not_fetched_again(world):
    world.hold_in_archive(BASELINE)
    world.receive(*((each.sop_instance_uid, "ORTHANC") for each in files(BASELINE)))
    result = world.match()
    assert chosen(result) == {"baseline": "2.25.1"}
    assert world.spool.appended == []


def test_what_is_fetched_to_be_compared_with_is_not_work(world):
    world.hold_in_archive(BASELINE)
    world.match()
    assert set(world.senders) == {REFERENCE_SENDER}
    assert world.exams.exam("2.25.1").state is ExamState.REFERENCE
    world.clock.advance(1000)
    assert "2.25.1" not in world.exams.quiet_since(world.clock.now())


def test_a_reference_that_somebody_sends_becomes_work(world):
    world.hold_in_archive(BASELINE)
    world.match()
    world.receive(("2.25.1.77", "ORTHANC"))
    assert world.exams.exam("2.25.1").state is ExamState.RECEIVING


def test_an_archive_that_lists_more_than_it_gives_leaves_a_partial_reference(world):
    world.hold_in_archive(BASELINE)
    give = world.archive.fetch

    def fetch(instance):
        if instance.sop_instance_uid == "2.25.1.2":
            return give(replace(instance, handle="gone"))
        return give(instance)

    world.archive.fetch = fetch
    reference = considered(world.match(), BASELINE)
    assert reference["role"] == "baseline"
    assert reference["partial"]
    assert any("Only 2 of the archive's 3 instances" in reason for reason in reference["reasons"])


def test_an_archive_that_counts_more_than_it_lists_leaves_a_partial_reference(world):
    world.hold_in_archive(BASELINE)
    world.archive.instances["2.25.1"].pop()
    reference = considered(world.match(), BASELINE)
    assert reference["partial"]
    assert any("does not list the others" in reason for reason in reference["reasons"])


def test_a_site_may_refuse_partial_references_and_gets_the_next_best(world):
    world.hold_in_archive(BASELINE, LATER)
    world.archive.instances["2.25.1"].pop()
    policy = replace(POLICY, priors=PriorPolicy(allows_partial=False))
    result = world.match(policy)
    assert chosen(result) == {"baseline": "2.25.2"}
    assert not considered(result, BASELINE)["comparable"]


def test_an_exam_of_which_nothing_can_be_fetched_is_never_a_reference(world):
    world.hold_in_archive(BASELINE)
    world.archive.instances["2.25.1"].clear()
    result = world.match()
    assert chosen(result) == {}
    assert "None of the archive's 3 instances" in considered(result, BASELINE)["reasons"][0]
    assert "baseline" in result["choice"]["missing"]


def test_an_exam_too_large_to_be_fetched_is_refused_and_nothing_of_it_fetched(world):
    world.hold_in_archive(BASELINE, count=12)
    result = world.match(replace(POLICY, maximum_instances=10))
    assert chosen(result) == {}
    assert world.spool.appended == []


def test_no_more_exams_are_fetched_than_the_site_allows(world):
    world.hold_in_archive(BASELINE, LATER, PREOPERATIVE)
    result = world.match(replace(POLICY, maximum_priors=1))
    assert len(chosen(result)) == 1
    assert len(world.spool.appended) == 3


def test_what_only_another_archive_has_is_fetched_from_there(world):
    world.hold_in_archive(LATER)
    remote = world.elsewhere(BASELINE, LATER)
    result = world.match()
    assert chosen(result) == {"baseline": "2.25.1", "prior": "2.25.2"}
    assert "It is from the archive ELSEWHERE." in considered(result, BASELINE)["reasons"]
    assert remote.calls.count("with_series") == 1, "what is here already is not asked for"
    assert world.exams.exam("2.25.1").state is ExamState.REFERENCE


def test_what_our_archive_has_only_in_part_is_made_whole_from_the_one_that_has_more(world):
    world.hold_in_archive(BASELINE, count=2)
    remote = world.elsewhere(BASELINE, count=3)
    result = world.match()
    reference = considered(result, BASELINE)
    assert reference["role"] == "baseline" and not reference["partial"]
    assert result["counted"] == {"2.25.1": 3}
    assert remote.calls.count("retrieve") == 1
    assert {each.sop_instance_uid for each in world.spool.appended} == {"2.25.1.0", "2.25.1.1", "2.25.1.2"}


def test_what_neither_archive_gives_whole_is_marked_as_partial(world):
    world.hold_in_archive(BASELINE, count=2)
    world.elsewhere(BASELINE, count=3, withheld={"2.25.1.2"})
    reference = considered(world.match(), BASELINE)
    assert reference["partial"]
    assert any("Only 2 of the archive's 3 instances" in reason for reason in reference["reasons"])


def test_an_archive_elsewhere_that_has_less_is_not_asked(world):
    world.hold_in_archive(BASELINE, count=3)
    remote = world.elsewhere(BASELINE, count=2)
    assert not considered(world.match(), BASELINE)["partial"]
    assert remote.calls == ["studies_of"]


def test_an_archive_elsewhere_that_does_not_count_is_counted_by_its_instances(world):
    world.hold_in_archive(BASELINE, count=2)
    remote = world.elsewhere(BASELINE, count=3)
    remote.studies = [listed(BASELINE, None)]
    result = world.match()
    assert not considered(result, BASELINE)["partial"]
    assert result["counted"] == {"2.25.1": 3}


def test_an_archive_elsewhere_that_does_not_count_and_has_no_more_changes_nothing(world):
    world.hold_in_archive(BASELINE, count=3)
    remote = world.elsewhere(BASELINE, count=3)
    remote.studies = [listed(BASELINE, None)]
    assert not considered(world.match(), BASELINE)["partial"]
    assert "retrieve" not in remote.calls


@pytest.mark.parametrize("allows_partial", [True, False])
def test_an_exam_of_which_another_archive_may_have_more_is_not_taken_for_whole(world, allows_partial):
    world.hold_in_archive(BASELINE, count=2)
    remote = world.elsewhere(BASELINE, count=3)
    remote.studies, remote.lists_instances = [listed(BASELINE, None)], False
    policy = replace(POLICY, priors=replace(POLICY.priors, allows_partial=allows_partial))
    reference = considered(world.match(policy), BASELINE)
    assert reference["partial"]
    assert any("the archive ELSEWHERE has it, too, and does not say" in reason for reason in reference["reasons"])
    assert reference["comparable"] is allows_partial


def test_an_archive_elsewhere_that_fails_once_is_asked_again(world):
    remote = world.elsewhere(BASELINE, failures=1)
    result = world.match()
    assert chosen(result) == {"baseline": "2.25.1"}
    assert remote.calls[0] == remote.calls[1] == "studies_of"


def test_an_archive_elsewhere_that_stays_away_is_named_in_the_choice(world):
    world.hold_in_archive(BASELINE)
    world.elsewhere(failures=1000)
    result = world.match()
    assert chosen(result) == {"baseline": "2.25.1"}
    assert any("ELSEWHERE" in note and "does not answer" in note for note in result["choice"]["notes"])


def test_what_an_archive_elsewhere_withholds_is_asked_for_a_few_times_and_then_said(world):
    remote = world.elsewhere(BASELINE, withheld={"2.25.1.0"})
    reference = considered(world.match(), BASELINE)
    assert remote.calls.count("retrieve") == POLICY.remote_attempts
    assert reference["partial"]
    assert any("Only 2 of the archive's 3 instances" in reason for reason in reference["reasons"])


def test_only_chosen_exams_are_fetched_from_elsewhere_and_few_are_looked_at(world):
    many = [study(f"2.25.{i}", f"2026-03-{i % 25 + 3:02}") for i in range(20, 60)]
    remote = world.elsewhere(*many)
    result = world.match()
    assert remote.calls.count("with_series") == POLICY.maximum_remote_studies
    assert remote.calls.count("retrieve") == len(chosen(result)) == 2
    assert any("28 more exams of the archive ELSEWHERE" in note for note in result["choice"]["notes"])


def test_another_patients_exam_elsewhere_is_not_even_looked_at(world):
    stranger = study("2.25.1", "2026-03-05", patient=replace(PATIENT, birth_date=date(1931, 1, 1)))
    remote = world.elsewhere(stranger)
    result = world.match()
    assert chosen(result) == {}
    assert remote.calls == ["studies_of"]
