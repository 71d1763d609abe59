"""Earlier exams that another archive has alone or has more of: asked for once, limited in number, never unsaid.

An archive elsewhere is slower and less reliable than our own, and not ours to burden: it is asked for the
studies of one patient, then for the series of the few that could be references, and instances are fetched
of chosen ones only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plumbline.errors import InvalidInput, PlumblineError
from plumbline.exams.identity import same_patient
from plumbline.exams.region_text import names_other_body_part, spine_regions
from plumbline.exams.series_roles import RADIOGRAPH_MODALITIES
from plumbline.pipeline.archive_ports import ArchiveStudy, RemoteArchive
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.story import Story
from plumbline.pipeline.study_documents import archive_study_document, archive_study_from_document
from plumbline.priors.timeline import is_earlier


@dataclass(frozen=True, slots=True)
class RemoteStudy:
    """A study that only another archive has, or of which it lists more instances than our own does."""

    archive: str
    listed: ArchiveStudy


@dataclass(frozen=True)
class RemoteFinds:
    """What the archives elsewhere said of one patient, and which of them still owe an answer."""

    studies: tuple[RemoteStudy, ...] = ()
    notes: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)
    uncounted: Mapping[str, str] = field(default_factory=dict)
    """Studies that our archive has and that another one, by its name, has perhaps more of: it cannot be asked."""

    def as_document(self) -> dict[str, Any]:
        """JSON form, for a waiting step."""
        return {
            "studies": [{"archive": each.archive, **archive_study_document(each.listed)} for each in self.studies],
            "notes": list(self.notes),
            "answered": list(self.answered),
            "attempts": dict(self.attempts),
            "uncounted": dict(self.uncounted),
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> RemoteFinds:
        """Inverse of ``as_document``; nothing was asked where it is empty."""
        studies = tuple(
            RemoteStudy(each["archive"], archive_study_from_document({k: v for k, v in each.items() if k != "archive"}))
            for each in document.get("studies", ())
        )
        notes, answered = document.get("notes", ()), document.get("answered", ())
        attempts, uncounted = document.get("attempts", {}), document.get("uncounted", {})
        return RemoteFinds(studies, tuple(notes), tuple(answered), attempts, uncounted)


def ask_remotes(
    remotes: Iterable[RemoteArchive],
    found: RemoteFinds,
    story: Story,
    local: Sequence[ArchiveStudy],
    policy: SitePolicy,
) -> RemoteFinds:
    """Ask every archive that has not answered yet; one that fails is asked again by the next run of the step.

    After ``policy.remote_attempts`` failures it is given up, and the choice says so.
    """
    for remote in remotes:
        if remote.name in found.answered:
            continue
        try:
            found = _answered(found, remote.name, _ask(remote, story, local, policy))
        except PlumblineError as error:
            found = _failed(found, remote.name, error, policy)
    return found


def _ask(remote: RemoteArchive, story: Story, local: Sequence[ArchiveStudy], policy: SitePolicy) -> RemoteFinds:
    """What one archive has that ours lacks."""
    here = {each.study.study_instance_uid: each.instance_count or 0 for each in local}
    listed = [each for each in remote.studies_of(story.study.patient) if _may_have_more(each, story, here)]
    worth_asking = sorted(
        (each for each in listed if _may_be_reference(each, story, policy)), key=lambda each: _rank(each, story)
    )
    asked = worth_asking[: policy.maximum_remote_studies]
    counted = [_counted(remote.with_series(each), remote, here) for each in asked]
    left = len(worth_asking) - len(asked)
    note = f"{left} more exams of the archive {remote.name} were not looked at: at most {len(asked)} are."
    return RemoteFinds(
        tuple(
            RemoteStudy(remote.name, each)
            for each in counted
            if _may_have_more(each, story, here) and not _is_uncounted(each, here)
        ),
        (note,) if left else (),
        uncounted={each.study.study_instance_uid: remote.name for each in counted if _is_uncounted(each, here)},
    )


def _may_have_more(listed: ArchiveStudy, story: Story, here: Mapping[str, int]) -> bool:
    """Whether a study other than the exam itself is not in our archive, or may have arrived there only in part."""
    uid, count = listed.study.study_instance_uid, listed.instance_count
    return uid != story.study.study_instance_uid and (uid not in here or count is None or count > here[uid])


def _is_uncounted(listed: ArchiveStudy, here: Mapping[str, int]) -> bool:
    return listed.instance_count is None and listed.study.study_instance_uid in here


def _counted(listed: ArchiveStudy, remote: RemoteArchive, here: Mapping[str, int]) -> ArchiveStudy:
    """The study with its count: one that our archive has, too, and the other does not count is listed to be counted."""
    if not _is_uncounted(listed, here):
        return listed
    try:
        instances = remote.instances_of(listed.study)
    except InvalidInput:
        return listed  # it cannot be asked for instances
    return replace(listed, instance_count=sum(not each.is_own for each in instances) or None)


def _answered(found: RemoteFinds, name: str, answer: RemoteFinds) -> RemoteFinds:
    known = {each.listed.study.study_instance_uid for each in found.studies}
    return replace(
        found,
        studies=(
            *found.studies,
            *(each for each in answer.studies if each.listed.study.study_instance_uid not in known),
        ),
        notes=(*found.notes, *answer.notes),
        answered=(*found.answered, name),
        uncounted={**answer.uncounted, **found.uncounted},
    )


def _failed(found: RemoteFinds, name: str, error: PlumblineError, policy: SitePolicy) -> RemoteFinds:
    attempts = {**found.attempts, name: found.attempts.get(name, 0) + 1}
    if attempts[name] < policy.remote_attempts:
        return replace(found, attempts=attempts)
    note = f"Exams that only the archive {name} may have were not considered: {error.what}."
    return replace(found, notes=(*found.notes, note), answered=(*found.answered, name), attempts=attempts)


def _may_be_reference(listed: ArchiveStudy, story: Story, policy: SitePolicy) -> bool:
    """Whether what the study level tells leaves it possible that the exam is comparable."""
    study = listed.study
    if not same_patient(story.study.patient, study.patient, policy.priors.identity).is_same:
        return False
    if is_earlier(study, story.study) is False or not _may_share_modality(listed, story.recognition.modality):
        return False
    said = study.description or ""
    return spine_regions(said) is not None or not names_other_body_part(said)


def _may_share_modality(listed: ArchiveStudy, modality: str | None) -> bool:
    held = set(listed.modalities or listed.study.modalities)
    wanted = RADIOGRAPH_MODALITIES if modality in RADIOGRAPH_MODALITIES else {modality}
    return not held or bool(held & wanted)


def _rank(listed: ArchiveStudy, story: Story) -> tuple[bool, int, str]:
    """Named as a spine first, then the nearest to the operation, or to the exam where none is dated."""
    study = listed.study
    is_named = spine_regions(study.description or "") is not None
    day = story.study.performed_at.date() if story.study.performed_at else None
    operation = story.history.last_operation(day)
    anchor = (operation.best_date if operation else None) or day
    away = abs((study.performed_at.date() - anchor).days) if study.performed_at and anchor else 10**6
    return not is_named, away, study.study_instance_uid
