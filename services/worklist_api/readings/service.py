"""From workitems and result documents to what readers see. Tolerant in reading: every key may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from plumbline.errors import InvalidInput
from plumbline.triage.priority import Priority
from plumbline.worklist import tags
from plumbline.worklist.dataset import items, text
from plumbline.worklist.matching import Query, moment_span, search_key
from plumbline.worklist.results import ExamResult
from plumbline.worklist.states import State
from plumbline.worklist.tasks import is_for_people
from plumbline.worklist.workitem import Workitem
from services.worklist_api.problems import NotFound
from services.worklist_api.readings.schemas import Entry, Evidence, ExamDetails, WorklistPage

if TYPE_CHECKING:  # the context holds the board, which is made of entries
    from services.worklist_api.context import Context

OPEN_STATES = frozenset({State.SCHEDULED.value, State.IN_PROGRESS.value})
_PRIORITY_OF_UPS = {priority.ups: priority.value for priority in Priority}
_REQUESTED_PROCEDURE_DESCRIPTION = "00321060"


def worklist_page(
    context: Context, *, limit: int, offset: int, states: frozenset[str] | None = OPEN_STATES
) -> WorklistPage:
    """Entries of the worklist, the most urgent and then the oldest first."""
    page = context.worklist.search(Query(limit=limit, offset=offset, states=states, with_references=False))
    studies = [found.study_instance_uid for found in page.workitems if found.study_instance_uid]
    results = context.results.newest_of(studies)
    readings = [found for found in page.workitems if is_for_people(found.dataset)]
    entries = [entry(found, results.get(found.study_instance_uid or "")) for found in readings]
    return WorklistPage(entries=entries, has_more=page.has_more)


def exam_details(context: Context, study_instance_uid: str) -> ExamDetails:
    """Newest result of an exam with its pictures and its line on the worklist.

    Raises
    ------
    NotFound
        When there is no result yet.
    """
    result = newest_result(context, study_instance_uid)
    captions = context.results.captions(result)
    return ExamDetails(
        study_instance_uid=study_instance_uid,
        revision=result.revision,
        created_at=result.created_at,
        result=dict(result.document),
        evidence=[
            Evidence(
                ordinal=ordinal,
                caption=caption,
                address=f"/api/exams/{study_instance_uid}/evidence/{ordinal}.png?revision={result.revision}",
            )
            for ordinal, caption in enumerate(captions, start=1)
        ],
        workitem=entry_of_study(context, study_instance_uid, result),
    )


def evidence_picture(context: Context, result: ExamResult, ordinal: int) -> bytes:
    """PNG of an evidence picture; raise ``NotFound`` where there is none."""
    try:
        return context.results.picture(result, ordinal)
    except InvalidInput as error:
        raise NotFound(error.what, where=error.where) from error


def newest_result(context: Context, study_instance_uid: str) -> ExamResult:
    """Newest result of an exam; raise ``NotFound`` where there is none yet."""
    try:
        return context.results.newest(study_instance_uid)
    except InvalidInput as error:
        raise NotFound(error.what, where=study_instance_uid) from error


def entry_of_study(context: Context, study_instance_uid: str, result: ExamResult | None) -> Entry | None:
    """Line of an exam on the worklist, None where it has no reading."""
    query = Query((search_key("StudyInstanceUID", study_instance_uid),), with_references=False)
    found = context.worklist.search(query).workitems
    return next((entry(each, result) for each in found if is_for_people(each.dataset)), None)


def entry(workitem: Workitem, result: ExamResult | None) -> Entry:
    """Line of one workitem."""
    dataset = workitem.dataset
    request = next(iter(items(dataset, tags.REFERENCED_REQUEST_SEQUENCE)), {})
    document = result.document if result else {}
    exam = _mapping(document.get("exam"))
    return Entry(
        workitem_uid=workitem.workitem_uid,
        study_instance_uid=workitem.study_instance_uid,
        priority=_PRIORITY_OF_UPS.get(text(dataset, tags.PRIORITY), Priority.ROUTINE.value),
        state=workitem.state.value,
        label=text(dataset, tags.LABEL),
        reasons=text(dataset, tags.COMMENTS).splitlines(),
        patient_name=shown_name(text(dataset, tags.PATIENT_NAME)),
        patient_id=text(dataset, tags.PATIENT_ID),
        birth_date=_day(text(dataset, tags.PATIENT_BIRTH_DATE)),
        sex=text(dataset, tags.PATIENT_SEX),
        exam=text(request, _REQUESTED_PROCEDURE_DESCRIPTION),
        modality=_mapping(document.get("current")).get("modality"),
        accession_number=text(request, tags.ACCESSION_NUMBER),
        exam_date=_exam_date(exam),
        days_since_surgery=exam.get("days_since_surgery"),
        levels=_levels(document),
        waiting_since=_moment(text(dataset, tags.START)),
        has_result=result is not None,
    )


def site_of(workitem: Workitem) -> str | None:
    """Site that an exam belongs to: the issuer of its patient ID (0010,0021), None where it does not say."""
    return text(workitem.dataset, tags.ISSUER_OF_PATIENT_ID) or None


def shown_name(name: str) -> str:
    """``Family, Given`` from the DICOM form."""
    family, _, rest = name.partition("^")
    given = " ".join(rest.replace("^", " ").split())
    return f"{family}, {given}" if given else family


def _levels(document: Mapping[str, Any]) -> list[str]:
    """Levels with a positive finding in cranio-caudal order of the findings; else the planned ones."""
    findings = document.get("findings") or []
    positive = [each.get("level") for each in findings if each.get("status") == "positive" and each.get("level")]
    planned = _mapping(document.get("exam")).get("planned")
    return list(dict.fromkeys(positive)) or list(planned or [])


def _exam_date(exam: Mapping[str, Any]) -> date | None:
    """Day of the exam, None until it was compared: the workitem only knows when the exam became complete."""
    performed = exam.get("performed_at")
    if isinstance(performed, str):
        try:
            return datetime.fromisoformat(performed).date()
        except ValueError:
            return None
    return None


def _moment(value: str) -> datetime | None:
    span = moment_span(value)
    return span[0] if span else None


def _day(value: str) -> date | None:
    moment = _moment(value)
    return moment.date() if moment else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
