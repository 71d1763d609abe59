"""The trends page of the patient that an exam is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.worklist_api.context import InContext
from services.worklist_api.pages.rendering import render
from services.worklist_api.problems import NotFound
from services.worklist_api.readers.identity import InRecords
from services.worklist_api.readings import service
from services.worklist_api.readings.endpoints import StudyUid
from services.worklist_api.trends.chart import Chart, chart
from services.worklist_api.trends.series import Series, series_of

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Group:
    """Charts of one check at one level."""

    title: str
    charts: Sequence[Chart]


@router.get("/exams/{study_instance_uid}/trends")
def trends(study_instance_uid: StudyUid, request: Request, context: InContext, records: InRecords) -> Response:
    """Every measurement of this patient over their exams, with intervals and thresholds."""
    entry = service.entry_of_study(context, study_instance_uid, None)
    results = records.patients.results_of_patient(study_instance_uid)
    if entry is None and not results:
        raise NotFound("there is neither a reading nor a result of this exam", where=study_instance_uid)
    limits = {each.name: float(getattr(context.thresholds, each.name)) for each in fields(context.thresholds)}
    shown = {
        "study_instance_uid": study_instance_uid,
        "entry": entry,
        "groups": groups_of(series_of(results, limits)),
    }
    return render(request, "trends.html", shown)


def groups_of(series: Sequence[Series]) -> list[Group]:
    """Charts by check and level, in the order in which the checks found them."""
    if not series:
        return []
    days = [point.on for each in series for point in each.points]
    first, last = min(days), max(days)
    ordered = sorted(series, key=lambda each: each.group)
    return [
        Group(title, [chart(each, first, last) for each in some])
        for title, some in groupby(ordered, key=lambda each: each.group)
    ]
