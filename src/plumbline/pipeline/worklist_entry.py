"""The exam's row on the worklist: written provisionally, refined by measurement, told of failure."""

from __future__ import annotations

from plumbline import ALGORITHM_VERSION
from plumbline.errors import Conflict
from plumbline.exams.study import Study
from plumbline.pipeline.documents import choice_from_document
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, Step, StepName
from plumbline.reports.identifiers import workitem_uid
from plumbline.triage.priority import TriageDecision
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem

FIRST_REVISION = 1
"""The workitem keeps the UID of the first revision, so that later ones update it in place."""


def workitem_of(study_instance_uid: str) -> str:
    """UID of the one reading workitem of an exam."""
    return workitem_uid(study_instance_uid, revision=FIRST_REVISION, algorithm_version=ALGORITHM_VERSION)


def show_on_worklist(
    step: Step,
    ports: PathPorts,
    policy: SitePolicy,
    decision: TriageDecision,
    *,
    report: StoredObject | None = None,
) -> None:
    """Create or refine the reading workitem of the exam of this step."""
    uid = step.study_instance_uid
    exam = ports.exams.exam(uid)
    headers = ports.images.headers(uid)
    name = headers[0].get("PatientName") if headers else None
    dataset = reading_workitem(
        ports.images.study(uid),
        decision,
        workitem_uid=workitem_of(uid),
        scheduled_at=exam.completed_at or exam.last_instance_at,
        source=RetrievalSource(ae_title=policy.archive_ae_title, dicomweb_url=policy.dicomweb_url),
        patient_name=None if name is None else str(name),
        references=_flagged(step, ports),
        report=report,
    )
    ports.workitems.upsert_reading(workitem_of(uid), uid, dataset)


def _flagged(step: Step, ports: PathPorts) -> list[Study]:
    """The references that the reader should open beside the exam; none before they were chosen."""
    try:
        matched = ports.steps.result(step.study_instance_uid, step.revision, StepName.MATCH)
    except Conflict:
        return []
    chosen = [each for each in choice_from_document(matched["choice"]).considered if each.role is not None]
    return [ports.images.study(each.study_instance_uid) for each in chosen if ports.index.held(each.study_instance_uid)]
