"""The UPS state machine as a table: what each event does in each state (PS3.4 table CC.1.1-2, CC.2.6). Pure.

The lock is the Transaction UID: whoever claimed the workitem chose it, and only who knows it may go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plumbline.worklist.refusals import Notice, Refusal, WorkitemConflict, WorkitemInvalid


class State(StrEnum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        """Whether nothing may change any more."""
        return self in (State.COMPLETED, State.CANCELED)


class Event(StrEnum):
    """What may be asked of a workitem, the rows of the Standard's table.

    ``..._WITHOUT_LOCK`` is the same request without the correct Transaction UID.
    """

    CREATE = "create"
    SCHEDULE = "change state to SCHEDULED"
    CLAIM = "change state to IN PROGRESS"
    CLAIM_WITHOUT_LOCK = "change state to IN PROGRESS without the correct Transaction UID"
    COMPLETE = "change state to COMPLETED"
    COMPLETE_WITHOUT_LOCK = "change state to COMPLETED without the correct Transaction UID"
    CANCEL = "change state to CANCELED"
    CANCEL_WITHOUT_LOCK = "change state to CANCELED without the correct Transaction UID"
    REQUEST_CANCEL = "request cancellation"
    UPDATE = "change attributes with a Transaction UID that is the lock"
    UPDATE_WITHOUT_LOCK = "change attributes with a Transaction UID that is not the lock"
    UPDATE_WITHOUT_UID = "change attributes without a Transaction UID"


@dataclass(frozen=True, slots=True)
class Change:
    """The workitem moves to a state; where that is final, the final-state requirements have to be met."""

    to: State


@dataclass(frozen=True, slots=True)
class Keep:
    """Accepted without a change of state: nothing left to do, or only the performer is told."""

    notice: Notice | None = None


Outcome = Change | Keep | Refusal

_ABSENT = None
_COLUMNS: tuple[State | None, ...] = (
    _ABSENT,
    State.SCHEDULED,
    State.IN_PROGRESS,
    State.COMPLETED,
    State.CANCELED,
)
_R = Refusal
_FINISHED = (_R.NO_LONGER_UPDATABLE, _R.NO_LONGER_UPDATABLE)
_WITHOUT_LOCK = (_R.WRONG_TRANSACTION_UID,) * 4
_ROWS: dict[Event, tuple[Outcome, ...]] = {
    Event.CREATE: (Change(State.SCHEDULED), _R.DUPLICATE, _R.DUPLICATE, _R.DUPLICATE, _R.DUPLICATE),
    Event.SCHEDULE: (
        _R.NO_SUCH_WORKITEM,
        _R.ONLY_CREATED_SCHEDULED,
        _R.ONLY_CREATED_SCHEDULED,
        _R.ONLY_CREATED_SCHEDULED,
        _R.ONLY_CREATED_SCHEDULED,
    ),
    Event.CLAIM: (
        _R.NO_SUCH_WORKITEM,
        Change(State.IN_PROGRESS),
        _R.ALREADY_IN_PROGRESS,
        _R.NO_LONGER_UPDATABLE,
        _R.NO_LONGER_UPDATABLE,
    ),
    Event.COMPLETE: (
        _R.NO_SUCH_WORKITEM,
        _R.NOT_IN_PROGRESS,
        Change(State.COMPLETED),
        Keep(Notice.ALREADY_COMPLETED),
        _R.NO_LONGER_UPDATABLE,
    ),
    Event.CANCEL: (
        _R.NO_SUCH_WORKITEM,
        _R.NOT_IN_PROGRESS,
        Change(State.CANCELED),
        _R.NO_LONGER_UPDATABLE,
        Keep(Notice.ALREADY_CANCELED),
    ),
    Event.REQUEST_CANCEL: (
        _R.NO_SUCH_WORKITEM,
        Change(State.CANCELED),
        Keep(),
        _R.ALREADY_COMPLETED,
        Keep(Notice.ALREADY_CANCELED),
    ),
    Event.UPDATE: (_R.NO_SUCH_WORKITEM, _R.NOT_IN_PROGRESS, Keep(), *_FINISHED),
    Event.UPDATE_WITHOUT_LOCK: (_R.NO_SUCH_WORKITEM, _R.NOT_IN_PROGRESS, _R.WRONG_TRANSACTION_UID, *_FINISHED),
    Event.UPDATE_WITHOUT_UID: (_R.NO_SUCH_WORKITEM, Keep(), _R.WRONG_TRANSACTION_UID, *_FINISHED),
    Event.CLAIM_WITHOUT_LOCK: (_R.NO_SUCH_WORKITEM, *_WITHOUT_LOCK),
    Event.COMPLETE_WITHOUT_LOCK: (_R.NO_SUCH_WORKITEM, *_WITHOUT_LOCK),
    Event.CANCEL_WITHOUT_LOCK: (_R.NO_SUCH_WORKITEM, *_WITHOUT_LOCK),
}

TRANSITIONS: dict[tuple[Event, State | None], Outcome] = {
    (event, state): outcome
    for event, outcomes in _ROWS.items()
    for state, outcome in zip(_COLUMNS, outcomes, strict=True)
}
"""Outcome of every event in every state; the state None means that the workitem does not exist."""

_INVALID = frozenset({Refusal.NO_SUCH_WORKITEM, Refusal.ONLY_CREATED_SCHEDULED})


def react(event: Event, state: State | None, *, where: str | None = None) -> Change | Keep:
    """Look up what an event does in a state.

    Raises
    ------
    WorkitemInvalid
        When the request could not be carried out in any state, or there is no such workitem.
    WorkitemConflict
        When the state or the lock does not allow it.
    """
    outcome = TRANSITIONS[event, state]
    if not isinstance(outcome, Refusal):
        return outcome
    error = WorkitemInvalid if outcome in _INVALID else WorkitemConflict
    raise error(outcome, where=where)


def change_state_event(requested: State, *, lock: str | None, provided: str | None) -> Event:
    """Row of the table for a request to change the state.

    Parameters
    ----------
    requested
        Value of Procedure Step State in the request.
    lock
        Transaction UID that the workitem was claimed with, None while nobody did.
    provided
        Transaction UID of the request.
    """
    if requested is State.SCHEDULED:
        return Event.SCHEDULE
    correct = provided is not None and (lock is None or provided == lock)
    pairs = {
        State.IN_PROGRESS: (Event.CLAIM, Event.CLAIM_WITHOUT_LOCK),
        State.COMPLETED: (Event.COMPLETE, Event.COMPLETE_WITHOUT_LOCK),
        State.CANCELED: (Event.CANCEL, Event.CANCEL_WITHOUT_LOCK),
    }
    return pairs[requested][0 if correct else 1]


def update_event(*, lock: str | None, provided: str | None) -> Event:
    """Row of the table for an update; the parameters are those of ``change_state_event``."""
    if provided is None:
        return Event.UPDATE_WITHOUT_UID
    return Event.UPDATE if provided == lock else Event.UPDATE_WITHOUT_LOCK
