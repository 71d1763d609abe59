"""Completeness as a step, on a real store: what is counted, waited for, fetched, and given up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import delete

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.studies import DatabaseStudies
from plumbline.adapters.database.tables import InstanceRow
from plumbline.errors import Conflict, InvalidInput, Unavailable
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.archive_ports import ArchiveInstance, FetchedInstance
from plumbline.pipeline.complete import complete
from plumbline.pipeline.fetch import Fetcher
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import (
    End,
    ExamState,
    Location,
    Proceed,
    QuarantineEntry,
    ReceivedInstance,
    Step,
    StepName,
    Wait,
)
from plumbline.pipeline.studies import Basis
from plumbline.testing import ManualClock, MemoryArchive, MemoryNews, MemorySpool
from plumbline.triage.rule_file import default_rules

STUDY = "2.25.1"
STEP = Step(1, STUDY, 0, StepName.COMPLETE, 1)
POLICY = SitePolicy(default_rules(), "2.25.9", recount_after_s=5.0, fetch_missing_after_s=30.0, unlisted_after_s=600.0)


class World:
    """One study: what the archive lists of it and what is held of it."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.store = open_store(url)
        self.index = DatabaseInstanceIndex(self.store)
        self.exams = DatabaseExams(self.store)
        self.archive = MemoryArchive()
        self.spool = MemorySpool()
        self.fetcher = Fetcher(self.archive, self.spool, self.clock)
        self.news = MemoryNews()
        self.studies = DatabaseStudies(self.store)

    def list_in_archive(self, *uids: str) -> None:
        self.archive.instances[STUDY] = [FetchedInstance(b"x", "1.2", uid, "1.2.840.10008.1.2") for uid in uids]

    def received(self, uid: str) -> ReceivedInstance:
        return ReceivedInstance(
            uid,
            "1.2",
            "1.2.840.10008.1.2",
            STUDY,
            "2.25.2",
            PatientIdentity("P1"),
            uid.rjust(64, "0"),
            Location("s", int(uid.rsplit(".", 1)[1]), 1),
            "ORTHANC",
            self.clock.now(),
        )

    def receive(self, *uids: str) -> None:
        self.index.record([self.received(uid) for uid in uids])

    def quarantine(self, uid: str) -> None:
        location = Location("q", int(uid.rsplit(".", 1)[1]), 1)
        self.index.quarantine(
            QuarantineEntry("truncated", "It ends early.", "ORTHANC", self.clock.now(), location, STUDY, uid)
        )

    def count(self):
        return complete(STEP, self, POLICY)  # type: ignore[arg-type]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def world(url):
    world = World(url)
    yield world
    world.store.engine.dispose()


def test_a_study_of_which_everything_is_held_becomes_a_revision(world):
    world.list_in_archive("1.1", "1.2")
    world.receive("1.1", "1.2")
    outcome = world.count()
    assert isinstance(outcome, Proceed)
    assert outcome.result["revision"] == 1
    assert outcome.result["instances"] == 2
    assert world.exams.exam(STUDY).state is ExamState.COMPLETE


def test_counting_again_changes_nothing(world):
    world.list_in_archive("1.1")
    world.receive("1.1")
    assert world.count().result["revision"] == world.count().result["revision"] == 1


def test_a_study_that_grew_becomes_another_revision(world):
    world.list_in_archive("1.1")
    world.receive("1.1")
    world.count()
    world.list_in_archive("1.1", "1.2")
    world.receive("1.2")
    assert world.count().result["revision"] == 2


def test_what_is_missing_is_waited_for_and_not_yet_fetched(world):
    world.list_in_archive("1.1", "1.2")
    world.receive("1.1")
    outcome = world.count()
    assert isinstance(outcome, Wait)
    assert outcome.seconds == POLICY.recount_after_s
    assert "1 of 2 instances" in outcome.reason
    assert world.spool.appended == []


def test_what_stays_missing_is_fetched_once(world):
    world.list_in_archive("1.1", "1.2")
    world.receive("1.1")
    world.clock.advance(31)
    for _ in range(3):
        assert isinstance(world.count(), Wait)
    assert [each.sop_instance_uid for each in world.spool.appended] == ["1.2"]
    world.receive("1.2")
    assert isinstance(world.count(), Proceed)


def test_what_the_archive_lists_and_cannot_give_fails_the_exam_visibly(world, monkeypatch):
    world.list_in_archive("1.1", "1.2")
    world.receive("1.1")
    world.clock.advance(31)
    listed = world.archive.instances_of(STUDY)
    gone = [ArchiveInstance(each.sop_instance_uid, "", "gone") for each in listed]
    monkeypatch.setattr(world.archive, "instances_of", lambda _uid: tuple(gone))
    outcome = world.count()
    assert isinstance(outcome, End)
    assert outcome.state is ExamState.FAILED
    assert outcome.reason == "1 instances that the archive lists cannot be fetched from it."
    assert world.exams.quiet_since(world.clock.now()) == [], "it is not counted over and over"
    count = world.studies.study(STUDY).count
    assert (count.held, count.listed, count.missing, count.basis) == (1, 2, 1, None)


def test_an_instance_whose_file_the_archive_lost_fails_the_exam_visibly_after_a_while(world, monkeypatch):
    world.list_in_archive("1.1", "1.2")
    world.receive("1.1")
    world.clock.advance(31)

    def fetch(_instance):
        raise Unavailable("the archive failed (HTTP 500)")

    monkeypatch.setattr(world.archive, "fetch", fetch)
    assert isinstance(world.count(), Wait)
    world.clock.advance(119)
    assert isinstance(world.count(), Wait)
    world.clock.advance(20)
    outcome = world.count()
    assert isinstance(outcome, End)
    assert (outcome.state, outcome.reason[:11]) == (ExamState.FAILED, "1 instances")


def test_an_instance_in_quarantine_is_accounted_for_and_said(world):
    world.list_in_archive("1.1", "1.2")
    world.receive("1.1")
    world.quarantine("1.2")
    outcome = world.count()
    assert isinstance(outcome, Proceed)
    assert outcome.result["instances"] == 1
    assert "1 of them in quarantine" in outcome.result["sentence"]


def test_reports_of_our_own_are_not_counted(world, monkeypatch):
    world.list_in_archive("1.1")
    world.receive("1.1")
    listed = (*world.archive.instances_of(STUDY), ArchiveInstance("1.99", "", "1.99", is_own=True))
    monkeypatch.setattr(world.archive, "instances_of", lambda _uid: listed)
    assert isinstance(world.count(), Proceed)


def test_a_study_that_the_archive_does_not_list_yet_is_waited_for(world):
    world.receive("1.1")
    world.clock.advance(599)
    outcome = world.count()
    assert isinstance(outcome, Wait)
    assert "does not list the study yet" in outcome.reason
    count = world.studies.study(STUDY).count
    assert (count.held, count.listed, count.missing, count.basis) == (1, None, 0, None)


def test_a_study_that_the_archive_never_lists_is_taken_as_it_is_and_says_that_nobody_confirmed_it(world):
    world.receive("1.1")
    world.clock.advance(600)
    outcome = world.count()
    assert isinstance(outcome, Proceed)
    assert outcome.result["basis"] == "not-confirmed"
    assert "not confirmed by the archive" in outcome.result["sentence"]
    assert world.studies.study(STUDY).count.basis is Basis.NOT_CONFIRMED


def test_where_only_a_person_may_an_unlisted_study_waits_for_one(world):
    world.receive("1.1")
    world.clock.advance(86400)
    assert isinstance(complete(STEP, world, replace(POLICY, unlisted_after_s=None)), Wait)
    world.studies.declare(STUDY, by="A. Operator", reason="sent from a CD", at=world.clock.now())
    outcome = complete(STEP, world, replace(POLICY, unlisted_after_s=None))
    assert isinstance(outcome, Proceed)
    assert outcome.result["basis"] == "person"


def test_a_persons_word_goes_before_the_count_and_is_kept_with_its_revision(world):
    world.list_in_archive("1.1", "1.2")
    world.receive("1.1")
    world.studies.declare(STUDY, by="A. Operator", reason="the scanner lost one", at=world.clock.now())
    outcome = world.count()
    assert isinstance(outcome, Proceed)
    assert outcome.result["sentence"] == "1 held, declared complete by A. Operator: the scanner lost one"
    state = world.studies.study(STUDY)
    assert (state.count.held, state.count.listed, state.count.missing) == (1, 2, 1)
    assert [(each.declared_by, each.revision) for each in state.declarations] == [("A. Operator", 1)]
    assert world.studies.declaration(STUDY) is None, "it is not used for what comes later"
    world.receive("1.3")
    assert isinstance(world.count(), Wait)


def test_a_persons_word_does_not_need_the_archive(world):
    world.receive("1.1")
    world.archive.is_away = True
    world.studies.declare(STUDY, by="A. Operator", reason="the archive is down", at=world.clock.now())
    assert isinstance(world.count(), Proceed)


def test_a_study_whose_count_came_to_nothing_is_counted_again_on_a_persons_word(world):
    world.receive("1.1")
    world.exams.stop_counting(STUDY, instance_count=1)
    assert world.exams.quiet_since(world.clock.now()) == []
    world.studies.declare(STUDY, by="A. Operator", reason="as it is", at=world.clock.now())
    assert world.exams.quiet_since(world.clock.now()) == [STUDY]


def test_a_study_that_grew_while_its_count_came_to_nothing_stays_to_be_counted(world):
    world.receive("1.1", "1.2")
    world.exams.stop_counting(STUDY, instance_count=1)
    assert world.exams.quiet_since(world.clock.now()) == [STUDY]


def test_a_word_that_cannot_be_used_is_refused(world):
    world.list_in_archive("1.1")
    with pytest.raises(InvalidInput, match="no such study"):
        world.studies.declare("2.25.404", by="A. Operator", reason="as it is", at=world.clock.now())
    world.receive("1.1")
    for by, reason in (("", "as it is"), ("A. Operator", "  "), ("x" * 200, "as it is")):
        with pytest.raises(InvalidInput, match="who says so"):
            world.studies.declare(STUDY, by=by, reason=reason, at=world.clock.now())
    world.count()
    with pytest.raises(Conflict, match="complete already"):
        world.studies.declare(STUDY, by="A. Operator", reason="as it is", at=world.clock.now())


def test_studies_are_listed_the_newest_first_and_the_waiting_ones_alone(world):
    world.list_in_archive("1.1")
    world.receive("1.1")
    world.count()
    world.clock.advance(10)
    waiting = replace(world.received("1.7"), study_instance_uid="2.25.7")
    world.index.record([waiting])
    assert [each.count.study_instance_uid for each in world.studies.studies(limit=10)] == ["2.25.7", STUDY]
    (only,) = world.studies.studies(limit=10, only_waiting=True)
    assert (only.count.held, only.count.sentence) == (1, "Not counted against the archive yet.")
    assert only.since == waiting.received_at
    assert [each.count.study_instance_uid for each in world.studies.studies(limit=1, offset=1)] == [STUDY]


def test_an_archive_that_is_away_is_no_answer(world):
    world.receive("1.1")
    world.archive.is_away = True
    with pytest.raises(Unavailable):
        world.count()
    assert world.exams.exam(STUDY).state is ExamState.RECEIVING


def test_an_instance_that_comes_while_we_count_is_counted_in_the_next_revision(world):
    """It is not in the digest, so the exam has to stay marked as grown."""
    world.list_in_archive("1.1")
    world.receive("1.1")
    counting = world.archive.instances_of

    def while_the_archive_answers(uid):
        listed = counting(uid)
        world.receive("1.2")
        return listed

    world.archive.instances_of = while_the_archive_answers
    assert world.count().result["instances"] == 1
    assert world.exams.quiet_since(world.clock.now()) == [STUDY]


def test_ports_that_are_not_needed_are_not_touched(world):
    """Counting needs neither images nor worklist: a study is counted before anything in it is read."""
    needed = ("clock", "index", "exams", "archive", "fetcher", "news", "studies")
    world.list_in_archive("1.1")
    world.receive("1.1")
    narrow = SimpleNamespace(**{name: getattr(world, name) for name in needed})
    assert isinstance(complete(STEP, narrow, POLICY), Proceed)  # type: ignore[arg-type]


def test_a_study_that_was_given_back_to_the_archive_is_fetched_again(world):
    world.receive("2.25.11", "2.25.12")
    world.list_in_archive("2.25.11", "2.25.12")
    world.clock.advance(60)
    assert isinstance(world.count(), Proceed)
    revision = world.exams.exam(STUDY).revision
    with world.store.begin() as session:
        session.execute(delete(InstanceRow))
    outcome = world.count()
    assert isinstance(outcome, Wait)
    assert "given back" in outcome.reason
    assert [each.sop_instance_uid for each in world.spool.appended] == ["2.25.11", "2.25.12"]
    world.receive("2.25.11", "2.25.12")
    world.clock.advance(60)
    assert isinstance(world.count(), Proceed)
    assert world.exams.exam(STUDY).revision == revision, "the same instances are the same revision"
