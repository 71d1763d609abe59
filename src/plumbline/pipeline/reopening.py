"""Judge the news of an exam: find again what its newest revision was made from, and compare."""

from __future__ import annotations

from collections.abc import Sequence

from plumbline.anatomy.landmarks import fingerprint
from plumbline.errors import Conflict
from plumbline.exams.recognition import ExamKind, recognise
from plumbline.exams.study import Study
from plumbline.pipeline.archive_ports import ArchiveStudy
from plumbline.pipeline.late_news import Inputs, inputs_of, orders_document
from plumbline.pipeline.marked import landmarks_of
from plumbline.pipeline.patient_record import archived_studies, known_study, orders_of
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import Exam, PathPorts, Step, StepName
from plumbline.pipeline.recognise import listed_studies, story_from, story_of
from plumbline.pipeline.story import Story
from plumbline.priors.choice import Candidate, ReferenceChoice
from plumbline.priors.matching import choose_references

NEVER_RECOGNISED = "It was never recognised before."


def what_changed(exam: Exam, ports: PathPorts, policy: SitePolicy) -> list[str]:
    """What the newest revision of an exam would now be made from and was not, in words; empty where nothing is.

    Both sides are found in the same way, from what the archive listed then and lists now, so that only news
    makes a difference. Images are not opened.
    """
    uid, revision = exam.study_instance_uid, exam.revision
    step = Step(0, uid, revision, StepName.RECOGNISE, 1)
    try:
        recognised = ports.steps.result(uid, revision, StepName.RECOGNISE)
    except Conflict:
        return [NEVER_RECOGNISED]
    story = story_of(step, ports, policy)
    then = _inputs(
        story,
        recognised.get("orders", {}),
        listed_studies(step, ports),
        ports,
        policy,
        landmarks=recognised.get("landmarks", ""),
    )
    now = _inputs_now(uid, story.hardware_seen, ports, policy)
    if ExamKind.POSTOPERATIVE_SPINE.value not in (then.kind, now.kind):
        return []
    return [*then.differences(now), *_grown_references(uid, revision, ports)]


def _inputs_now(study_uid: str, hardware_seen: bool | None, ports: PathPorts, policy: SitePolicy) -> Inputs:
    study = known_study(study_uid, ports)
    orders, listed = orders_of(study, ports, policy), archived_studies(study, ports)
    story = story_from(study, orders, listed, ports, policy, hardware_seen=hardware_seen, may_open_images=False)
    standing = fingerprint(landmarks_of(study_uid, ports))
    return _inputs(story, orders_document(orders), listed, ports, policy, landmarks=standing)


def _inputs(
    story: Story,
    orders: dict[str, object],
    listed: Sequence[ArchiveStudy],
    ports: PathPorts,
    policy: SitePolicy,
    *,
    landmarks: str,
) -> Inputs:
    is_compared = story.recognition.kind is ExamKind.POSTOPERATIVE_SPINE
    choice = _choice(story, [each.study for each in listed], ports, policy) if is_compared else None
    return inputs_of(story, orders, choice, landmarks=landmarks)


def _choice(story: Story, listed: Sequence[Study], ports: PathPorts, policy: SitePolicy) -> ReferenceChoice:
    """The references that would be chosen if each listed exam were whole."""
    uids = [each.study_instance_uid for each in listed]
    seen = ports.steps.latest_flags(uids, (StepName.COMPARE, StepName.RECOGNISE), "hardware_seen")
    candidates = [
        Candidate(each, recognise(each, history=story.history), hardware_seen=seen.get(each.study_instance_uid))
        for each in listed
    ]
    return choose_references(story.study, story.recognition, candidates, story.history, policy.priors)


def _grown_references(study_uid: str, revision: int, ports: PathPorts) -> list[str]:
    """Whether the archive lists more of an exam that was compared with than it did then."""
    try:
        counted = ports.steps.result(study_uid, revision, StepName.MATCH)["counted"]
    except Conflict:
        return []
    listed = {uid: [each for each in ports.archive.instances_of(uid) if not each.is_own] for uid in counted}
    has_grown = any(len(listed[uid]) > count for uid, count in counted.items())
    return ["the instances of an exam it was compared with"] if has_grown else []
