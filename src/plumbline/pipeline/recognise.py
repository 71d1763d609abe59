"""Step 3, recognise: is this a postoperative spine exam? Anything else ends here, recorded and cheap.

The archive is asked for the patient's other studies once for each revision; what it said is kept with the
step's result, and the later steps tell the same story from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from plumbline.anatomy.landmarks import fingerprint
from plumbline.exams.order_links import LinkedOrders
from plumbline.exams.recognition import ExamKind
from plumbline.exams.study import Study
from plumbline.pipeline.archive_ports import ArchiveStudy
from plumbline.pipeline.documents import (
    history_document,
    history_from_document,
    plan_document,
    plan_from_document,
    recognition_document,
    recognition_from_document,
)
from plumbline.pipeline.late_news import orders_document, tell_later_exams, withdraw_from_worklist
from plumbline.pipeline.marked import landmarks_of
from plumbline.pipeline.patient_record import archived_studies, known_study, orders_of, others_of
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import End, ExamState, PathPorts, Proceed, Step, StepName, StepOutcome
from plumbline.pipeline.story import Story, tell_story
from plumbline.pipeline.study_documents import archive_study_document, archive_study_from_document
from plumbline.pipeline.taking_back import take_back_elsewhere
from plumbline.pipeline.withdrawal import withdraw_report


def recognise_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function.

    The exam's own text is read first; the archive is asked only about what may be an operated spine, and
    the images only where all texts leave that open.
    """
    study = known_study(step.study_instance_uid, ports)
    ports.news.expect(study)
    orders = orders_of(study, ports, policy)
    told = story_from(study, orders, (), ports, policy, may_open_images=False)
    listed: Sequence[ArchiveStudy] = ()
    if told.recognition.kind is not ExamKind.OTHER:
        listed = archived_studies(study, ports)
        told = story_from(study, orders, listed, ports, policy)
        tell_later_exams(step, study, ports)
    result = {
        **story_document(told),
        "days_since_surgery": told.days_since_surgery,
        "orders": orders_document(orders),
        "landmarks": fingerprint(landmarks_of(step.study_instance_uid, ports)),
        "listed": [archive_study_document(each) for each in listed],
    }
    if told.recognition.kind is ExamKind.POSTOPERATIVE_SPINE:
        return Proceed(result)
    withdraw_from_worklist(step, told.recognition.reasons, ports)
    left = withdraw_report(step, ports)
    take_back_elsewhere(step, told.recognition.reasons, ports, policy)
    return End(ExamState.NOT_APPLICABLE, " ".join(told.recognition.reasons), result | {"not_withdrawn": left})


def story_from(
    study: Study,
    orders: LinkedOrders,
    listed: Sequence[ArchiveStudy],
    ports: PathPorts,
    policy: SitePolicy,
    *,
    hardware_seen: bool | None = None,
    may_open_images: bool = True,
) -> Story:
    """The story from everything that is known of the patient."""
    told = tell_story(
        study,
        ports.images,
        orders=orders.of_exam,
        other_orders=orders.of_patient,
        earlier=others_of(study, listed, policy),
        hardware_seen=hardware_seen,
        may_open_images=may_open_images,
        limits=policy.phases,
    )
    return replace(told, order_notes=orders.refused)


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
    return story_as_told(step, ports.steps.result(step.study_instance_uid, step.revision, told_by), ports, policy)


def story_as_told(step: Step, recognised: Mapping[str, Any], ports: PathPorts, policy: SitePolicy) -> Story:
    """The story from the result of the step that told it."""
    study = known_study(step.study_instance_uid, ports)
    orders = orders_of(study, ports, policy)
    return Story(
        study=study,
        recognition=recognition_from_document(recognised["recognition"]),
        history=history_from_document(recognised["history"], policy.phases),
        plan=plan_from_document(recognised["plan"]),
        orders=orders.of_exam,
        hardware_seen=recognised["hardware_seen"],
        other_orders=orders.of_patient,
        order_notes=orders.refused,
    )


def listed_studies(recognised: Mapping[str, Any]) -> tuple[ArchiveStudy, ...]:
    """What the archive listed of the patient when the exam was recognised; ``recognised`` is that step's result."""
    return tuple(archive_study_from_document(each) for each in recognised["listed"])
