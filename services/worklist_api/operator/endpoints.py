"""The operator page, an exam's own page below it, and the errands that both offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from plumbline.adapters.database.overview import ExamCourse
from plumbline.errors import InvalidInput, PlumblineError
from plumbline.pipeline.outbox import DeliveryState
from plumbline.pipeline.receive import FINISHED
from plumbline.pipeline.studies import StudyState
from services.worklist_api.context import Context, InContext, Records
from services.worklist_api.operator.history import history_of
from services.worklist_api.pages.rendering import render
from services.worklist_api.problems import NotFound
from services.worklist_api.readers.identity import InRecords, KnownReader, Reader
from services.worklist_api.readings.endpoints import StudyUid

router = APIRouter(prefix="/operator", include_in_schema=False)

ROWS = 100
_SEE_OTHER = 303


@router.get("")
def operator(request: Request, context: InContext, records: InRecords, reader: Reader) -> Response:
    """Everything that somebody on call has to see at once."""
    overview = records.overview
    shown: dict[str, Any] = {
        "flow": overview.flow(),
        "exams": overview.exams(),
        "failures": overview.failures(limit=ROWS),
        "running": overview.running(limit=ROWS),
        "waiting": overview.waiting(limit=ROWS),
        "quarantine": overview.quarantine(limit=ROWS),
        "destinations": overview.destinations(),
        "backlog": records.outbox.backlog(),
        "dead_letters": records.outbox.letters(state=DeliveryState.DEAD, limit=ROWS),
        "cursors": {name: at for name, at in overview.cursors().items() if at != FINISHED},
        "probes": probed(context.probes),
        "deeds": records.readers.deeds(limit=ROWS),
        "studies": _incomplete(context),
        "now": context.now(),
        "reader": reader,
        "names_itself": context.reader_header is None,
    }
    return render(request, "operator.html", shown)


@router.get("/exams/{study_instance_uid}")
def exam(
    study_instance_uid: StudyUid, request: Request, context: InContext, records: InRecords, reader: Reader
) -> Response:
    """What became of one exam: its steps, what was sent of it, and its history."""
    overview = records.overview
    quarantine = overview.quarantine(limit=ROWS, study_instance_uid=study_instance_uid)
    course = _course(records, study_instance_uid, is_set_aside=bool(quarantine))
    steps, publications = overview.steps_of(study_instance_uid), overview.publications_of(study_instance_uid)
    deliveries = overview.deliveries_of(study_instance_uid)
    deeds = records.readers.deeds(limit=ROWS, study_instance_uid=study_instance_uid)
    events = overview.events_of(study_instance_uid)
    shown: dict[str, Any] = {
        "study_instance_uid": study_instance_uid,
        "course": course,
        "steps": steps,
        "publications": publications,
        "deliveries": deliveries,
        "history": history_of(course, steps, events, publications, deliveries, quarantine, deeds),
        "reader": reader,
        "names_itself": context.reader_header is None,
        "now": context.now(),
    }
    return render(request, "operator_exam.html", shown)


def _course(records: Records, study_instance_uid: str, *, is_set_aside: bool) -> ExamCourse | None:
    """Where an exam stands; None where all that came of it is in quarantine."""
    try:
        return records.overview.course_of(study_instance_uid)
    except InvalidInput as error:
        if is_set_aside:
            return None
        raise NotFound(error.what, where=error.where) from error


@router.post("/steps/{step_id}/retry")
def retry(step_id: Annotated[int, Path(ge=1)], records: InRecords, reader: KnownReader) -> RedirectResponse:
    """Have a failed step done again."""
    step = records.overview.retry(step_id)
    records.readers.note_deed(reader, f"had the step {step.name} done again", step.study_instance_uid)
    return RedirectResponse(f"/operator/exams/{step.study_instance_uid}", _SEE_OTHER)


@router.post("/exams/{study_instance_uid}/revisions/{revision}/resend")
def resend(
    study_instance_uid: StudyUid,
    revision: Annotated[int, Path(ge=1)],
    records: InRecords,
    reader: KnownReader,
) -> RedirectResponse:
    """Have a revision's report sent to its destinations again."""
    records.overview.resend(study_instance_uid, revision)
    records.readers.note_deed(reader, f"had the report of revision {revision} sent again", study_instance_uid)
    return RedirectResponse(f"/operator/exams/{study_instance_uid}", _SEE_OTHER)


@router.post("/deliveries/{delivery_id}/resend")
def resend_delivery(
    delivery_id: Annotated[int, Path(ge=1, le=2**31 - 1)], request: Request, records: InRecords, reader: KnownReader
) -> RedirectResponse:
    """Have a dead letter sent again."""
    letter = records.outbox.resend(delivery_id)
    records.readers.note_deed(reader, f"had a delivery to {letter.destination} sent again", letter.study_instance_uid)
    return RedirectResponse(back_to(request, letter.study_instance_uid), _SEE_OTHER)


def back_to(request: Request, study_instance_uid: str) -> str:
    """The page that an errand was sent from: the exam's own, or the overview."""
    own = f"/operator/exams/{study_instance_uid}"
    return own if urlsplit(request.headers.get("referer", "")).path == own else "/operator"


def probed(probes: dict[str, Callable[[], None]]) -> dict[str, str | None]:
    """What each system that is needed answers: None where all is well, else the sentence."""
    answers: dict[str, str | None] = {}
    for name, probe in probes.items():
        try:
            probe()
            answers[name] = None
        except PlumblineError as error:
            answers[name] = str(error)
    return answers


def _incomplete(context: Context) -> Sequence[StudyState]:
    """Studies that are waited for, where the store keeps counts."""
    return [] if context.studies is None else context.studies.studies(limit=ROWS, only_waiting=True)
