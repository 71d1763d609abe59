"""Liveness, readiness and metrics of this process."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from plumbline.errors import PlumblineError
from services.worklist_api.context import InContext
from services.worklist_api.metrics import CONTENT_TYPE, exposition

router = APIRouter(tags=["Operations"])


@router.get("/health/live", summary="The process answers")
def live() -> dict[str, str]:
    """Say only that the process serves requests; see ``/health/ready``."""
    return {"status": "live"}


@router.get("/health/ready", summary="Database and archive answer", responses={503: {"description": "Not ready"}})
def ready(context: InContext) -> JSONResponse:
    """Ask everything that serving an exam needs; 503 with the reason where something does not answer."""
    answers: dict[str, str] = {}
    for name, probe in context.probes.items():
        try:
            probe()
            answers[name] = "answers"
        except PlumblineError as error:
            answers[name] = str(error)
    is_ready = all(answer == "answers" for answer in answers.values())
    body = {"status": "ready" if is_ready else "not ready", "checks": answers}
    return JSONResponse(body, 200 if is_ready else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
def metrics(context: InContext) -> Response:
    """Return the metrics of all processes that share the metrics folder, and of the worklist."""
    return Response(exposition(context.worklist, context.now()), media_type=CONTENT_TYPE)
