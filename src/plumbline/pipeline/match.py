"""Step 5, match: the preoperative exam, the baseline and the last prior, each whole and each with its reasons.

Choosing and fetching alternate: an exam is chosen on what the archives list, made whole, counted, and
chosen again with the count and by what its own images say, until every chosen exam has been looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from plumbline.errors import InvalidInput
from plumbline.exams.identity import as_held
from plumbline.exams.recognition import Recognition, recognise
from plumbline.exams.study import Study
from plumbline.pipeline.archive_ports import ArchiveStudy
from plumbline.pipeline.documents import choice_document
from plumbline.pipeline.fetch import INDEX_DELAY_S
from plumbline.pipeline.patient_record import others_of
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, Proceed, Step, StepName, StepOutcome, Wait
from plumbline.pipeline.recognise import listed_studies, story_as_told, story_document
from plumbline.pipeline.reference_fetch import ReferenceFetch, advance, begin_fetches
from plumbline.pipeline.remote import RemoteFinds, RemoteStudy, ask_remotes
from plumbline.pipeline.story import Story, days_since_surgery, tell_story
from plumbline.priors.choice import Candidate, ReferenceChoice
from plumbline.priors.matching import ReferenceChooser

_PROMPT = timedelta(seconds=5)
"""How long after asking for instances their arrival is looked for often."""


@dataclass(frozen=True)
class _Listed:
    """Everything that may be compared with, and the remote archives that have it alone or have more of it."""

    local: tuple[ArchiveStudy, ...]
    elsewhere: tuple[RemoteStudy, ...]

    @property
    def studies(self) -> tuple[ArchiveStudy, ...]:
        """Each study once, as our own archive describes it where it does."""
        here = {each.study.study_instance_uid for each in self.local}
        return (
            *self.local,
            *(each.listed for each in self.elsewhere if each.listed.study.study_instance_uid not in here),
        )

    @property
    def archives(self) -> dict[str, str]:
        """Name of the archive by Study Instance UID, of studies that only it has."""
        here = {each.study.study_instance_uid for each in self.local}
        uids = ((each.listed.study.study_instance_uid, each.archive) for each in self.elsewhere)
        return {uid: archive for uid, archive in uids if uid not in here}

    @property
    def sources(self) -> dict[str, tuple[ArchiveStudy, str | None]]:
        """From where each study is fetched whole: its listing there, and the remote archive (None: our own)."""
        own = {each.study.study_instance_uid: (each, None) for each in self.local}
        return {**own, **{each.listed.study.study_instance_uid: (each.listed, each.archive) for each in self.elsewhere}}

    def of(self, uids: Sequence[str]) -> list[tuple[ArchiveStudy, str | None]]:
        sources = self.sources
        return [sources[uid] for uid in uids]


def match_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function: choose, make whole what was chosen, and proceed when every instance was counted."""
    recognised = ports.steps.result(step.study_instance_uid, step.revision, StepName.RECOGNISE)
    story, local = story_as_told(step, recognised, ports, policy), listed_studies(recognised)
    found = ask_remotes(ports.remotes, RemoteFinds.from_document(step.kept.get("remote", {})), story, local, policy)
    fetches = {uid: ReferenceFetch.from_document(each) for uid, each in step.kept.get("fetches", {}).items()}
    if any(remote.name not in found.answered for remote in ports.remotes):
        return Wait(policy.remote_retry_after_s, "A remote archive does not answer.", _kept(found, fetches))
    listed = _Listed(local, found.studies)
    story = _told_again(story, listed, found, ports, policy)
    seen = ports.steps.hardware_seen(each.study.study_instance_uid for each in listed.studies)
    archives = listed.archives
    candidates = [_candidate(each, seen, archives, found.uncounted, story) for each in listed.studies]
    choice, fetches = _choose_and_count(story, candidates, listed, fetches, ports, policy)
    if under_way := [each for each in fetches.values() if not each.is_settled]:
        count = sum(each.listed_count - each.held_count for each in under_way)
        delay = INDEX_DELAY_S if any(_was_just_asked(each, ports) for each in under_way) else policy.recount_after_s
        return Wait(delay, f"{count} instances of the references are on their way.", _kept(found, fetches))
    counted = {uid: each.listed_count for uid, each in fetches.items()}
    return Proceed(_result(story, replace(choice, notes=(*choice.notes, *found.notes)), listed) | {"counted": counted})


def _was_just_asked(fetch: ReferenceFetch, ports: PathPorts) -> bool:
    return fetch.asked_at is not None and ports.clock.now() - fetch.asked_at < _PROMPT


def _kept(found: RemoteFinds, fetches: Mapping[str, ReferenceFetch]) -> dict[str, Any]:
    return {"remote": found.as_document(), "fetches": {uid: each.as_document() for uid, each in fetches.items()}}


def _told_again(story: Story, listed: _Listed, found: RemoteFinds, ports: PathPorts, policy: SitePolicy) -> Story:
    """The story with what exams elsewhere add to it."""
    if not found.studies:
        return story
    told = tell_story(
        story.study,
        ports.images,
        orders=story.orders,
        other_orders=story.other_orders,
        earlier=others_of(story.study, listed.studies, policy),
        hardware_seen=story.hardware_seen,
        may_open_images=False,
        limits=policy.phases,
    )
    return replace(told, order_notes=story.order_notes)


def _candidate(
    listed: ArchiveStudy,
    seen: Mapping[str, bool],
    archives: Mapping[str, str],
    uncounted: Mapping[str, str],
    story: Story,
) -> Candidate:
    """A listed study as a candidate; what the path found in its images earlier is not looked for again."""
    uid = listed.study.study_instance_uid
    return Candidate(
        study=listed.study,
        recognition=recognise(listed.study, history=story.history),
        hardware_seen=seen.get(uid),
        archive=archives.get(uid),
        uncounted_by=uncounted.get(uid),
    )


def _choose_and_count(
    story: Story,
    candidates: Sequence[Candidate],
    listed: _Listed,
    fetches: dict[str, ReferenceFetch],
    ports: PathPorts,
    policy: SitePolicy,
) -> tuple[ReferenceChoice, dict[str, ReferenceFetch]]:
    """Choose among the exams with what is known of them so far, and go on fetching the chosen ones.

    One that turns out unfit once its images are here, and where the site refuses partial exams one that could not
    be made whole, gives way to the next best.
    """
    sources = listed.sources
    by_uid = {each.study.study_instance_uid: each for each in candidates}
    looked_at = _LookedAt(story, ports)
    chooser = ReferenceChooser(story.study, story.recognition, story.history, policy.priors)
    while True:
        known = [looked_at.known(each, fetches) for each in candidates]
        choice = chooser.choose(known)
        chosen = [each.study_instance_uid for each in choice.considered if each.role is not None]
        room = policy.maximum_priors - len(fetches)
        new = [uid for uid in chosen if uid not in fetches][: max(room, 0)]
        left = [uid for uid in chosen if uid not in fetches and uid not in new]
        fetches = {**fetches, **begin_fetches(listed.of(new), ports), **_not_fetched(listed.of(left), policy)}
        before = fetches
        fetches = {uid: advance(uid, sources[uid][0], each, ports, policy) for uid, each in fetches.items()}
        images_change_nothing = all(
            fetches[uid].is_whole and _is_alike(by_uid[uid], looked_at.known(by_uid[uid], fetches)) for uid in chosen
        )
        if images_change_nothing or (fetches == before and not new and not left):
            return choice, fetches


def _not_fetched(chosen: Sequence[tuple[ArchiveStudy, str | None]], policy: SitePolicy) -> dict[str, ReferenceFetch]:
    """What is beyond the number of exams that are fetched for one comparison."""
    why = f"at most {policy.maximum_priors} exams are fetched for one comparison"
    return {
        each.study.study_instance_uid: ReferenceFetch(
            (), max(each.instance_count or 0, 1), is_settled=True, shortfall=why
        )
        for each, _ in chosen
    }


class _LookedAt:
    """Candidates as counting and their own images tell of them; each is looked at once for each count."""

    def __init__(self, story: Story, ports: PathPorts) -> None:
        self._story = story
        self._ports = ports
        self._seen: dict[tuple[str, ReferenceFetch], Candidate] = {}

    def known(self, candidate: Candidate, fetches: Mapping[str, ReferenceFetch]) -> Candidate:
        """The candidate as far as it is known: as its archive lists it until it was fetched."""
        uid = candidate.study.study_instance_uid
        fetch = fetches.get(uid)
        if fetch is None or not fetch.is_settled:
            return candidate
        if (uid, fetch) not in self._seen:
            self._seen[uid, fetch] = self._seen_by_images(candidate, fetch)
        return self._seen[uid, fetch]

    def _seen_by_images(self, candidate: Candidate, fetch: ReferenceFetch) -> Candidate:
        counted = replace(
            candidate,
            held_instances=fetch.held_count,
            archive_instances=fetch.listed_count,
            shortfall=fetch.shortfall,
        )
        if not fetch.held_count:
            return counted
        try:
            held = self._ports.images.study(candidate.study.study_instance_uid)
        except InvalidInput as error:
            return replace(counted, unreadable=error.what)
        return replace(
            counted,
            study=replace(candidate.study, patient=as_held(candidate.study.patient, held.patient)),
            recognition=recognise(held, history=self._story.history),
        )


def _is_alike(listed: Candidate, known: Candidate) -> bool:
    """Whether an exam is by its images what its archive lists, in everything that a choice rests on."""
    return (
        not known.unreadable
        and known.study.patient == listed.study.patient
        and _what_counts(known.recognition) == _what_counts(listed.recognition)
    )


def _what_counts(recognition: Recognition) -> tuple[object, ...]:
    is_measurable = bool(recognition.measurable_series)
    views, thickness = recognition.views, recognition.slice_thickness_mm
    return (
        recognition.kind,
        recognition.modality,
        recognition.regions,
        recognition.own_tense,
        is_measurable,
        views,
        thickness,
    )


def _result(story: Story, choice: ReferenceChoice, listed: _Listed) -> dict[str, Any]:
    studies: list[Study] = [each.study for each in listed.studies]
    days = {each.study_instance_uid: days_since_surgery(story.history, each) for each in studies}
    days[story.study.study_instance_uid] = story.days_since_surgery
    return {**story_document(story), "choice": choice_document(choice), "days_since_surgery": days}
