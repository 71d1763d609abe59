"""Workitems driven at random through the desk, compared with the Standard's table at every step.

The model keeps nothing but a state and a lock for each workitem; the table is transcribed in
``tests/unit/worklist/test_states.py`` a second time.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from plumbline.testing import ManualClock, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import coded, element, sequence, text
from plumbline.worklist.matching import Query
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import TRANSITIONS, Change, Event, State

UIDS = st.sampled_from(["2.25.1", "2.25.2", "2.25.3"])
LOCKS = st.sampled_from(["2.25.100", "2.25.200"])
FINISHED_WORK = {
    tags.PERFORMED: sequence(
        {
            "00404028": sequence(coded("R1", "99X", "Room")),
            "00404019": sequence(coded("110005", "DCM", "Interpretation")),
            "00404050": element("DT", "20260302"),
            "00404051": element("DT", "20260302"),
            tags.OUTPUTS: sequence(
                {
                    "0040E020": element("CS", "DICOM"),
                    "00081199": sequence({"00081150": element("UI", "1.2"), "00081155": element("UI", "1.3")}),
                }
            ),
        }
    )
}
CANCELLED_WORK = {
    tags.PROGRESS_INFORMATION: sequence(
        {
            tags.CANCELLATION_TIME: element("DT", "20260302"),
            tags.DISCONTINUATION_REASON: sequence(coded("1", "99X", "x")),
        }
    )
}


def reading(uid: str, priority: str) -> dict:
    return reading_workitem(
        invented_ct_study(1),
        TriageDecision(Priority(priority), ("x",)),
        workitem_uid=uid,
        scheduled_at=ManualClock().now(),
        source=RetrievalSource(),
    )


class WorkitemMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.worklist = MemoryWorkitems(self.clock)
        self.states: dict[str, State] = {}
        self.locks: dict[str, str] = {}
        self.ready_for: dict[str, set[State]] = {}

    def attempt(self, event: Event, uid: str, action) -> Change | None:
        """Carry out an action; it has to come to exactly what the table says."""
        self.clock.advance(1)
        expected = TRANSITIONS[event, self.states.get(uid)]
        unmet = (
            isinstance(expected, Change)
            and expected.to.is_final
            and event in (Event.COMPLETE, Event.CANCEL)
            and expected.to not in self.ready_for[uid]
        )
        try:
            notice = action()
        except (WorkitemConflict, WorkitemInvalid) as error:
            assert error.reason is (Refusal.FINAL_STATE_NOT_MET if unmet else expected)
            return None
        assert not unmet
        assert not isinstance(expected, Refusal), expected
        if isinstance(expected, Change):
            self.states[uid] = expected.to
            return expected
        if event in (Event.COMPLETE, Event.CANCEL, Event.REQUEST_CANCEL):
            assert notice is expected.notice
        return None

    @rule(uid=UIDS, priority=st.sampled_from(["STAT", "URGENT", "ROUTINE"]))
    def create(self, uid, priority):
        dataset = reading(uid, priority)
        if self.attempt(Event.CREATE, uid, lambda: self.worklist.create(dataset, workitem_uid=uid)):
            self.ready_for[uid] = set()

    @rule(uid=UIDS, lock=LOCKS)
    def claim(self, uid, lock):
        correct = self.locks.get(uid, lock) == lock
        event = Event.CLAIM if correct else Event.CLAIM_WITHOUT_LOCK
        if self.attempt(event, uid, lambda: self.change(uid, State.IN_PROGRESS, lock)):
            self.locks[uid] = lock

    @rule(uid=UIDS, lock=LOCKS, finish=st.booleans())
    def close(self, uid, lock, finish):
        correct = self.locks.get(uid, lock) == lock
        requested = State.COMPLETED if finish else State.CANCELED
        with_lock, without = (
            (Event.COMPLETE, Event.COMPLETE_WITHOUT_LOCK) if finish else (Event.CANCEL, Event.CANCEL_WITHOUT_LOCK)
        )
        self.attempt(with_lock if correct else without, uid, lambda: self.change(uid, requested, lock))

    @rule(uid=UIDS, lock=st.none() | LOCKS, finish=st.booleans())
    def update(self, uid, lock, finish):
        held = self.locks.get(uid)
        event = (
            Event.UPDATE_WITHOUT_UID if lock is None else Event.UPDATE if lock == held else Event.UPDATE_WITHOUT_LOCK
        )
        changes = FINISHED_WORK if finish else CANCELLED_WORK
        before = self.worklist.store._workitems.get(uid)
        self.attempt(event, uid, lambda: self.worklist.update(uid, changes, transaction_uid=lock) and None)
        if self.worklist.store._workitems.get(uid) != before:
            self.ready_for[uid].add(State.COMPLETED if finish else State.CANCELED)

    @rule(uid=UIDS)
    def schedule_again(self, uid):
        self.attempt(Event.SCHEDULE, uid, lambda: self.change(uid, State.SCHEDULED, "2.25.100"))

    @rule(uid=UIDS)
    def request_cancel(self, uid):
        self.attempt(Event.REQUEST_CANCEL, uid, lambda: self.worklist.request_cancel(uid, requesting_ae="ANY"))

    @precondition(lambda self: self.states)
    @rule(data=st.data(), priority=st.sampled_from(["STAT", "ROUTINE"]))
    def refine_priority(self, data, priority):
        uid = data.draw(st.sampled_from(sorted(self.states)))
        before = self.worklist.retrieve(uid)
        self.worklist.upsert_reading(uid, "2.25.771", reading(uid, priority))
        after = self.worklist.retrieve(uid)
        if before.state.is_final:
            assert after == before
        else:
            assert text(after.dataset, tags.PRIORITY) == Priority(priority).ups
        if before.state is State.SCHEDULED:
            self.ready_for[uid] = set()

    def change(self, uid, requested, lock):
        return self.worklist.change_state(uid, requested, transaction_uid=lock)

    @invariant()
    def every_workitem_is_in_the_state_of_the_model(self):
        for uid, state in self.states.items():
            found = self.worklist.retrieve(uid)
            assert (found.state, found.transaction_uid) == (state, self.locks.get(uid))
            assert tags.TRANSACTION_UID not in found.dataset

    @invariant()
    def search_is_in_reading_order(self):
        found = self.worklist.search(Query()).workitems
        assert [(each.priority_rank, each.created_at) for each in found] == sorted(
            (each.priority_rank, each.created_at) for each in found
        )


WorkitemMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWorkitemMachine = WorkitemMachine.TestCase
