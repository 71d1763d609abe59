"""Step 5, match: the preoperative exam, the baseline and the last prior, each whole and each with its reasons."""

from __future__ import annotations

from plumbline.exams.history import SurgicalHistory
from plumbline.exams.recognition import recognise
from plumbline.pipeline.documents import choice_document, history_document, plan_document, recognition_document
from plumbline.pipeline.fetch import INDEX_DELAY_S
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import (
    ArchiveInstance,
    ArchiveStudy,
    PathPorts,
    Proceed,
    Step,
    StepName,
    StepOutcome,
    Wait,
)
from plumbline.pipeline.recognise import story_of
from plumbline.pipeline.story import days_since_surgery
from plumbline.priors.choice import Candidate, ReferenceChoice
from plumbline.priors.matching import choose_references

LARGEST_FETCH = 5000
"""Instances fetched for one exam at most, so that a match is never a flood."""


def match_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function: choose, make whole what was chosen, and proceed when every instance was counted."""
    story = story_of(step, ports, policy)
    archived = ports.archive.studies_of(story.study.patient.patient_id)
    choice = choose_references(
        story.study,
        story.recognition,
        [_candidate(each, ports, story.history) for each in archived],
        story.history,
        policy.priors,
    )
    missing = _fetch_chosen(choice, ports, policy)
    if missing:
        return Wait(INDEX_DELAY_S, f"{missing} instances of the references are on their way.")
    days = {each.study.study_instance_uid: days_since_surgery(story.history, each.study) for each in archived}
    days[story.study.study_instance_uid] = story.days_since_surgery
    return Proceed(
        {
            "choice": choice_document(choice),
            "recognition": recognition_document(story.recognition),
            "history": history_document(story.history),
            "plan": plan_document(story.plan),
            "days_since_surgery": days,
        }
    )


def _candidate(archived: ArchiveStudy, ports: PathPorts, history: SurgicalHistory) -> Candidate:
    """A study of the archive as a candidate; what the path found in its images earlier is not looked for again."""
    uid = archived.study.study_instance_uid
    return Candidate(
        study=archived.study,
        recognition=recognise(archived.study, history=history),
        held_instances=len(ports.index.held(uid)),
        archive_instances=archived.instance_count,
        hardware_seen=_hardware_seen(uid, ports),
    )


def _hardware_seen(study_instance_uid: str, ports: PathPorts) -> bool | None:
    for name in (StepName.COMPARE, StepName.RECOGNISE):
        seen = ports.steps.latest_result(study_instance_uid, name).get("hardware_seen")
        if seen is not None:
            return bool(seen)
    return None


def _fetch_chosen(choice: ReferenceChoice, ports: PathPorts, policy: SitePolicy) -> int:
    """Fetch what is not here of the chosen exams; return how many instances are not yet recorded."""
    chosen = [each for each in choice.considered if each.role is not None][: policy.maximum_priors]
    wanted = [one for each in chosen for one in _missing(each.study_instance_uid, ports)][:LARGEST_FETCH]
    failed = ports.fetcher.fetch(wanted)
    return len(wanted) - len(failed)


def _missing(study_instance_uid: str, ports: PathPorts) -> list[ArchiveInstance]:
    listed = [each for each in ports.archive.instances_of(study_instance_uid) if not each.is_own]
    held = set(ports.index.find(each.sop_instance_uid for each in listed))
    set_aside = ports.index.set_aside(each.sop_instance_uid for each in listed)
    return [each for each in listed if each.sop_instance_uid not in held | set_aside]
