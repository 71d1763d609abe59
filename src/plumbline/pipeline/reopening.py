"""Judge the news of an exam: find again what its newest revision was made from, and compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
from plumbline.pipeline.recognise import listed_studies, story_as_told, story_from
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
    matched = _matched(uid, revision, ports)
    judge, story = _Judge(ports, policy, _unfit(matched)), story_as_told(step, recognised, ports, policy)
    then = judge.inputs(
        story,
        recognised.get("orders", {}),
        listed_studies(recognised),
        landmarks=recognised.get("landmarks", ""),
    )
    now = judge.inputs_now(uid, story.hardware_seen)
    if ExamKind.POSTOPERATIVE_SPINE.value not in (then.kind, now.kind):
        return []
    return [*then.differences(now), *_grown_references(matched, ports)]


@dataclass(frozen=True)
class _Judge:
    """Finds what an exam is made from, then and now, by the same rules."""

    ports: PathPorts
    policy: SitePolicy
    unfit: frozenset[str]
    """Exams whose own images showed that they cannot be compared with, whatever an archive lists of them."""

    def inputs_now(self, study_uid: str, hardware_seen: bool | None) -> Inputs:
        """What the exam would be made from now."""
        ports, policy = self.ports, self.policy
        study = known_study(study_uid, ports)
        orders, listed = orders_of(study, ports, policy), archived_studies(study, ports)
        story = story_from(study, orders, listed, ports, policy, hardware_seen=hardware_seen, may_open_images=False)
        standing = fingerprint(landmarks_of(study_uid, ports))
        return self.inputs(story, orders_document(orders), listed, landmarks=standing)

    def inputs(
        self, story: Story, orders: dict[str, object], listed: Sequence[ArchiveStudy], *, landmarks: str
    ) -> Inputs:
        """The inputs of a story and of the references that a listing gives it."""
        is_compared = story.recognition.kind is ExamKind.POSTOPERATIVE_SPINE
        choice = self._choice(story, [each.study for each in listed]) if is_compared else None
        return inputs_of(story, orders, choice, landmarks=landmarks)

    def _choice(self, story: Story, listed: Sequence[Study]) -> ReferenceChoice:
        """The references that would be chosen if each listed exam were whole."""
        uids = [each.study_instance_uid for each in listed]
        seen = self.ports.steps.hardware_seen(uids)
        candidates = [
            Candidate(
                each,
                recognise(each, history=story.history),
                hardware_seen=seen.get(each.study_instance_uid),
                unreadable="its images were found unfit" if each.study_instance_uid in self.unfit else "",
            )
            for each in listed
        ]
        return choose_references(story.study, story.recognition, candidates, story.history, self.policy.priors)


def _matched(study_uid: str, revision: int, ports: PathPorts) -> Mapping[str, Any]:
    """What matching came to; nothing where the exam was not matched."""
    try:
        return ports.steps.result(study_uid, revision, StepName.MATCH)
    except Conflict:
        return {}


def _unfit(matched: Mapping[str, Any]) -> frozenset[str]:
    """Exams that were fetched to be compared with, and could not be."""
    considered = matched["choice"]["considered"] if matched else ()
    refused = {each["study_instance_uid"] for each in considered if not each["comparable"]}
    return frozenset(refused & set(matched.get("counted", ())))


def _grown_references(matched: Mapping[str, Any], ports: PathPorts) -> list[str]:
    """Whether the archive lists more of an exam that was compared with than it did then."""
    counted = matched.get("counted", {})
    listed = {uid: [each for each in ports.archive.instances_of(uid) if not each.is_own] for uid in counted}
    has_grown = any(len(listed[uid]) > count for uid, count in counted.items())
    return ["the instances of an exam it was compared with"] if has_grown else []
