"""Step 3, recognise: is this a postoperative spine exam? Anything else ends here, recorded and cheap.

The archive is asked for the patient's other studies once for each revision; what it said is kept with the
step's result, and the later steps tell the same story from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plumbline.exams.identity import same_patient
from plumbline.exams.recognition import ExamKind
from plumbline.exams.study import Study
from plumbline.pipeline.documents import (
    history_document,
    history_from_document,
    plan_document,
    plan_from_document,
    recognition_document,
    recognition_from_document,
)
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import ArchiveStudy, End, ExamState, PathPorts, Proceed, Step, StepName, StepOutcome
from plumbline.pipeline.story import Story, tell_story
from plumbline.pipeline.study_documents import archive_study_document, archive_study_from_document


def recognise_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function.

    The exam's own text is read first; the archive is asked only about what may be an operated spine, and
    the images only where all texts leave that open.
    """
    study = ports.images.study(step.study_instance_uid)
    orders = ports.exams.orders_for(study)
    told = tell_story(study, ports.images, orders=orders, may_open_images=False, limits=policy.phases)
    listed: Sequence[ArchiveStudy] = ()
    if told.recognition.kind is not ExamKind.OTHER:
        listed = ports.archive.studies_of(study.patient.patient_id)
        earlier = others_of(study, listed, policy)
        told = tell_story(study, ports.images, orders=orders, earlier=earlier, limits=policy.phases)
    result = {
        **story_document(told),
        "days_since_surgery": told.days_since_surgery,
        "listed": [archive_study_document(each) for each in listed],
    }
    if told.recognition.kind is ExamKind.POSTOPERATIVE_SPINE:
        return Proceed(result)
    return End(ExamState.NOT_APPLICABLE, " ".join(told.recognition.reasons), result)


def others_of(study: Study, listed: Sequence[ArchiveStudy], policy: SitePolicy) -> list[Study]:
    """The same patient's other studies among those that an archive listed. Never another patient's."""
    identity = policy.priors.identity
    return [
        each.study
        for each in listed
        if each.study.study_instance_uid != study.study_instance_uid
        and same_patient(study.patient, each.study.patient, identity).is_same
    ]


def story_document(story: Story) -> dict[str, Any]:
    """JSON form of a story, for the later steps; study and orders are kept elsewhere already."""
    return {
        "recognition": recognition_document(story.recognition),
        "history": history_document(story.history),
        "plan": plan_document(story.plan),
        "hardware_seen": story.hardware_seen,
    }


def story_of(step: Step, ports: PathPorts, policy: SitePolicy, *, told_by: StepName = StepName.RECOGNISE) -> Story:
    """The story again, for a later step, as recognising left it, or matching with what archives elsewhere added."""
    recognised = ports.steps.result(step.study_instance_uid, step.revision, told_by)
    study = ports.images.study(step.study_instance_uid)
    return Story(
        study=study,
        recognition=recognition_from_document(recognised["recognition"]),
        history=history_from_document(recognised["history"], policy.phases),
        plan=plan_from_document(recognised["plan"]),
        orders=ports.exams.orders_for(study),
        hardware_seen=recognised["hardware_seen"],
    )


def listed_studies(step: Step, ports: PathPorts) -> tuple[ArchiveStudy, ...]:
    """What the archive listed of the patient when the exam was recognised."""
    recognised = ports.steps.result(step.study_instance_uid, step.revision, StepName.RECOGNISE)
    return tuple(archive_study_from_document(each) for each in recognised["listed"])
