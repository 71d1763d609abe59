"""``plumbline compare``: the analysis of the path on folders, without archive, queue or database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from plumbline.adapters.dicom_files.folder import FolderImages, StudyFolder, read_study_folder
from plumbline.checks.finding import Status
from plumbline.errors import InvalidInput
from plumbline.exams.order import Plan, SourceKind, plan_from_text
from plumbline.exams.recognition import ExamKind
from plumbline.exams.study import Study
from plumbline.pipeline.compare import Compared, compare_exam
from plumbline.pipeline.documents import result_document
from plumbline.pipeline.given import given_references
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.report import ReportInputs, build_report, report_files
from plumbline.pipeline.story import Story, days_since_surgery, tell_story
from plumbline.pipeline.triage import decide_priority, facts_of
from plumbline.priors.choice import ReferenceChoice, Role
from plumbline.settings import load_settings
from plumbline.site_policy import site_policy
from plumbline.triage.priority import TriageDecision

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ComparisonRequest:
    """What the command line was asked."""

    current: Path
    baseline: Path | None = None
    preoperative: Path | None = None
    planned: str | None = None
    surgery_date: date | None = None
    out: Path | None = None

    @property
    def reference_folders(self) -> dict[Role, Path]:
        """Folders by role, those that were given."""
        given = {Role.BASELINE: self.baseline, Role.PREOPERATIVE: self.preoperative}
        return {role: path for role, path in given.items() if path is not None}


@dataclass(frozen=True)
class ComparisonOutcome:
    """The contract's document."""

    document: Mapping[str, Any]

    @property
    def every_check_failed(self) -> bool:
        """Whether nothing could be told because every check broke."""
        statuses = [finding["status"] for finding in self.document["findings"]]
        return bool(statuses) and all(status == Status.FAILED for status in statuses)


def compare_folders(request: ComparisonRequest, progress: Progress = lambda _: None) -> ComparisonOutcome:
    """Compare the exam of one folder with those of others and write report and pictures.

    Raises
    ------
    InvalidInput
        When a folder holds no usable exam, or the plan or the date make no sense.
    Conflict
        When the exams are of different patients.
    """
    policy = site_policy(load_settings())
    plan = _plan(request)
    progress("Reading the current exam")
    current = read_study_folder(request.current)
    references: dict[Role, StudyFolder] = {}
    for role, path in request.reference_folders.items():
        progress(f"Reading the {role.value} exam")
        references[role] = read_study_folder(path)
    _refuse_same_study(current, references)
    images = FolderImages({each.study.study_instance_uid: each for each in (current, *references.values())})
    story = _story(current.study, references, images, plan)
    choice = given_references(story, {role: each.study for role, each in references.items()}, policy.priors.identity)
    compared = compare_exam(story, choice, images, policy.thresholds, progress)
    left_out = [sentence for each in (current, *references.values()) for sentence in each.unreadable]
    compared = replace(
        compared,
        comparison=replace(compared.comparison, warnings=(*compared.comparison.warnings, *left_out)),
    )
    decision = decide_priority(policy.rules, facts_of(story), compared.comparison.findings, choice)
    sr_path = None
    if request.out is not None:
        progress("Writing the report")
        sr_path = _write(request.out, story, compared, choice, decision, images, references, policy)
    return ComparisonOutcome(
        result_document(
            study_instance_uid=current.study.study_instance_uid,
            recognition=story.recognition,
            comparison=compared.comparison,
            choice=choice,
            decision=decision,
            sr_path=None if sr_path is None else str(sr_path),
        )
    )


def _plan(request: ComparisonRequest) -> Plan | None:
    if request.planned is not None:
        return plan_from_text(request.planned, surgery_date=request.surgery_date, source=SourceKind.OPERATOR)
    if request.surgery_date is not None:
        return Plan((), (), None, request.surgery_date, SourceKind.OPERATOR, "date of the operation")
    return None


def _refuse_same_study(current: StudyFolder, references: Mapping[Role, StudyFolder]) -> None:
    uids = [current.study.study_instance_uid, *(each.study.study_instance_uid for each in references.values())]
    if len(set(uids)) < len(uids):
        raise InvalidInput("two of the folders hold the same study", remedy="Give each exam a folder of its own")


def _story(current: Study, references: Mapping[Role, StudyFolder], images: FolderImages, plan: Plan | None) -> Story:
    """The story; whoever asks for a comparison says that this is a postoperative spine exam."""
    story = tell_story(
        current,
        images,
        plan=plan,
        earlier=[each.study for each in references.values()],
        may_open_images=False,
    )
    if story.recognition.kind is ExamKind.POSTOPERATIVE_SPINE:
        return story
    reason = "Taken as a postoperative spine exam because a comparison was asked for."
    recognition = replace(
        story.recognition,
        kind=ExamKind.POSTOPERATIVE_SPINE,
        reasons=(*story.recognition.reasons, reason),
    )
    return replace(story, recognition=recognition)


def _write(
    out: Path,
    story: Story,
    compared: Compared,
    choice: ReferenceChoice,
    decision: TriageDecision,
    images: FolderImages,
    references: Mapping[Role, StudyFolder],
    policy: SitePolicy,
) -> Path:
    """Write SR, key objects and pictures; return the path of the SR."""
    out.mkdir(parents=True, exist_ok=True)
    studies = [story.study, *(each.study for each in references.values())]
    objects = build_report(
        ReportInputs(
            study=story.study,
            comparison=compared.comparison,
            choice=choice,
            days_since_surgery={s.study_instance_uid: days_since_surgery(story.history, s) for s in studies},
            decision=decision,
            pictures=compared.pictures,
            revision=1,
            created_at=_created_at(story.study),
            device_uid=policy.device_uid,
        ),
        images,
    )
    written: dict[str, Path] = {}
    for number, each in enumerate(report_files(objects), start=1):
        written[each.kind] = out / f"{each.kind}{'' if each.kind != 'picture' else f'-{number}'}.dcm"
        written[each.kind].write_bytes(each.part10)
    for number, picture in enumerate(compared.pictures, start=1):
        Image.fromarray(picture.pixels).save(out / f"evidence-{number}.png")
    return written["sr"]


def _created_at(study: Study) -> datetime:
    """The exam's own time: the same input gives the same report, to the byte."""
    return (study.performed_at or datetime(1970, 1, 1)).replace(tzinfo=UTC)  # noqa: DTZ001 (a zone follows)
