"""Liveness, readiness and metrics of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from plumbline.errors import PlumblineError
from services.worklist_api.context import InContext
from services.worklist_api.metrics import CONTENT_TYPE, exposition

router = APIRouter(tags=["Operations"])

_ANSWERS = "answers"


SERVES_WITH = ("database",)
"""What this process needs to show the worklist, whatever becomes of new exams."""


@router.get("/health/live", summary="The process answers")
def live() -> dict[str, str]:
    """Say only that the process serves requests; see ``/health/serving`` and ``/health/ready``."""
    return {"status": "live"}


@router.get("/health/serving", summary="The worklist can be shown", responses={503: {"description": "It cannot"}})
def serving(context: InContext) -> JSONResponse:
    """Say whether readers can be served here: for whoever divides requests between several of these processes.

    They keep the worklist also when no new exam can be processed, which ``/health/ready`` tells.
    """
    answers = _answers({name: probe for name, probe in context.probes.items() if name in SERVES_WITH})
    return _told("serving", answers)


@router.get("/health/ready", summary="An exam could be processed now", responses={503: {"description": "It could not"}})
def ready(context: InContext) -> JSONResponse:
    """Ask everything that an exam needs, and whether a canary came through every queue; 503 with the reasons."""
    return _told("ready", _answers(context.probes))


def _answers(probes: Mapping[str, Callable[[], None]]) -> dict[str, str]:
    """What each probe answers: a word, or a sentence where something is missing."""
    answers: dict[str, str] = {}
    for name, probe in probes.items():
        try:
            probe()
            answers[name] = _ANSWERS
        except PlumblineError as error:
            answers[name] = str(error)
    return answers


def _told(claim: str, answers: dict[str, str]) -> JSONResponse:
    holds = all(answer == _ANSWERS for answer in answers.values())
    body = {"status": claim if holds else f"not {claim}", "checks": answers}
    return JSONResponse(body, 200 if holds else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
def metrics(context: InContext) -> Response:
    """Return the metrics of all processes that share the metrics folder, of the worklist and of the store."""
    return Response(exposition(context.worklist, context.now(), context.standing), media_type=CONTENT_TYPE)
