"""``/api/messages``: what other systems sent, for operators; above all what could not be used, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from plumbline.errors import InvalidInput
from plumbline.pipeline.patient_ports import Taken
from services.worklist_api.fhir.endpoints import InDesk
from services.worklist_api.problems import NotFound

router = APIRouter(prefix="/api/messages", tags=["Operations"])


class MessageEntry(BaseModel):
    """A message without its content."""

    number: int
    channel: str
    kind: str
    received_at: datetime
    outcome: Taken
    reason: str
    """Why it was set aside; empty for one that was applied."""


@router.get("", summary="Messages of other systems, the newest first")
def messages(
    desk: InDesk,
    outcome: Annotated[Taken | None, Query(description="Only those with this outcome")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[MessageEntry]:
    """Nothing of their content is in this list."""
    return [
        MessageEntry(
            number=each.message_id,
            channel=each.channel,
            kind=each.kind,
            received_at=each.received_at,
            outcome=each.outcome,
            reason=each.sentence,
        )
        for each in desk.intake.messages(outcome=outcome, limit=limit)
    ]


@router.get("/{number}", summary="One message as it was received", response_class=Response)
def message(number: Annotated[int, Path(ge=1)], desk: InDesk) -> Response:
    """The bytes, never rendered by a browser."""
    try:
        body = desk.intake.body(number)
    except InvalidInput as error:
        raise NotFound(error.what, where=str(number)) from error
    return Response(body, media_type="application/octet-stream", headers={"Content-Disposition": "attachment"})
