"""What a check can see: the current exam, the reference, the plan. Measured once, shared by all checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from plumbline.anatomy.landmarks import Landmark
from plumbline.checks.finding import TrackedImplant
from plumbline.checks.thresholds import CheckThresholds
from plumbline.checks.tracking import spacer_tracking
from plumbline.errors import AnalysisFailed, InvalidInput, PlumblineError
from plumbline.exams.order import Plan
from plumbline.imaging.bone_motion import assign_vertebrae
from plumbline.imaging.disc_space import DiscChange, disc_change
from plumbline.imaging.hardware import Implant
from plumbline.imaging.motion import ExamAnatomy, SpacerMotion, find_spacer, measure_spacer
from plumbline.imaging.spacer_pairs import SpacerPair, pair_spacers


@dataclass(frozen=True)
class MeasuredExam:
    """One exam of a comparison. ``open_anatomy`` reads and analyses it on first use.

    ``role`` is None for the current exam. ``why_not_comparable`` is a sentence where the exam was chosen
    but must not be measured against.
    """

    study_instance_uid: str
    modality: str | None
    open_anatomy: Callable[[], ExamAnatomy]
    role: str | None = None
    why_not_comparable: str | None = None

    @cached_property
    def outcome(self) -> ExamAnatomy | Exception:
        """The anatomy, or why there is none; a defect of ours is kept, too, and breaks only what needs it."""
        if self.modality != "CT":
            return InvalidInput(f"its modality is {self.modality or 'not known'}; only CT is measured")
        try:
            return self.open_anatomy()
        except Exception as error:  # noqa: BLE001 (raised again where a check asks for the anatomy)
            return error

    @property
    def anatomy(self) -> ExamAnatomy:
        """The anatomy; raises the reason where there is none."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@dataclass(frozen=True)
class MatchedSpacer:
    """One spacer of the current exam, with its motion or the reason why that is not known.

    ``disc`` is what became of the disc space that it stands in, where its motion is known. ``is_broken`` tells a
    defect of ours from a motion that could not be measured.
    """

    spacer: Implant
    level: str | None
    implant: TrackedImplant
    motion: SpacerMotion | None
    why_not: str | None
    is_broken: bool = False
    disc: DiscChange | None = None


@dataclass(frozen=True)
class LostSpacer:
    """A spacer of the baseline that this exam does not show, with the sentence that says so.

    ``is_broken`` tells a defect of ours from a spacer that could not be found.
    """

    level: str | None
    why: str
    is_broken: bool = False


@dataclass(frozen=True)
class MarkedRadiograph:
    """A radiograph of the current exam on which readers set landmarks.

    ``spacing_mm`` is between rows and between columns, of the patient or of the detector; None where the image
    does not say. ``position`` is that of the patient, None where it is not known.
    """

    landmarks: tuple[Landmark, ...]
    spacing_mm: tuple[float, float] | None
    projection: str | None = None
    position: str | None = None


@dataclass(frozen=True)
class CheckContext:
    """One comparison.

    ``missing_baseline`` says why there is no baseline, where there is none. ``marked`` are the current exam's
    radiographs with landmarks, the one with the most first. ``wants_landmarks`` says that alignment could be
    measured on one of its radiographs, had it landmarks.
    """

    current: MeasuredExam
    baseline: MeasuredExam | None = None
    preoperative: MeasuredExam | None = None
    plan: Plan | None = None
    thresholds: CheckThresholds = field(default_factory=CheckThresholds)
    missing_baseline: str | None = None
    marked: tuple[MarkedRadiograph, ...] = ()
    wants_landmarks: bool = False

    @property
    def shift(self) -> int:
        """Baseline vertebra ``i`` is current vertebra ``i + shift``; told by image, not by name.

        Raises
        ------
        AnalysisFailed
            When that cannot be told.
        """
        if isinstance(self._assignment, AnalysisFailed):
            raise self._assignment
        return self._assignment

    @cached_property
    def _assignment(self) -> int | AnalysisFailed:
        assert self.baseline is not None
        try:
            return assign_vertebrae(self.baseline.anatomy, self.current.anatomy)
        except AnalysisFailed as error:
            return error

    @cached_property
    def spacers(self) -> tuple[MatchedSpacer, ...]:
        """Every spacer in the current exam, matched with the baseline's where there is one.

        One that only the baseline tells apart is looked for in this exam's metal.
        """
        seen = (self._matched(pair) for pair in self._pairs)
        return (*seen, *(each for each in self._looked_for if isinstance(each, MatchedSpacer)))

    @cached_property
    def _pairs(self) -> tuple[SpacerPair, ...]:
        """Spacers of this exam with the baseline's; alone where there is no baseline to pair them with."""
        hardware = self.current.anatomy.hardware
        if self._why_no_baseline() is not None or isinstance(self._assignment, AnalysisFailed):
            return tuple(SpacerPair(each, None, hardware.beside(each)) for each in hardware.spacers)
        assert self.baseline is not None
        return pair_spacers(self.baseline.anatomy, self.current.anatomy, self.shift)

    @cached_property
    def lost_spacers(self) -> tuple[LostSpacer, ...]:
        """Spacers that the baseline shows and this exam does not."""
        return tuple(each for each in self._looked_for if isinstance(each, LostSpacer))

    @cached_property
    def _looked_for(self) -> tuple[MatchedSpacer | LostSpacer, ...]:
        return tuple(self._look_for(spacer) for spacer in self._only_in_baseline())

    def _only_in_baseline(self) -> tuple[Implant, ...]:
        """Spacers of the baseline at levels in view now at which this exam shows none."""
        if self._why_no_baseline() is not None or isinstance(self._assignment, AnalysisFailed):
            return ()
        assert self.baseline is not None
        occupied = {each.above for each in self.current.anatomy.hardware.spacers}
        in_view = range(len(self.current.anatomy.spine.vertebrae) - 1)
        places = [(each, each.above + self.shift) for each in self.baseline.anatomy.hardware.spacers]
        return tuple(each for each, place in places if place in in_view and place not in occupied)

    def _look_for(self, spacer: Implant) -> MatchedSpacer | LostSpacer:
        """The baseline's spacer in this exam's metal, or why it was not found there."""
        assert self.baseline is not None
        baseline, current = self.baseline.anatomy, self.current.anatomy
        level = self.level_name(spacer.above + self.shift)
        try:
            found = find_spacer(baseline, current, spacer, self.shift)
            motion = measure_spacer(baseline, current, spacer, found, self.shift)
            disc = disc_change(baseline, current, motion)
        except (AnalysisFailed, InvalidInput) as error:
            return LostSpacer(level, _sentence(error.what))
        except Exception as error:  # noqa: BLE001 (shown as failed; the other spacers go on)
            return LostSpacer(level, _broke_off(error), is_broken=True)
        beside = baseline.hardware.beside(spacer)
        return MatchedSpacer(found, level, self._identity(found, beside, motion, level), motion, None, disc=disc)

    def level_name(self, above: int) -> str | None:
        """Name of the level below vertebra ``above`` of the current exam by its most probable labelling."""
        names = self.current.anatomy.spine.names
        return f"{names[above]}-{names[above + 1]}" if above + 1 < len(names) else None

    def _matched(self, pair: SpacerPair) -> MatchedSpacer:
        level = self.level_name(pair.current.above)
        motion, disc, why_not, is_broken = None, None, self._why_no_baseline(), False
        if why_not is None:
            try:
                motion = self._motion(pair)
                disc = self._disc(motion)
            except (AnalysisFailed, InvalidInput) as error:
                why_not = _sentence(error.what)
            except Exception as error:  # noqa: BLE001 (shown as failed; what needs no motion goes on)
                why_not = _broke_off(error)
                is_broken = True
        implant = self._identity(pair.current, pair.beside, motion, level)
        return MatchedSpacer(pair.current, level, implant, motion, why_not, is_broken, disc)

    def _identity(self, spacer: Implant, beside: int, motion: SpacerMotion | None, level: str | None) -> TrackedImplant:
        """The baseline's identity where the spacer was found there, else its own."""
        first_seen = self.baseline if motion is not None and self.baseline else self.current
        own = motion.baseline_spacer if motion is not None else spacer
        return spacer_tracking(first_seen.study_instance_uid, own.above, level, beside=beside)

    def _why_no_baseline(self) -> str | None:
        if self.baseline is None:
            return _sentence(f"There is no baseline to compare with: {self.missing_baseline or 'none was found'}")
        if self.baseline.why_not_comparable:
            return _sentence(f"The baseline is not comparable: {self.baseline.why_not_comparable}")
        if isinstance(self.baseline.outcome, PlumblineError):
            return _sentence(f"The baseline cannot be measured: {self.baseline.outcome.what}")
        if isinstance(self.baseline.outcome, Exception):
            return f"The baseline cannot be measured: its analysis broke off ({type(self.baseline.outcome).__name__})."
        return None

    def _motion(self, pair: SpacerPair) -> SpacerMotion:
        """Measured against the baseline's spacer; one that the baseline does not tell apart is looked for in it."""
        assert self.baseline is not None
        if not self.baseline.anatomy.hardware.spacers and isinstance(self._assignment, AnalysisFailed):
            raise AnalysisFailed("the baseline shows no spacer at this level")
        baseline, current, shift = self.baseline.anatomy, self.current.anatomy, self.shift
        if not pair.is_sure:
            counts = [
                sum(each.above + offset == pair.current.above for each in exam.hardware.spacers)
                for exam, offset in ((baseline, shift), (current, 0))
            ]
            raise AnalysisFailed(
                f"the baseline shows {counts[0]} spacers at this level and this exam {counts[1]}: "
                "which is which cannot be told"
            )
        partner = pair.baseline or self._in_baseline(pair.current)
        return measure_spacer(baseline, current, partner, pair.current, shift)

    def _disc(self, motion: SpacerMotion) -> DiscChange:
        assert self.baseline is not None
        return disc_change(self.baseline.anatomy, self.current.anatomy, motion)

    def _in_baseline(self, spacer: Implant) -> Implant:
        assert self.baseline is not None
        try:
            return find_spacer(self.current.anatomy, self.baseline.anatomy, spacer, -self.shift)
        except AnalysisFailed as error:
            raise AnalysisFailed("the baseline shows no spacer at this level") from error


def _broke_off(error: Exception) -> str:
    return f"The measurement broke off ({type(error).__name__}); nothing is said about the spacer's motion."


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
