"""What becomes of a reading at a foreign manager, taken over here: claimed, completed or cancelled there, so here.

A site that reads from its own list would else have every reading open for ever on ours. Whoever claimed a reading here
keeps it, whatever happens to its copy.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from plumbline.worklist import tags
from plumbline.worklist.dataset import (
    Dataset,
    coded,
    datetime_element,
    has_value,
    items,
    limited_text,
    sequence,
    text,
)
from plumbline.worklist.desk import UNSPECIFIED_REASON, Worklist
from plumbline.worklist.reading import INTERPRETATION
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import State

_STATION_NAME, _WORKITEM_CODE = "00404028", "00404019"
_STARTED, _ENDED = "00404050", "00404051"
_TOLD_OF_THE_WORK = (
    _STATION_NAME,
    _WORKITEM_CODE,
    _STARTED,
    _ENDED,
    "00404029",  # Performed Station Class Code
    "00404030",  # Performed Station Geographic Location Code
    "00400254",  # Performed Procedure Step Description
    "00400280",  # Comments on the Performed Procedure Step
    tags.ACTUAL_PERFORMERS,
)
"""What is taken over of how the work was done."""


class HeldClaim(Protocol):
    """A claim that was noted here."""

    @property
    def reader(self) -> str:
        """Who has it."""
        ...

    @property
    def transaction_uid(self) -> str:
        """The lock."""
        ...

    @property
    def claimed_at(self) -> datetime:
        """Since when."""
        ...


class ClaimBook(Protocol):
    """Who claimed which reading here, with the locks. Survives a restart."""

    def note_claim(self, workitem_uid: str, reader: str, transaction_uid: str) -> None:
        """Note who has a reading."""
        ...

    def claim_of(self, workitem_uid: str) -> HeldClaim | None:
        """Who has or had a reading; None where nobody claimed it here."""
        ...


class Follower:
    """Takes over states of workitems from foreign managers.

    Parameters
    ----------
    now
        The time of day, timezone-aware.
    """

    def __init__(self, worklist: Worklist, claims: ClaimBook, now: Callable[[], datetime]) -> None:
        self._worklist = worklist
        self._claims = claims
        self._now = now

    def follow(self, manager: str, workitem_uid: str, there: Dataset) -> None:
        """Take over what a manager says of a workitem; the same again, and what is older, changes nothing.

        A reading that was completed there before our report is its output stays claimed: the report completes it.

        Parameters
        ----------
        manager
            AE Title, under which readers see who has it.
        there
            State report, or the whole workitem as the manager has it.

        Raises
        ------
        WorkitemInvalid
            NO_SUCH_WORKITEM, or INVALID_VALUE in what it says.
        """
        state = _state_of(there)
        ours = self._worklist.retrieve(workitem_uid)
        if state is State.SCHEDULED or ours.state.is_final:
            return
        if state is State.CANCELED and ours.state is State.SCHEDULED:
            self._worklist.request_cancel(workitem_uid, _reasons(there), requesting_ae=manager)
            return
        claim = self._claim_of(manager, workitem_uid, ours.state)
        if claim is None:
            if state is State.CANCELED:
                self._worklist.request_cancel(workitem_uid, _reasons(there), requesting_ae=manager)
            return
        if state.is_final:
            self._end(workitem_uid, there, state, claim)

    def _claim_of(self, manager: str, workitem_uid: str, state: State) -> HeldClaim | None:
        """Claim of this manager, made where nobody has the reading; None where somebody else has it."""
        if state is State.SCHEDULED:
            lock = f"2.25.{uuid.uuid4().int}"
            try:
                self._worklist.change_state(workitem_uid, State.IN_PROGRESS, transaction_uid=lock)
            except WorkitemConflict:
                return None  # somebody here was faster
            self._claims.note_claim(workitem_uid, manager, lock)
        held = self._claims.claim_of(workitem_uid)
        return held if held is not None and held.reader == manager else None

    def _end(self, workitem_uid: str, there: Dataset, state: State, claim: HeldClaim) -> None:
        ours, lock = self._worklist.retrieve(workitem_uid).dataset, claim.transaction_uid
        update = self._completion(ours, there, claim) if state is State.COMPLETED else self._cancellation(there)
        try:
            self._worklist.update(workitem_uid, update, transaction_uid=lock)
            self._worklist.change_state(workitem_uid, state, transaction_uid=lock)
        except WorkitemConflict as error:
            if error.reason is not Refusal.FINAL_STATE_NOT_MET:
                raise
            return
        self._claims.note_claim(workitem_uid, claim.reader, lock)

    def _completion(self, ours: Dataset, there: Dataset, claim: HeldClaim) -> dict[str, Any]:
        """What the final state requires: as the manager tells it, else what is known here."""
        here, *others = items(ours, tags.PERFORMED) or [{}]
        told = next(iter(items(there, tags.PERFORMED)), {})
        known = {
            _STATION_NAME: sequence(coded(claim.reader, "99PLUMBLINE", claim.reader)),
            _WORKITEM_CODE: sequence(coded(*INTERPRETATION)),
            _STARTED: datetime_element(claim.claimed_at),
            _ENDED: datetime_element(self._now()),
        }
        taken = {tag: told[tag] for tag in _TOLD_OF_THE_WORK if has_value(told, tag)}
        outputs = sequence(*items(here, tags.OUTPUTS), *items(told, tags.OUTPUTS))
        return {tags.PERFORMED: sequence({**here, **known, **taken, tags.OUTPUTS: outputs}, *others)}

    def _cancellation(self, there: Dataset) -> dict[str, Any]:
        given = _reasons(there)
        progress = {
            tags.CANCELLATION_TIME: datetime_element(self._now()),
            tags.DISCONTINUATION_REASON: sequence(coded(*UNSPECIFIED_REASON)),
            **given,
        }
        return {tags.PROGRESS_INFORMATION: sequence(progress)}


def _state_of(there: Dataset) -> State:
    try:
        return State(text(there, tags.STATE))
    except ValueError as error:
        raise WorkitemInvalid(Refusal.INVALID_VALUE, where="ProcedureStepState") from error


def _reasons(there: Dataset) -> dict[str, Any]:
    """Why it was cancelled, from a state report or from the progress of the whole workitem."""
    told = [there, *items(there, tags.PROGRESS_INFORMATION)]
    found: dict[str, Any] = {}
    for each in told:
        if has_value(each, tags.REASON_FOR_CANCELLATION):
            found[tags.REASON_FOR_CANCELLATION] = limited_text("LT", text(each, tags.REASON_FOR_CANCELLATION))
        if items(each, tags.DISCONTINUATION_REASON):
            found[tags.DISCONTINUATION_REASON] = each[tags.DISCONTINUATION_REASON]
    return found
