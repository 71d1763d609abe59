"""``/api/deliveries``: what is owed to other systems, dead letters, and sending one again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from plumbline.pipeline.outbox import Backlog, Delivery, DeliveryState, Outbox

router = APIRouter(prefix="/api/deliveries", tags=["Deliveries"])

MOST_LETTERS = 1000


class Letter(BaseModel):
    """One delivery, without what it says of the patient."""

    model_config = ConfigDict(frozen=True)

    delivery_id: int
    destination: str
    kind: str
    state: str
    study_instance_uid: str
    revision: int
    attempts: int
    error: str | None
    created_at: datetime
    not_before: datetime
    sent_at: datetime | None


class Owed(BaseModel):
    """What one destination is owed."""

    model_config = ConfigDict(frozen=True)

    destination: str
    waiting: int
    dead: int
    sent: int
    oldest_waiting_at: datetime | None


def install(app: FastAPI, outbox: Outbox) -> None:
    """Serve the deliveries of an outbox."""
    app.state.outbox = outbox
    app.include_router(router)


def _outbox(request: Request) -> Outbox:
    return request.app.state.outbox


@router.get("", summary="Deliveries, the newest first")
def deliveries(
    request: Request,
    state: DeliveryState | None = None,
    destination: Annotated[str | None, Query(max_length=63)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LETTERS)] = 100,
) -> list[Letter]:
    """With ``state=dead`` the dead letters."""
    return [_letter(each) for each in _outbox(request).letters(state=state, destination=destination, limit=limit)]


@router.get("/backlog", summary="What each destination is owed")
def backlog(request: Request) -> list[Owed]:
    """Counts, and since when the oldest waits."""
    return [_owed(each) for each in _outbox(request).backlog()]


@router.post(
    "/{delivery_id}/resend",
    summary="Send a dead or sent delivery again",
    responses={409: {"description": "It waits already"}},
)
def resend(request: Request, delivery_id: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Letter:
    """It is due at once, and counted anew."""
    return _letter(_outbox(request).resend(delivery_id))


def _letter(delivery: Delivery) -> Letter:
    return Letter(
        delivery_id=delivery.delivery_id,
        destination=delivery.destination,
        kind=delivery.kind.value,
        state=delivery.state.value,
        study_instance_uid=delivery.study_instance_uid,
        revision=delivery.revision,
        attempts=delivery.attempts,
        error=delivery.error,
        created_at=delivery.created_at,
        not_before=delivery.not_before,
        sent_at=delivery.sent_at,
    )


def _owed(backlog: Backlog) -> Owed:
    return Owed(
        destination=backlog.destination,
        waiting=backlog.waiting,
        dead=backlog.dead,
        sent=backlog.sent,
        oldest_waiting_at=backlog.oldest_waiting_at,
    )
