"""HTTP status and Warning header of each refusal (PS3.18 11.4 to 11.12); which one, depends on the transaction."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from services.worklist_api.problems import problem

SERVICE = "plumbline"
"""Warn-agent in Warning headers."""

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


def warning(sentence: str) -> str:
    """Value of a Warning header."""
    return f"299 {SERVICE}: {sentence}"


def refused(error: WorkitemInvalid | WorkitemConflict, sentence: str | None = None) -> JSONResponse:
    """Problem details of a refusal, with its Warning header where the transaction defines one."""
    status = STATUS_OF_REFUSAL.get(error.reason, 400)
    headers = {"Warning": warning(sentence or error.reason.sentence)}
    return problem(status, error.reason.sentence, str(error), headers)


def install(app: FastAPI) -> None:
    """Answer refusals that no transaction words differently."""
    for kind in (WorkitemInvalid, WorkitemConflict):
        app.add_exception_handler(kind, _answer_refusal)


async def _answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WorkitemInvalid | WorkitemConflict)
    return refused(error)
