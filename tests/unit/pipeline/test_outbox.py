"""Deliveries: committed with the result, in order, once, tried again, given up where a person has to look."""

from datetime import timedelta

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.results import DatabaseResults
from plumbline.errors import Conflict, InvalidInput, Unavailable
from plumbline.pipeline.outbox import DeliveryKind, DeliveryState, Dispatcher, RetryPolicy
from plumbline.testing import ManualClock
from tests.unit.pipeline.outbox_cases import RecordingDestination, SilentDeliveryObserver, owed

HOUR_S = 3600


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.engine.dispose()


@pytest.fixture
def outbox(store, clock):
    return DatabaseOutbox(store, clock)


@pytest.fixture
def destination():
    return RecordingDestination()


@pytest.fixture
def dispatcher(outbox, destination, clock):
    return dispatcher_of(outbox, destination, clock)


def dispatcher_of(outbox, destination, clock, name="ris", holder="one"):
    return Dispatcher(name, destination, outbox, lambda *_: (), clock, holder, SilentDeliveryObserver())


def commit(outbox, *deliveries):
    for each in deliveries:
        outbox.commit(each.study_instance_uid, each.revision, {"triage": {}}, [each])


def states(outbox):
    return [each.state.value for each in reversed(outbox.letters())]


def drain(dispatcher):
    while dispatcher.deliver_next():
        pass


def test_a_result_and_what_is_owed_because_of_it_are_committed_together(outbox, store, clock, monkeypatch):
    new = owed()
    monkeypatch.setattr("plumbline.adapters.database.outbox._owe", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        commit(outbox, new)
    with pytest.raises(InvalidInput):
        DatabaseResults(store, clock).document(new.study_instance_uid, 1)
    monkeypatch.undo()
    commit(outbox, new)
    assert DatabaseResults(store, clock).document(new.study_instance_uid, 1) == {"triage": {}}
    assert states(outbox) == ["waiting"]


def test_what_is_owed_twice_is_delivered_once(outbox, dispatcher, destination):
    commit(outbox, owed(), owed())
    drain(dispatcher)
    commit(outbox, owed())
    drain(dispatcher)
    assert destination.calls == [owed().key]
    assert states(outbox) == ["sent"]


def test_an_hour_of_outage_costs_no_result_and_makes_no_duplicate(outbox, dispatcher, destination, clock):
    destination.raises = Unavailable("it does not answer")
    for minute in range(60):
        commit(outbox, owed(100 + minute), owed(100 + minute, kind=DeliveryKind.OBJECTS))
        drain(dispatcher)
        clock.advance(60)
    destination.raises = None
    destination.calls.clear()
    for _ in range(int(dispatcher.policy.longest_s // 30) + 1):
        drain(dispatcher)
        clock.advance(30)
    assert len(destination.effects) == 120
    assert len(destination.calls) == len(set(destination.calls)) == 120
    assert set(states(outbox)) == {"sent"}


def test_a_lost_answer_is_sent_again_under_the_same_key(outbox, dispatcher, destination, clock):
    destination.loses_answers = True
    commit(outbox, owed())
    drain(dispatcher)
    assert states(outbox) == ["waiting"]
    destination.loses_answers = False
    clock.advance(dispatcher.policy.first_s)
    drain(dispatcher)
    assert destination.calls == [owed().key] * 2
    assert list(destination.effects) == [owed().key]


def test_waits_grow_and_are_bounded(outbox, dispatcher, destination, clock):
    destination.raises = Unavailable("it does not answer")
    commit(outbox, owed())
    waits = []
    for _ in range(12):
        drain(dispatcher)
        (letter,) = outbox.letters()
        waits.append((letter.not_before - clock.now()).total_seconds())
        clock.advance(waits[-1])
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == RetryPolicy().longest_s
    assert letter.error == "it does not answer."


def test_what_will_never_be_taken_is_a_dead_letter_that_can_be_sent_again(outbox, dispatcher, destination):
    destination.raises = InvalidInput("it refuses this")
    commit(outbox, owed())
    drain(dispatcher)
    (letter,) = outbox.letters(state=DeliveryState.DEAD)
    assert (letter.error, letter.attempts) == ("it refuses this.", 1)
    assert outbox.backlog()[0].dead == 1
    destination.raises = None
    outbox.resend(letter.delivery_id)
    with pytest.raises(Conflict):
        outbox.resend(letter.delivery_id)
    drain(dispatcher)
    assert states(outbox) == ["sent"]
    with pytest.raises(InvalidInput):
        outbox.resend(999)


def test_what_waited_too_long_is_a_dead_letter(outbox, dispatcher, destination, clock):
    destination.raises = Unavailable("it does not answer")
    commit(outbox, owed())
    clock.advance(dispatcher.policy.give_up_after_s + 1)
    drain(dispatcher)
    assert states(outbox) == ["dead"]


def test_a_destination_that_breaks_our_code_loses_nothing(outbox, dispatcher, destination):
    destination.raises = RuntimeError("anything")
    commit(outbox, owed())
    drain(dispatcher)
    (letter,) = outbox.letters()
    assert (letter.state, letter.error) == (DeliveryState.WAITING, "the attempt broke off (RuntimeError).")


def test_one_exam_is_delivered_in_order_and_others_do_not_wait_for_it(outbox, dispatcher, destination, clock):
    commit(outbox, owed(1, 1, kind=DeliveryKind.OBJECTS), owed(1, 2, kind=DeliveryKind.OBJECTS), owed(2, 1))
    destination.raises = Unavailable("once")
    dispatcher.deliver_next()
    destination.raises = None
    drain(dispatcher)
    assert list(destination.effects) == [owed(2).key]
    clock.advance(10)
    drain(dispatcher)
    assert [key.rpartition(":")[2] for key in list(destination.effects)[1:]] == ["1", "2"]


def test_a_later_result_supersedes_one_that_waits(outbox, dispatcher, destination, clock):
    destination.raises = Unavailable("it does not answer")
    commit(outbox, owed(1, 1))
    drain(dispatcher)
    destination.raises = None
    commit(outbox, owed(1, 2))
    clock.advance(60)
    drain(dispatcher)
    assert states(outbox) == ["superseded", "sent"]
    assert list(destination.effects) == [owed(1, 2).key]


def test_a_dispatcher_that_died_is_followed_by_another_after_its_lease(outbox, destination, clock):
    commit(outbox, owed())
    assert outbox.claim("ris", "dead", timedelta(seconds=60)) is not None
    other = dispatcher_of(outbox, destination, clock, holder="two")
    assert not other.deliver_next()
    clock.advance(61)
    assert other.deliver_next()
    assert destination.calls == [owed().key]


def test_destinations_do_not_see_each_others_deliveries(outbox, destination, clock):
    commit(outbox, owed(destination="pacs"))
    assert not dispatcher_of(outbox, destination, clock, name="ris").deliver_next()
    assert dispatcher_of(outbox, destination, clock, name="pacs").deliver_next()
