"""Step 6, compare: open current exam and references, measure once, run every check, draw the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from plumbline.anatomy.landmarks import Landmark
from plumbline.checks.context import CheckContext, MeasuredExam
from plumbline.checks.evidence import EvidenceDrawing, draw_evidence
from plumbline.checks.finding import CheckName, Finding
from plumbline.checks.registry import Timed, run_checks
from plumbline.checks.thresholds import CheckThresholds
from plumbline.errors import InvalidInput, PlumblineError
from plumbline.exams.recognition import Recognition, recognise
from plumbline.imaging.exam_anatomy import analyse_exam
from plumbline.imaging.motion import ExamAnatomy
from plumbline.pipeline.documents import Comparison, choice_from_document, comparison_document
from plumbline.pipeline.marked import landmarks_of, marked_radiographs, shows_alignment, spacings_of
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import Images, PathPorts, Picture, Proceed, Step, StepName, StepOutcome
from plumbline.pipeline.recognise import story_of
from plumbline.pipeline.story import Story
from plumbline.pipeline.views import views_of
from plumbline.priors.choice import Reference, ReferenceChoice, Role

Progress = Callable[[str], None]
LEADING_CHECK = CheckName.SPACER_MIGRATION
"""An exam is analysed once, on the series that is best for this check."""
COMPARED_ROLES = (Role.BASELINE, Role.PREOPERATIVE)


@dataclass(frozen=True)
class Compared:
    """What a comparison came to, and its pictures."""

    comparison: Comparison
    pictures: tuple[Picture, ...]


def compare_exam(
    story: Story,
    choice: ReferenceChoice,
    images: Images,
    thresholds: CheckThresholds,
    progress: Progress = lambda _: None,
    timed: Timed = lambda _name, _seconds: None,
    landmarks: Sequence[Landmark] = (),
) -> Compared:
    """Compare one exam with its chosen references. The whole analysis of path and command line.

    Parameters
    ----------
    landmarks
        What readers set on the exam's radiographs.

    Raises
    ------
    InvalidInput
        When no series of the current exam may be measured.
    """
    opened = _Opened(story, choice, images, progress)
    context = CheckContext(
        current=opened.current,
        baseline=opened.references.get(Role.BASELINE),
        plan=story.plan,
        thresholds=thresholds,
        missing_baseline=choice.missing.get(Role.BASELINE),
        marked=marked_radiographs(landmarks, spacings_of(story.study), story.recognition.series),
        wants_landmarks=shows_alignment(story.recognition),
    )
    opened.read_together()
    progress("Running the checks")
    findings = run_checks(context, timed=timed)
    progress("Drawing the evidence")
    drawn = draw_evidence(context, findings)
    pictures = tuple(Picture(each.caption, each.view, each.checks, each.pixels) for each in drawn)
    return Compared(opened.comparison(context, findings, drawn), pictures)


class _Opened:
    """The exams of one comparison and which series of each was measured."""

    def __init__(self, story: Story, choice: ReferenceChoice, images: Images, progress: Progress) -> None:
        self._images = images
        self._progress = progress
        self.measured_series: dict[str, str] = {}
        self.warnings: list[str] = []
        self.current = self._exam(story.study.study_instance_uid, story.recognition, None)
        self.references: dict[Role, MeasuredExam] = {}
        for role in COMPARED_ROLES:
            chosen = choice.chosen(role)
            if chosen is not None and chosen.is_partial:
                self.warnings.append(f"The {role.value} exam is not whole. {chosen.reasons[-1]}")
            if chosen is not None and role is Role.BASELINE:
                self.references[role] = self._reference(chosen, story)

    def _reference(self, reference: Reference, story: Story) -> MeasuredExam:
        uid = reference.study_instance_uid
        try:
            study = self._images.study(uid)
        except InvalidInput as error:
            return _unusable(reference, story.recognition.modality, error.what)
        return self._exam(uid, recognise(study, history=story.history), reference)

    def _exam(self, study_uid: str, recognition: Recognition, reference: Reference | None) -> MeasuredExam:
        not_comparable = None
        if reference is not None and not reference.comparable:
            not_comparable = " ".join(reference.reasons)
        return MeasuredExam(
            study_instance_uid=study_uid,
            modality=recognition.modality,
            open_anatomy=lambda: self._open(study_uid, recognition),
            role=reference.role.value if reference is not None and reference.role else None,
            why_not_comparable=not_comparable,
        )

    def _open(self, study_uid: str, recognition: Recognition) -> ExamAnatomy:
        """Analyse the best series that makes a sound volume, for the check that all others build on."""
        refusals: list[str] = []
        for series_uid in recognition.series_for(LEADING_CHECK):
            try:
                volume = self._images.volume(study_uid, series_uid)
            except InvalidInput as error:
                refusals.append(error.what)
                continue
            self.measured_series[study_uid] = series_uid
            if volume.note:
                self.warnings.append(volume.note)
            found = self._images.label_maps(study_uid, series_uid)
            self._progress("Finding vertebrae and implants")
            anatomy = analyse_exam(volume, label_maps=found.maps)
            self.warnings += [*found.refusals, *anatomy.spine.doubts_beside_names]
            return anatomy
        reasons = [role.reason for role in recognition.series if not role.measurable]
        raise InvalidInput("; ".join(refusals or reasons) or "it has no series that may be measured")

    def read_together(self) -> None:
        """Open current exam and baseline side by side; what fails is kept as the reason, not raised."""
        exams = [self.current, *self.references.values()]
        with ThreadPoolExecutor(max_workers=len(exams)) as pool:
            list(pool.map(lambda exam: exam.outcome, exams))

    def comparison(
        self, context: CheckContext, findings: tuple[Finding, ...], drawn: tuple[EvidenceDrawing, ...]
    ) -> Comparison:
        """The comparison's record."""
        outcome = self.current.outcome
        if isinstance(outcome, Exception):
            why = str(outcome) if isinstance(outcome, PlumblineError) else "The analysis of the exam broke off."
            return Comparison(findings, measured_series=self.measured_series, warnings=(*self.warnings, why))
        return Comparison(
            findings=findings,
            numbering=outcome.spine.numbering,
            levels_in_view=outcome.spine.names,
            measured_series=self.measured_series,
            implant_places=self._implant_places(context),
            hardware_seen=bool(outcome.hardware.implants),
            views=views_of(context, self.measured_series, drawn),
            warnings=tuple(self.warnings),
        )

    def _implant_places(self, context: CheckContext) -> Mapping[str, tuple[float, float, float]]:
        """Where the first spacer lies in each exam, for the key images."""
        places: dict[str, tuple[float, float, float]] = {}
        for exam in (self.current, *self.references.values()):
            if isinstance(exam.outcome, Exception) or not exam.outcome.hardware.spacers:
                continue
            x, y, z = exam.outcome.hardware.spacers[0].centre_lps_mm.tolist()
            places[exam.study_instance_uid] = (x, y, z)
        return places


def _unusable(reference: Reference, modality: str | None, why: str) -> MeasuredExam:
    """A reference that cannot be read as one exam of one patient: nothing of it is opened, and every check says why."""

    def refuse() -> ExamAnatomy:
        raise InvalidInput(why)

    return MeasuredExam(
        study_instance_uid=reference.study_instance_uid,
        modality=modality,
        open_anatomy=refuse,
        role=reference.role.value if reference.role else None,
        why_not_comparable=f"It cannot be compared: {why}.",
    )


def compare_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function."""
    uid, revision = step.study_instance_uid, step.revision
    matched = ports.steps.result(uid, revision, StepName.MATCH)
    story = story_of(step, ports, policy, told_by=StepName.MATCH)
    check_seconds: dict[str, float] = {}
    compared = compare_exam(
        story,
        choice_from_document(matched["choice"]),
        ports.images,
        policy.thresholds,
        timed=lambda name, seconds: check_seconds.update({name.value: seconds}),
        landmarks=landmarks_of(uid, ports),
    )
    ports.results.save_pictures(uid, revision, compared.pictures)
    return Proceed(
        {
            "comparison": comparison_document(compared.comparison),
            "hardware_seen": compared.comparison.hardware_seen,
            "check_seconds": check_seconds,
        }
    )
