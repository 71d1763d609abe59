"""A reading from claim to opinion, through the UPS state machine. The Transaction UID stays on the server."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from plumbline.adapters.database.readers import Opinion
from plumbline.errors import Conflict
from plumbline.worklist import tags
from plumbline.worklist.dataset import Dataset, coded, datetime_element, items, limited_text, person_name, sequence
from plumbline.worklist.reading import INTERPRETATION
from plumbline.worklist.states import State
from services.worklist_api.context import Context, Records

STATION = ("PAGES", "99PLUMBLINE", "Worklist pages")
"""Performed Station Name Code (0040,4028): where the reading was done."""

_COMMENTS = "00400280"  # Comments on the Performed Procedure Step
_DESCRIPTION = "00400254"  # Performed Procedure Step Description
_STATION_NAME = "00404028"
_STARTED = "00404050"
_ENDED = "00404051"
_WORKITEM_CODE = "00404019"
_PERFORMER_CODE = "00404009"


def claim(context: Context, records: Records, workitem_uid: str, reader: str) -> None:
    """Take a reading that waits.

    Raises
    ------
    WorkitemConflict
        When somebody else was faster, or it is finished.
    """
    transaction_uid = f"2.25.{uuid.uuid4().int}"
    context.worklist.change_state(workitem_uid, State.IN_PROGRESS, transaction_uid=transaction_uid)
    records.readers.note_claim(workitem_uid, reader, transaction_uid)
    stored = context.worklist.retrieve(workitem_uid).dataset
    performed = _performed(stored, {tags.ACTUAL_PERFORMERS: sequence(_performer(reader))})
    context.worklist.update(workitem_uid, {tags.PERFORMED: performed}, transaction_uid=transaction_uid)


def complete(context: Context, records: Records, workitem_uid: str, opinion: Opinion) -> None:
    """Finish a reading that its reader claimed here, with what they made of the result.

    Raises
    ------
    Conflict
        When somebody else has it, or it was claimed in another system.
    WorkitemConflict
        When the state machine does not allow it, e.g. because the report is not written yet.
    """
    held = records.readers.claim_of(workitem_uid)
    if held is None:
        raise Conflict("this reading was not claimed here", remedy="Claim it first")
    if held.reader != opinion.reader:
        raise Conflict("somebody else has this reading", remedy="Ask them to finish it")
    stored = context.worklist.retrieve(workitem_uid).dataset
    told = _told(opinion, held.claimed_at)
    performed = _performed(stored, {tags.ACTUAL_PERFORMERS: sequence(_performer(opinion.reader)), **told})
    context.worklist.update(workitem_uid, {tags.PERFORMED: performed}, transaction_uid=held.transaction_uid)
    context.worklist.change_state(workitem_uid, State.COMPLETED, transaction_uid=held.transaction_uid)
    records.readers.note_claim(workitem_uid, held.reader, held.transaction_uid)


def _told(opinion: Opinion, claimed_at: datetime) -> dict[str, Any]:
    """Attributes that the final state requires, and the opinion as text."""
    words = "agrees" if opinion.agrees else "disagrees"
    said = f"The reader {words} with the result of revision {opinion.revision}."
    return {
        _DESCRIPTION: limited_text("LO", said),
        _COMMENTS: limited_text("ST", f"{said} {opinion.reason}".strip()),
        _STATION_NAME: sequence(coded(*STATION)),
        _STARTED: datetime_element(claimed_at),
        _ENDED: datetime_element(opinion.at),
        _WORKITEM_CODE: sequence(coded(*INTERPRETATION)),
    }


def _performer(reader: str) -> Dataset:
    code = coded(f"{uuid.uuid5(uuid.NAMESPACE_OID, reader).hex[:16]}", "99PLUMBLINE", reader)
    return {
        _PERFORMER_CODE: sequence(code),
        tags.PERFORMER_NAME: person_name(reader),
    }


def _performed(stored: Dataset, changes: dict[str, Any]) -> dict[str, Any]:
    """Performed procedure sequence with changes in its first item; what others wrote there stays."""
    found: Sequence[Dataset] = items(stored, tags.PERFORMED)
    first = {tags.OUTPUTS: sequence(), **(found[0] if found else {}), **changes}
    return sequence(first, *found[1:])
