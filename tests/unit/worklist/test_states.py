"""The transition table against PS3.4 table CC.1.1-2, transcribed here a second time by DIMSE status."""

import pytest

from plumbline.worklist.refusals import Notice, Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import TRANSITIONS, Change, Event, State, change_state_event, react, update_event

COLUMNS = (None, State.SCHEDULED, State.IN_PROGRESS, State.COMPLETED, State.CANCELED)
STANDARD = {
    Event.CREATE: "SCHEDULED 0111 0111 0111 0111",
    Event.CLAIM: "C307 IN_PROGRESS C302 C300 C300",
    Event.CLAIM_WITHOUT_LOCK: "C307 C301 C301 C301 C301",
    Event.SCHEDULE: "C307 C303 C303 C303 C303",
    Event.COMPLETE: "C307 C310 COMPLETED B306 C300",
    Event.COMPLETE_WITHOUT_LOCK: "C307 C301 C301 C301 C301",
    Event.REQUEST_CANCEL: "C307 CANCELED 0000 C311 B304",
    Event.CANCEL: "C307 C310 CANCELED C300 B304",
    Event.CANCEL_WITHOUT_LOCK: "C307 C301 C301 C301 C301",
    Event.UPDATE: "C307 C310 0000 C300 C300",
    Event.UPDATE_WITHOUT_LOCK: "C307 C310 C301 C300 C300",
    Event.UPDATE_WITHOUT_UID: "C307 0000 C301 C300 C300",
}


def as_standard(outcome) -> str:
    if isinstance(outcome, Change):
        return outcome.to.name
    if isinstance(outcome, Refusal):
        return f"{outcome.dimse_status:04X}"
    return f"{outcome.notice.dimse_status:04X}" if outcome.notice else "0000"


@pytest.mark.parametrize("event", list(Event))
def test_every_event_does_in_every_state_what_the_standard_says(event):
    assert " ".join(as_standard(TRANSITIONS[event, state]) for state in COLUMNS) == STANDARD[event]


def test_what_could_not_be_done_in_any_state_is_the_senders_fault():
    with pytest.raises(WorkitemInvalid):
        react(Event.CLAIM, None)
    with pytest.raises(WorkitemConflict) as caught:
        react(Event.CLAIM, State.COMPLETED)
    assert caught.value.reason is Refusal.NO_LONGER_UPDATABLE


@pytest.mark.parametrize(
    ("requested", "lock", "provided", "event"),
    [
        (State.IN_PROGRESS, None, "1", Event.CLAIM),
        (State.IN_PROGRESS, None, None, Event.CLAIM_WITHOUT_LOCK),
        (State.IN_PROGRESS, "1", "2", Event.CLAIM_WITHOUT_LOCK),
        (State.COMPLETED, "1", "1", Event.COMPLETE),
        (State.COMPLETED, "1", "2", Event.COMPLETE_WITHOUT_LOCK),
        (State.CANCELED, "1", None, Event.CANCEL_WITHOUT_LOCK),
        (State.SCHEDULED, "1", "1", Event.SCHEDULE),
    ],
)
def test_the_lock_decides_which_row_applies(requested, lock, provided, event):
    assert change_state_event(requested, lock=lock, provided=provided) is event


def test_an_update_is_judged_by_its_transaction_uid():
    assert update_event(lock="1", provided="1") is Event.UPDATE
    assert update_event(lock="1", provided="2") is Event.UPDATE_WITHOUT_LOCK
    assert update_event(lock="1", provided=None) is Event.UPDATE_WITHOUT_UID


def test_reasons_have_the_dimse_statuses_of_the_standard():
    assert {each.dimse_status for each in Notice} <= {0xB300, 0xB301, 0xB304, 0xB305, 0xB306}
    assert len({each.dimse_status for each in Refusal}) == len(Refusal)
