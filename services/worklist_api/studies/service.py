"""From counts and declarations to what an operator reads."""

from __future__ import annotations

import structlog

from plumbline.errors import InvalidInput
from plumbline.pipeline.studies import Studies, StudyState
from services.worklist_api.context import Context
from services.worklist_api.problems import NotFound
from services.worklist_api.studies.schemas import DeclaredComplete, StudyPage, StudyStatus, Word


def study_page(context: Context, *, limit: int, offset: int, only_waiting: bool) -> StudyPage:
    """Studies, the ones with the newest instances first."""
    found = _studies(context).studies(limit=limit + 1, offset=offset, only_waiting=only_waiting)
    return StudyPage(studies=[status(each) for each in found[:limit]], has_more=len(found) > limit)


def study_status(context: Context, study_instance_uid: str) -> StudyStatus:
    """Where one study stands; raise ``NotFound`` where it is not held."""
    try:
        return status(_studies(context).study(study_instance_uid))
    except InvalidInput as error:
        raise NotFound(error.what, where=study_instance_uid) from error


def declare_complete(context: Context, study_instance_uid: str, word: Word) -> StudyStatus:
    """Take a person's word. Raises ``NotFound``, or ``Conflict`` where the study is complete already."""
    study_status(context, study_instance_uid)
    _studies(context).declare(study_instance_uid, by=word.by, reason=word.reason, at=context.now())
    structlog.get_logger("plumbline.api").info(
        "declared complete", study_instance_uid=study_instance_uid, declared_by=word.by
    )
    return study_status(context, study_instance_uid)


def _studies(context: Context) -> Studies:
    if context.studies is None:
        raise NotFound("completeness of studies is not served here")
    return context.studies


def status(study: StudyState) -> StudyStatus:
    """What is shown of a study."""
    count = study.count
    return StudyStatus(
        study_instance_uid=count.study_instance_uid,
        state=study.state,
        revision=study.revision,
        held=count.held,
        listed=count.listed,
        missing=count.missing,
        quarantined=count.set_aside,
        basis=count.basis,
        reason=study.note or count.sentence,
        since=study.since,
        counted_at=study.counted_at,
        first_instance_at=study.first_instance_at,
        last_instance_at=study.last_instance_at,
        declarations=[
            DeclaredComplete(by=each.declared_by, reason=each.reason, at=each.declared_at, revision=each.revision)
            for each in study.declarations
        ],
    )
