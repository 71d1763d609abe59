"""HTTP status and Warning header of each refusal (PS3.18 11.4 to 11.12); which one, depends on the transaction."""

from __future__ import annotations

from enum import Enum

from fastapi import FastAPI, Request
from starlette.responses import Response

from plumbline.worklist.refusals import Notice, Refusal, WorkitemConflict, WorkitemInvalid
from services.worklist_api.problems import problem

SERVICE = "plumbline"
"""Warn-agent in Warning headers."""


class Transaction(Enum):
    """Transactions whose refusals PS3.18 words in its own way."""

    CREATE = "create"
    UPDATE = "update"
    CHANGE_STATE = "change-state"
    REQUEST_CANCEL = "request-cancel"
    OTHER = "other"


STATUS_OF_REFUSAL: dict[Refusal, int] = {
    Refusal.NO_SUCH_WORKITEM: 404,
    Refusal.DUPLICATE: 409,
    Refusal.WRONG_TRANSACTION_UID: 400,
    Refusal.ALREADY_IN_PROGRESS: 409,
    Refusal.NO_LONGER_UPDATABLE: 409,
    Refusal.NOT_IN_PROGRESS: 409,
    Refusal.FINAL_STATE_NOT_MET: 409,
    Refusal.ALREADY_COMPLETED: 409,
    Refusal.PERFORMER_DECLINES: 409,
    Refusal.PERFORMER_NOT_REACHABLE: 409,
}
"""Every other refusal is 400, a request that could not be carried out in any state."""

STATUS_BY_TRANSACTION: dict[tuple[Transaction, Refusal], int] = {
    (Transaction.UPDATE, Refusal.NO_LONGER_UPDATABLE): 400,
}
"""Where a transaction's own table says otherwise (PS3.18 table 11.6.3-1)."""

_INCONSISTENT_UPDATE = "The submitted request is inconsistent with the current state of the Workitem."
_INCONSISTENT_STATE = "The submitted request is inconsistent with the state of the UPS Instance."

WARNING_BY_TRANSACTION: dict[tuple[Transaction, Refusal], str] = {
    (Transaction.UPDATE, Refusal.NOT_IN_PROGRESS): "The target URI did not reference a claimed Workitem.",
    (Transaction.UPDATE, Refusal.NO_LONGER_UPDATABLE): _INCONSISTENT_UPDATE,
    (Transaction.UPDATE, Refusal.WRONG_TRANSACTION_UID): _INCONSISTENT_UPDATE,
    (Transaction.CHANGE_STATE, Refusal.WRONG_TRANSACTION_UID): "The Transaction UID is incorrect.",
    (Transaction.CHANGE_STATE, Refusal.MISSING_ATTRIBUTE): "The Transaction UID is missing.",
    (Transaction.CHANGE_STATE, Refusal.ALREADY_IN_PROGRESS): _INCONSISTENT_STATE,
    (Transaction.CHANGE_STATE, Refusal.NO_LONGER_UPDATABLE): _INCONSISTENT_STATE,
    (Transaction.CHANGE_STATE, Refusal.NOT_IN_PROGRESS): _INCONSISTENT_STATE,
    (Transaction.CHANGE_STATE, Refusal.FINAL_STATE_NOT_MET): _INCONSISTENT_STATE,
    (Transaction.CHANGE_STATE, Refusal.ONLY_CREATED_SCHEDULED): _INCONSISTENT_STATE,
    (Transaction.REQUEST_CANCEL, Refusal.ALREADY_COMPLETED): "The UPS is already COMPLETED.",
    (Transaction.REQUEST_CANCEL, Refusal.PERFORMER_DECLINES): "Performer chooses not to cancel.",
    (Transaction.REQUEST_CANCEL, Refusal.PERFORMER_NOT_REACHABLE): "The performer cannot be contacted.",
}
"""Texts that PS3.18 prescribes (11.6.3.2, 11.7.3.2, 11.8.3.2); elsewhere our own sentence is sent."""


WARNING_OF_NOTICE = {Notice.CREATED_WITH_MODIFICATIONS: "The Workitem was created with modifications."}
"""Where PS3.18 words a success otherwise than PS3.4 (11.4.3.2)."""


def warning(sentence: str) -> str:
    """Value of a Warning header."""
    return f"299 {SERVICE}: {sentence}"


def noticed(notice: Notice | None) -> dict[str, str]:
    """Headers of a success that changed less, or more, than was asked."""
    if notice is None:
        return {}
    return {"Warning": warning(WARNING_OF_NOTICE.get(notice, notice.sentence))}


def refused(error: WorkitemInvalid | WorkitemConflict, transaction: Transaction = Transaction.OTHER) -> Response:
    """Problem details of a refusal, with its Warning header."""
    reason = error.reason
    status = STATUS_BY_TRANSACTION.get((transaction, reason), STATUS_OF_REFUSAL.get(reason, 400))
    sentence = WARNING_BY_TRANSACTION.get((transaction, reason), reason.sentence)
    return problem(status, reason.sentence, str(error), {"Warning": warning(sentence)})


def install(app: FastAPI) -> None:
    """Answer refusals; the route that was taken says which transaction it was."""
    for kind in (WorkitemInvalid, WorkitemConflict):
        app.add_exception_handler(kind, _answer_refusal)


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, WorkitemInvalid | WorkitemConflict)
    return refused(error, getattr(request.state, "transaction", Transaction.OTHER))


def no_content(status: int, notice: Notice | None = None) -> Response:
    """Return an empty success."""
    return Response(status_code=status, headers=noticed(notice))
