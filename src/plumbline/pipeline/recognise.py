"""Step 3, recognise: is this a postoperative spine exam? Anything else ends here, recorded and cheap."""

from __future__ import annotations

from plumbline.exams.identity import same_patient
from plumbline.exams.recognition import ExamKind
from plumbline.exams.study import Study
from plumbline.pipeline.documents import history_document, recognition_document
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import End, ExamState, PathPorts, Proceed, Step, StepName, StepOutcome
from plumbline.pipeline.story import Story, tell_story


def recognise_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function.

    Where the exam's own text leaves open whether the spine was operated, the patient's other studies are
    asked, and then the images.
    """
    study = ports.images.study(step.study_instance_uid)
    orders = ports.exams.orders_for(study)
    told = tell_story(study, ports.images, orders=orders, may_open_images=False)
    if told.recognition.kind is ExamKind.SPINE:
        told = tell_story(study, ports.images, orders=orders, earlier=other_studies(study, ports, policy))
    result = {
        "recognition": recognition_document(told.recognition),
        "history": history_document(told.history),
        "days_since_surgery": told.days_since_surgery,
        "hardware_seen": told.hardware_seen,
    }
    if told.recognition.kind is ExamKind.POSTOPERATIVE_SPINE:
        return Proceed(result)
    return End(ExamState.NOT_APPLICABLE, " ".join(told.recognition.reasons), result)


def other_studies(study: Study, ports: PathPorts, policy: SitePolicy) -> list[Study]:
    """The same patient's other studies, as the archive describes them. Never another patient's."""
    identity = policy.priors.identity
    return [
        each.study
        for each in ports.archive.studies_of(study.patient.patient_id)
        if each.study.study_instance_uid != study.study_instance_uid
        and same_patient(study.patient, each.study.patient, identity).is_same
    ]


def story_of(step: Step, ports: PathPorts, policy: SitePolicy) -> Story:
    """The story again, for a later step, with all that the archive knows of the patient."""
    recognised = ports.steps.result(step.study_instance_uid, step.revision, StepName.RECOGNISE)
    study = ports.images.study(step.study_instance_uid)
    return tell_story(
        study,
        ports.images,
        orders=ports.exams.orders_for(study),
        earlier=other_studies(study, ports, policy),
        hardware_seen=recognised["hardware_seen"],
    )
