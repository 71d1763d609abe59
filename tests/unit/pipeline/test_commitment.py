"""Storage commitment, judged on a real store and a real journal: what is promised, doubted, waited for and owed."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from plumbline.adapters.database.commitments import DatabaseCommitments
from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.errors import Conflict
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.commitment import (
    HEADSTART,
    CommitmentJudge,
    CommitmentRequest,
    CommitmentState,
    Doubt,
    Reference,
    retry_after,
)
from plumbline.pipeline.ports import Location, QuarantineEntry, ReceivedInstance
from plumbline.pipeline.receive import CURSOR_PREFIX
from plumbline.testing import ManualClock

CT, MR, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.1"
PATIENCE_S = 30.0


class World:
    """A journal, its ledger, and the transactions of one requester."""

    def __init__(self, folder, url):
        self.clock = ManualClock()
        self.store = open_store(url)
        self.index = DatabaseInstanceIndex(self.store)
        self.commitments = DatabaseCommitments(self.store)
        self.journal = Journal(folder / "spool")
        self.judge = CommitmentJudge(
            self.commitments,
            self.index,
            JournalTail(folder / "spool"),
            self.journal.read,
            patience_s=PATIENCE_S,
        )

    def append(self, uid):
        data = uid.encode() * 10
        return data, self.journal.append(
            data, sop_class_uid=CT, sop_instance_uid=uid, transfer_syntax_uid=SYNTAX, sender="CT1"
        )

    def record(self, uid, data, location, sha256=None):
        digest = sha256 or hashlib.sha256(data).hexdigest()
        patient = PatientIdentity("P1")
        self.index.record(
            [ReceivedInstance(uid, CT, SYNTAX, "2.25.9", "2.25.8", patient, digest, location, "CT1", self.clock.now())]
        )
        end = str(10**9)
        self.index.set_cursor(CURSOR_PREFIX + location.segment, end)

    def hold(self, uid, **changes):
        self.record(uid, *self.append(uid), **changes)

    def ask(self, *references, transaction_uid="2.25.1", requester="CT1"):
        asked = tuple(Reference(sop_class, uid) for sop_class, uid in references)
        self.commitments.accept(CommitmentRequest(transaction_uid, requester, "192.0.2.1", asked), self.clock.now())

    def found(self, transaction_uid="2.25.1"):
        return self.commitments.find("CT1", transaction_uid)

    def judged(self):
        """Doubts of the transaction, after a look at it."""
        self.judge.judge_due(self.clock.now())
        return self.found().doubts


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def world(tmp_path, url):
    world = World(tmp_path, url)
    yield world
    world.journal.close()
    world.store.engine.dispose()


def test_what_is_held_is_committed_to_at_once(world):
    world.hold("1.1")
    world.ask((CT, "1.1"))
    assert world.judged() == {}
    assert world.found().state is CommitmentState.JUDGED


def test_another_class_and_damaged_bytes_are_doubted(world):
    world.hold("1.1")
    world.hold("1.2", sha256="0" * 64)
    world.ask((MR, "1.1"), (CT, "1.2"))
    assert world.judged() == {"1.1": Doubt.OTHER_CLASS, "1.2": Doubt.NOT_USABLE}


def test_bytes_that_are_gone_are_doubted(world):
    world.record("1.1", b"x", Location("no-such-segment", 16, 1))
    world.ask((CT, "1.1"))
    assert world.judged() == {"1.1": Doubt.NOT_USABLE}


def test_what_is_not_held_is_given_time_before_it_is_called_missing(world):
    world.hold("1.1")
    world.ask((CT, "1.1"), (CT, "1.404"))
    assert world.judged() is None
    world.clock.advance(PATIENCE_S - 1)
    assert world.judged() is None
    world.clock.advance(2)
    assert world.judged() == {"1.404": Doubt.NOT_HELD}


def test_nothing_is_called_missing_while_the_ledger_lags_behind_the_journal(world):
    data, location = world.append("1.1")
    world.ask((CT, "1.1"))
    world.clock.advance(10 * PATIENCE_S)
    assert world.judged() is None
    world.record("1.1", data, location)
    world.clock.advance(2)
    assert world.judged() == {}


def test_what_lies_in_quarantine_is_not_missing_but_not_usable(world):
    world.index.quarantine(
        QuarantineEntry("truncated", "It ends early.", "CT1", world.clock.now(), Location("q", 1, 1), None, "1.5")
    )
    world.ask((CT, "1.5"))
    world.clock.advance(PATIENCE_S)
    assert world.judged() == {"1.5": Doubt.NOT_USABLE}


def test_a_report_is_left_to_its_own_association_first_and_claimed_once(world):
    world.hold("1.1")
    world.ask((CT, "1.1"))
    world.judged()
    assert world.commitments.to_report(world.clock.now(), 10) == []
    world.clock.advance(HEADSTART.total_seconds())
    (due,) = world.commitments.to_report(world.clock.now(), 10)
    until = world.clock.now() + timedelta(minutes=2)
    assert world.commitments.claim(due, until)
    assert not world.commitments.claim(due, until), "another process had it"
    assert world.commitments.to_report(world.clock.now(), 10) == []


def test_a_report_whose_sender_died_is_due_again(world):
    world.hold("1.1")
    world.ask((CT, "1.1"))
    world.judged()
    world.commitments.claim(world.found(), world.clock.now() + timedelta(minutes=2))
    world.clock.advance(121)
    assert len(world.commitments.to_report(world.clock.now(), 10)) == 1


def test_a_report_that_failed_is_due_when_it_is_said_and_ends_when_it_is_confirmed(world):
    world.hold("1.1")
    world.ask((CT, "1.1"))
    world.judged()
    world.commitments.failed(world.found(), "The requester is away.", world.clock.now() + timedelta(seconds=60))
    world.clock.advance(59)
    assert world.commitments.to_report(world.clock.now(), 10) == []
    world.clock.advance(2)
    (due,) = world.commitments.to_report(world.clock.now(), 10)
    world.commitments.reported(due, world.clock.now())
    assert world.found().state is CommitmentState.REPORTED
    world.clock.advance(86400)
    assert world.commitments.to_report(world.clock.now(), 10) == []


def test_the_same_request_again_is_judged_again_and_what_an_older_one_says_is_void(world):
    world.hold("1.1")
    world.ask((CT, "1.1"))
    world.judged()
    older = world.found()
    world.clock.advance(1)
    world.ask((CT, "1.1"))
    assert world.found().state is CommitmentState.ACCEPTED
    world.commitments.reported(older, world.clock.now())
    assert world.found().state is CommitmentState.ACCEPTED
    assert world.judged() == {}


def test_a_transaction_uid_is_of_one_requester_and_for_one_list(world):
    world.ask((CT, "1.1"))
    world.ask((CT, "1.2"), requester="CT2")
    with pytest.raises(Conflict):
        world.ask((CT, "1.1"), (CT, "1.2"))


def test_what_could_not_be_reported_for_too_long_is_given_up(world):
    world.ask((CT, "1.1"))
    world.clock.advance(3600)
    world.ask((CT, "1.2"), transaction_uid="2.25.2")
    assert world.commitments.give_up(world.clock.now() - timedelta(minutes=30)) == 1
    assert world.found().state is CommitmentState.GIVEN_UP
    assert world.found("2.25.2").state is CommitmentState.ACCEPTED


def test_waits_double_up_to_the_longest():
    waits = [retry_after(n, first_s=5, longest_s=60).total_seconds() for n in (1, 2, 3, 4, 5, 6, 500)]
    assert waits == [5, 10, 20, 40, 60, 60, 60]
