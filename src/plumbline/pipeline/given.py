"""References that a person names instead of the archive: the same rules of comparability, no choice to make."""

from __future__ import annotations

from collections.abc import Mapping

from plumbline.errors import Conflict
from plumbline.exams.identity import IdentityPolicy, SamePatient, same_patient
from plumbline.exams.recognition import recognise
from plumbline.exams.study import Study
from plumbline.pipeline.story import Story
from plumbline.priors.choice import Reference, ReferenceChoice, Role


def given_references(story: Story, given: Mapping[Role, Study], policy: IdentityPolicy) -> ReferenceChoice:
    """Take the named exams as references, each comparable or not with the reason.

    Raises
    ------
    Conflict
        When an exam is of another patient; two patients are never compared. Exams that carry no patient ID
        at all are taken on the word of whoever named them, and that is said.
    """
    considered = tuple(_reference(story, role, study, policy) for role, study in given.items())
    missing = {role: "None was given." for role in (Role.BASELINE, Role.PREOPERATIVE) if role not in given}
    return ReferenceChoice(considered, missing)


def _reference(story: Story, role: Role, study: Study, policy: IdentityPolicy) -> Reference:
    reasons = [f"Named as the {role.value} exam by the person who asked.", *_identity(story.study, study, role, policy)]
    comparable = True
    recognition = recognise(study, history=story.history)
    if recognition.modality != story.recognition.modality:
        comparable = False
        reasons.append(
            f"Its modality {recognition.modality or 'none'} differs from {story.recognition.modality or 'none'}."
        )
    if study.performed_at and story.study.performed_at and study.performed_at > story.study.performed_at:
        reasons.append("It is later than the current exam.")
    return Reference(study.study_instance_uid, role, comparable, 1.0 if comparable else 0.0, {}, tuple(reasons))


def _identity(current: Study, other: Study, role: Role, policy: IdentityPolicy) -> list[str]:
    if not current.patient.patient_id and not other.patient.patient_id:
        return ["Neither exam carries a patient ID; that they are of one patient is the word of whoever asked."]
    answer = same_patient(current.patient, other.patient, policy)
    if answer.answer is not SamePatient.SAME:
        raise Conflict(
            answer.sentence, where=f"the {role.value} exam", remedy="Two patients are never compared; check the folders"
        )
    return []
