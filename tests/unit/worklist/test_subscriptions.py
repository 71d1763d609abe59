"""The contract of ``Subscriptions``, on the shipped store and on the real one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.subscriptions import DatabaseSubscriptions
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.errors import InvalidInput
from plumbline.testing import ManualClock, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.matching import search_key
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.refusals import WorkitemInvalid
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import FILTERED, GLOBAL, Subscription


class Desk:
    def __init__(self, worklist, subscriptions, clock):
        self.worklist, self.subscriptions, self.clock = worklist, subscriptions, clock

    def add(self, number: int, priority: str = "ROUTINE") -> str:
        dataset = reading_workitem(
            invented_ct_study(number),
            TriageDecision(Priority(priority), ("x",)),
            workitem_uid=f"2.25.9{number}",
            scheduled_at=self.clock.now(),
            source=RetrievalSource(),
        )
        self.worklist.upsert_reading(f"2.25.9{number}", f"2.25.77{number}", dataset)
        return f"2.25.9{number}"

    def told(self, receiver: str = "A") -> list[str]:
        return [each.report.workitem_uid for each in self.subscriptions.pending(receiver, limit=1000)]


@pytest.fixture(params=["memory", "sqlite"])
def desk(request, tmp_path):
    clock = ManualClock()
    if request.param == "memory":
        worklist = MemoryWorkitems(clock)
        yield Desk(worklist, worklist.store, clock)
        return
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield Desk(DatabaseWorkitems(store, clock), DatabaseSubscriptions(store, clock), clock)
    store.engine.dispose()


def test_one_workitem(desk):
    first, _second = desk.add(1), desk.add(2)
    desk.subscriptions.subscribe(Subscription("A", first))
    desk.worklist.change_state(first, State.IN_PROGRESS, transaction_uid="2.25.1")
    assert desk.told() == [first, first]


def test_every_new_workitem(desk):
    desk.add(1)
    desk.subscriptions.subscribe(Subscription("A", GLOBAL))
    assert desk.told() == []
    new = desk.add(2)
    assert desk.told() == [new]


def test_a_global_subscription_extends_to_what_is_there(desk):
    old = desk.add(1)
    desk.subscriptions.subscribe(Subscription("A", GLOBAL))
    desk.worklist.change_state(old, State.IN_PROGRESS, transaction_uid="2.25.1")
    assert desk.told() == [old]


def test_a_global_subscription_with_a_lock_tells_what_is_there(desk):
    uids = [desk.add(1), desk.add(2)]
    desk.subscriptions.subscribe(Subscription("A", GLOBAL, deletion_lock=True))
    assert sorted(desk.told()) == uids


def test_a_filter_is_applied_to_old_and_new(desk):
    _routine, stat = desk.add(1), desk.add(2, "STAT")
    keys = (search_key("ScheduledProcedureStepPriority", "HIGH"),)
    desk.subscriptions.subscribe(Subscription("A", FILTERED, deletion_lock=True, keys=keys))
    desk.add(3)
    later = desk.add(4, "STAT")
    assert desk.told() == [stat, later]


def test_suspending_and_unsubscribing(desk):
    desk.subscriptions.subscribe(Subscription("A", GLOBAL))
    first = desk.add(1)
    desk.subscriptions.suspend("A", GLOBAL)
    desk.add(2)
    assert desk.told() == [first]
    desk.subscriptions.unsubscribe("A", first)
    desk.worklist.change_state(first, State.IN_PROGRESS, transaction_uid="2.25.1")
    assert desk.told() == [first]


def test_unsubscribing_globally_ends_single_ones_and_leaves_others_alone(desk):
    first = desk.add(1)
    for receiver in ("A", "B"):
        desk.subscriptions.subscribe(Subscription(receiver, first))
        desk.subscriptions.subscribe(Subscription(receiver, GLOBAL))
    desk.subscriptions.unsubscribe("A", GLOBAL)
    desk.worklist.change_state(first, State.IN_PROGRESS, transaction_uid="2.25.1")
    assert (desk.told("A"), desk.told("B")) == ([first], [first, first])


@pytest.mark.parametrize("uid", [GLOBAL, "2.25.5"])
def test_what_is_not_subscribed_cannot_be_ended(desk, uid):
    for end in (desk.subscriptions.unsubscribe, desk.subscriptions.suspend):
        with pytest.raises(WorkitemInvalid):
            end("A", uid)


def test_an_unknown_workitem_cannot_be_subscribed_to(desk):
    with pytest.raises(WorkitemInvalid):
        desk.subscriptions.subscribe(Subscription("A", "2.25.5"))


def test_events_are_dropped_once_told_and_when_too_old(desk):
    desk.subscriptions.subscribe(Subscription("A", GLOBAL))
    desk.subscriptions.subscribe(Subscription("B", GLOBAL))
    desk.add(1), desk.add(2)
    first, second = desk.subscriptions.pending("A", limit=10)
    desk.subscriptions.forget([first])
    assert desk.subscriptions.pending("A", limit=10) == [second]
    assert desk.subscriptions.expire(desk.clock.now()) == 0
    assert desk.subscriptions.expire(desk.clock.now() + timedelta(seconds=1)) == 3
    assert desk.told("B") == []


def test_keys_belong_to_the_filtered_worklist_only():
    wanted = Subscription("A", FILTERED, keys=(search_key("PatientID", "1"),))
    with pytest.raises(InvalidInput):
        replace(wanted, workitem_uid=GLOBAL)


def test_events_after_all_were_told_are_not_taken_for_told_ones(desk):
    desk.subscriptions.subscribe(Subscription("A", GLOBAL))
    for number in (1, 2, 3):
        uid = desk.add(number)
        assert desk.told() == [uid]
        desk.subscriptions.forget(desk.subscriptions.pending("A", limit=10))


def test_waiting_events_can_be_asked_for_without_those_that_were_told(desk):
    first, second = desk.add(1), desk.add(2)
    for uid in (first, second):
        desk.subscriptions.subscribe(Subscription("A", uid))
    told = desk.subscriptions.pending("A", limit=1)
    others = desk.subscriptions.pending("A", limit=1, without={told[0].event_id})
    assert [each.report.workitem_uid for each in (*told, *others)] == [first, second]
    assert not desk.subscriptions.pending("A", limit=9, without={each.event_id for each in (*told, *others)})


def test_one_at_a_time_tells_an_application(desk):
    def take(holder: str, seconds: int) -> bool:
        until = desk.clock.now() + timedelta(seconds=seconds)
        return desk.subscriptions.take_turn("A", holder, until)

    assert [take("first", 60), take("second", 60), take("first", 60)] == [True, False, True]
    desk.clock.advance(61)
    assert [take("second", 60), take("first", 60)] == [True, False]
    assert [take("second", 0), take("first", 60)] == [True, True]
    assert desk.subscriptions.take_turn("B", "second", desk.clock.now())
