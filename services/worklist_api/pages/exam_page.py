"""Everything that the exam page shows, put together from result, story, claims and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from plumbline.adapters.database.readers import Claim, Opinion
from plumbline.errors import InvalidInput
from plumbline.pipeline.ports import ExamState
from services.worklist_api.context import Context
from services.worklist_api.pages.presentation import day
from services.worklist_api.pages.timeline import CURRENT, Moment, timeline
from services.worklist_api.problems import NotFound
from services.worklist_api.readings import service
from services.worklist_api.readings.schemas import ExamDetails

_ENDED_WITHOUT_RESULT = frozenset({ExamState.FAILED.value, ExamState.NOT_APPLICABLE.value})
RADIOGRAPHS = frozenset({"CR", "DX", "RF", "RG", "XA"})
"""Modalities of projection images."""


@dataclass(frozen=True)
class ExamPage:
    """What the exam page shows beside the result itself."""

    moments: Sequence[Moment]
    basis: str
    views: Sequence[Mapping[str, Any]]
    viewed: int
    dates: Mapping[str, str]
    links: Mapping[str, str]
    claim: Claim | None
    opinions: Sequence[Opinion]
    fetched_first: Sequence[str] = ()
    """Addresses that the viewer asks for as soon as it runs; the browser asks while it still reads the scripts."""
    pictures: Sequence[str] = ()
    """Addresses of the evidence pictures."""

    @property
    def stills(self) -> Sequence[str]:
        """Address of the picture that shows the viewed cuts until the viewer does; none where no picture does."""
        still = self.views[self.viewed].get("still") if self.views else None
        return self.pictures[still["picture"] - 1 : still["picture"]] if still else ()


class Standing(BaseModel):
    """What may change while a page of an exam is open."""

    model_config = ConfigDict(frozen=True)

    revision: int | None
    """Newest revision that has a result."""
    state: str | None
    reader: str | None
    """Who has or had the reading, where it was claimed here."""


def standing_of(context: Context, study_instance_uid: str) -> Standing:
    """Where an exam and its reading stand now."""
    entry = service.entry_of_study(context, study_instance_uid, None)
    claim = context.records.readers.claim_of(entry.workitem_uid) if context.records and entry else None
    try:
        revision = service.newest_result(context, study_instance_uid).revision
    except NotFound:
        revision = None
    return Standing(revision=revision, state=entry.state if entry else None, reader=claim.reader if claim else None)


def why_not_compared(context: Context, study_instance_uid: str) -> str | None:
    """Why there will be no result of an exam; None where it is still to come, or nothing is known of the exam."""
    if context.records is None:
        return None
    try:
        course = context.records.overview.course_of(study_instance_uid)
    except InvalidInput:
        return None
    return (course.note or "No reason was kept.") if course.state in _ENDED_WITHOUT_RESULT else None


def exam_page(context: Context, details: ExamDetails, *, viewed: int = 0) -> ExamPage:
    """Gather the page of one exam; ``viewed`` is the view that the viewer opens."""
    uid, document, records = details.study_instance_uid, details.result, context.records
    story = records.patients.story(uid, details.revision) if records else {}
    others = [str(each.get("study_instance_uid")) for each in _candidates(document)]
    results = records.patients.results_of(others) if records else {}
    moments = timeline(uid, document, story, results)
    views = [each for each in document.get("views") or [] if (each.get("current") or {}).get("series_instance_uid")]
    viewed = viewed if 0 <= viewed < len(views) else 0
    reference = (views[viewed].get("reference") or {}).get("study_instance_uid") if views else None
    workitem_uid = details.workitem.workitem_uid if details.workitem else None
    return ExamPage(
        moments=moments,
        basis=basis(document, moments),
        views=views,
        viewed=viewed,
        dates=_dates(moments, reference),
        links=viewer_links(context.viewer_links, uid, reference or _baseline(document)),
        claim=records.readers.claim_of(workitem_uid) if records and workitem_uid else None,
        opinions=records.readers.opinions(uid) if records else (),
        fetched_first=series_addresses(views[viewed]) if views else (),
        pictures=[each.address for each in details.evidence],
    )


def series_addresses(view: Mapping[str, Any]) -> list[str]:
    """Where the images of a view are listed: of the current exam, and of the reference where it is shown beside it."""
    shown = [view["current"]]
    if view.get("reference") and view.get("reference_from_current"):
        shown.append(view["reference"])
    return [f"/api/studies/{each['study_instance_uid']}/series/{each['series_instance_uid']}/images" for each in shown]


def basis(document: Mapping[str, Any], moments: Sequence[Moment]) -> str:
    """Against what, and how certainly: the sentence below the headline."""
    measured = {each.get("reference") for each in document.get("findings") or [] if each.get("measurements")}
    chosen = [each for each in document.get("references") or [] if each.get("role") in measured]
    by_uid = {each.study_instance_uid: each for each in moments}
    against = [
        f"the {each['role']} of {day(moment.on)}"
        if (moment := by_uid.get(each["study_instance_uid"])) and moment.on
        else f"the {each['role']}"
        for each in chosen
    ]
    compared = f"Compared with {' and '.join(against)}." if against else "Measured against no earlier exam."
    current = document.get("current") or {}
    numbering = current.get("numbering") or {}
    anchor, confidence = numbering.get("anchor"), numbering.get("confidence")
    if current.get("modality") in RADIOGRAPHS:
        return compared  # whoever sets landmarks names the vertebrae
    if not anchor or confidence is None:
        return f"{compared} The levels could not be named from an anchor."
    return f"{compared} Levels named from the {anchor}, confidence {confidence:.2f}."


def viewer_links(templates: Mapping[str, str], current: str, reference: str | None) -> dict[str, str]:
    """Addresses of the site's other viewers with the exams filled in; those that need a reference want one."""
    found: dict[str, str] = {}
    for name, template in templates.items():
        if reference is None and "{reference}" in template:
            continue
        studies = ",".join(uid for uid in (current, reference) if uid)
        found[name] = template.format(current=current, reference=reference, studies=studies)
    return found


def _candidates(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(document.get("references") or []), *(document.get("considered") or [])]


def _baseline(document: Mapping[str, Any]) -> str | None:
    chosen = (each.get("study_instance_uid") for each in document.get("references") or [])
    return next((uid for uid in chosen if uid), None)


def _dates(moments: Sequence[Moment], reference: str | None) -> dict[str, str]:
    current = next((each.on for each in moments if each.kind == CURRENT), None)
    other = next((each.on for each in moments if reference and each.study_instance_uid == reference), None)
    return {"current": day(current), "reference": day(other)}
