"""Accuracy of the CT measurement on randomised pairs with known truth: ``make accuracy-ct``.

Prints tables, writes ``build/figures/ct-accuracy.json`` and every case as a line of ``build/ct-cases/cases.jsonl``.
The truth is used for scoring only. Rendering the volumes takes far longer than measuring them; they are kept.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.checks.context import CheckContext, MatchedSpacer, MeasuredExam
from plumbline.checks.finding import CheckName, Finding
from plumbline.checks.registry import run_checks
from plumbline.demo.figures import write_figures
from plumbline.errors import AnalysisFailed
from plumbline.exams.order import plan_from_text
from plumbline.imaging.exam_anatomy import analyse_exam
from plumbline.imaging.motion import ExamAnatomy
from plumbline.phantom.hardware import Implant, surface_points_mm
from plumbline.phantom.randomised import RandomExam, RandomPatient, SliceClass
from tests.benchmark import numbering
from tests.benchmark.ct_cases import Campaign, load, render_missing
from tests.benchmark.ct_screws import ScrewCase, screw_cases, screw_summary

CASES = Path("build/ct-cases/cases.jsonl")
AXES = ("posterior", "cranial", "left")
SAME_PLACE_MM = 12.0
"""A found spacer belongs to the true one whose centre is nearer than this."""
FALSE_BELOW_MM, SENSITIVE_FROM_MM = 1.0, 2.5


@dataclass(frozen=True)
class SpacerCase:
    """One true spacer of one pair, and what was said of it."""

    slice_class: str
    patient: int
    follow_up: int
    spacing_mm: float
    lumbar: int
    spacer: str
    level: str
    design: str
    material: str
    true_translation_mm: tuple[float, ...]
    true_rotation_deg: float
    true_margin_mm: float
    status: str
    why_not: str | None = None
    named: str | None = None
    doubt: bool = False
    translation_mm: tuple[float, ...] = ()
    translation_95_mm: tuple[float, ...] = ()
    rotation_deg: float | None = None
    rotation_95_deg: float | None = None
    margin_mm: float | None = None
    margin_95_mm: float | None = None
    axes_error_deg: float | None = None
    level_error: str | None = None
    seconds: float = 0.0

    @property
    def true_magnitude_mm(self) -> float:
        """Length of the true translation."""
        return float(np.linalg.norm(self.true_translation_mm))

    @property
    def is_measured(self) -> bool:
        """Whether there are numbers."""
        return bool(self.translation_mm)


def measured_exam(volume: Any, name: str, role: str | None) -> MeasuredExam:
    """An exam as the checks take it, analysed once."""
    found: list[ExamAnatomy | AnalysisFailed] = []

    def anatomy() -> ExamAnatomy:
        if not found:
            try:
                found.append(analyse_exam(volume))
            except AnalysisFailed as error:
                found.append(error)
        if isinstance(found[0], AnalysisFailed):
            raise found[0]
        return found[0]

    return MeasuredExam(name, "CT", anatomy, role)


def cases_of(campaign: Campaign, number: int, slice_class: SliceClass) -> list[SpacerCase | ScrewCase]:
    """Measure every follow-up of one patient against the baseline."""
    patient = campaign.patient(number, slice_class)
    baseline = measured_exam(load(campaign, patient, 0), "2.25.1", "baseline")
    return [
        case for index in range(1, len(patient.follow_ups) + 1) for case in _pair(campaign, patient, baseline, index)
    ]


def _pair(
    campaign: Campaign, patient: RandomPatient, baseline: MeasuredExam, index: int
) -> Iterator[SpacerCase | ScrewCase]:
    began = time.perf_counter()
    plan = plan_from_text(f"TLIF {', '.join(sorted(set(patient.levels.values())))}")
    current = measured_exam(load(campaign, patient, index), "2.25.2", None)
    context = CheckContext(current, baseline, plan=plan)
    findings = run_checks(context)
    try:
        spacers = context.spacers
    except AnalysisFailed:
        spacers = ()
    seconds = time.perf_counter() - began
    exam = patient.follow_ups[index - 1].exam
    for implant in exam.scene.implants:
        if implant.name in patient.levels:
            yield _case(patient, index, implant, exam, spacers, findings, current, seconds)
    yield from screw_cases(context, patient, index)


def _case(
    patient: RandomPatient,
    index: int,
    implant: Implant,
    exam: RandomExam,
    spacers: tuple[MatchedSpacer, ...],
    findings: tuple[Finding, ...],
    current: MeasuredExam,
    seconds: float,
) -> SpacerCase:
    motion = patient.follow_ups[index - 1].motions[implant.name]
    fixation = next(each for each in patient.fixations if each.level == patient.levels[implant.name])
    found = _nearest(spacers, exam.scene.exam_from_implant(implant).translation_mm)
    by_check = {each.check: each for each in findings}
    labelling = by_check.get(CheckName.LEVEL_LABELLING)
    case: dict[str, Any] = {
        "slice_class": patient.slice_class.value,
        "patient": patient.number,
        "follow_up": index,
        "spacing_mm": exam.protocol.spacing_mm,
        "lumbar": patient.lumbar,
        "spacer": implant.name,
        "level": patient.levels[implant.name],
        "design": fixation.design.value,
        "material": fixation.material.value,
        "true_translation_mm": motion.translation_mm,
        "true_rotation_deg": float(np.linalg.norm(motion.rotation_deg)),
        "true_margin_mm": true_margin_mm(implant),
        "status": "missed",
        "doubt": labelling is None or labelling.status != "negative",
        "level_error": str(by_check[CheckName.LEVEL_ERROR].status),
        "seconds": round(seconds, 2),
    }
    if isinstance(current.outcome, Exception):
        case.update(status="indeterminate", why_not=str(current.outcome))
        return SpacerCase(**case)
    if found is None:
        return SpacerCase(**case)
    case.update(named=found.level, why_not=found.why_not)
    migration = [
        each
        for each in findings
        if each.check is CheckName.SPACER_MIGRATION
        and each.implant is not None
        and each.implant.tracking_uid == found.implant.tracking_uid
    ]
    case["status"] = str(migration[0].status) if migration else "missed"
    if found.motion is not None:
        case.update(_numbers(found, exam.scene.frame(implant.carrier)))
    return SpacerCase(**case)


def _numbers(found: MatchedSpacer, true_frame: VertebraFrame) -> dict[str, Any]:
    motion = found.motion
    assert motion is not None
    frame_now = motion.baseline_frame.moved_by(motion.below_motion.current_from_baseline)
    turn = true_frame.axes @ frame_now.axes.T
    return {
        "translation_mm": tuple(each.value for each in motion.translation_mm),
        "translation_95_mm": tuple(each.uncertainty_95 for each in motion.translation_mm),
        "rotation_deg": motion.rotation_deg.value,
        "rotation_95_deg": motion.rotation_deg.uncertainty_95,
        "margin_mm": motion.posterior_margin_mm.value,
        "margin_95_mm": motion.posterior_margin_mm.uncertainty_95,
        "axes_error_deg": float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))),
    }


def _nearest(spacers: tuple[MatchedSpacer, ...], centre: Any) -> MatchedSpacer | None:
    near = [(float(np.linalg.norm(each.spacer.centre_lps_mm - centre)), each) for each in spacers]
    close = [pair for pair in near if pair[0] < SAME_PLACE_MM]
    return min(close, key=lambda pair: pair[0])[1] if close else None


def true_margin_mm(implant: Implant) -> float:
    """How far the rear end of a spacer's metal lies in front of the wall of the vertebra that carries it."""
    metal = tuple(part for part in implant.parts if part.material.is_metal)
    points = surface_points_mm(Implant(implant.name, implant.kind, metal, implant.carrier, implant.carrier_from_own))
    return -float(implant.carrier_from_own.apply(points)[:, 0].max())


def summary(cases: list[SpacerCase], prefix: str) -> dict[str, float]:
    """The contract's keys for one slice class, and what they rest on."""
    measured = [each for each in cases if each.is_measured]
    errors = np.array([np.subtract(c.translation_mm, c.true_translation_mm) for c in measured]).reshape(-1, 3)
    spread = np.array([c.translation_95_mm for c in measured]).reshape(-1, 3)
    rotation = np.array([(c.rotation_deg or 0.0) - c.true_rotation_deg for c in measured])
    margin = np.array([(c.margin_mm or 0.0) - c.true_margin_mm for c in measured])
    still = [c for c in cases if c.true_magnitude_mm < FALSE_BELOW_MM]
    moved = [c for c in cases if c.true_magnitude_mm >= SENSITIVE_FROM_MM]
    answered = [c for c in moved if c.status in ("positive", "negative")]
    figures = {
        "cases": len(cases),
        "measured": len(measured),
        "translation_p95_mm": max(_p95(errors[:, axis]) for axis in range(3)),
        "rotation_p95_deg": _p95(rotation),
        "posterior_margin_p95_mm": _p95(margin),
        "sensitivity": sum(c.status == "positive" for c in moved) / max(len(moved), 1),
        "sensitivity_answered": sum(c.status == "positive" for c in answered) / max(len(answered), 1),
        "false_positives": sum(c.status == "positive" for c in still),
        "coverage": float((np.abs(errors) <= spread).mean()) if len(errors) else 0.0,
        "rotation_coverage": float(
            np.mean([abs(e) <= (c.rotation_95_deg or 0) for e, c in zip(rotation, measured, strict=True)])
        ),
        "margin_coverage": float(
            np.mean([abs(e) <= (c.margin_95_mm or 0) for e, c in zip(margin, measured, strict=True)])
        ),
        "margin_bias_mm": float(margin.mean()) if len(margin) else 0.0,
        "abstained": sum(c.status in ("indeterminate", "missed", "failed") for c in cases) / max(len(cases), 1),
        "seconds_median": float(np.median([c.seconds for c in cases])),
    }
    for axis, name in enumerate(AXES):
        figures[f"{name}_bias_mm"] = float(errors[:, axis].mean()) if len(errors) else 0.0
        figures[f"{name}_p95_mm"] = _p95(errors[:, axis])
    return {f"{prefix}_{key}": round(value, 4) for key, value in figures.items()}


def _p95(errors: Any) -> float:
    return float(np.percentile(np.abs(errors), 95)) if len(errors) else -1.0


def measure_all(campaign: Campaign, workers: int, keep: Path) -> list[SpacerCase | ScrewCase]:
    """Every case; each patient's are written as soon as they are there."""
    patients = list(campaign.draw())
    found: list[SpacerCase | ScrewCase] = []
    keep.parent.mkdir(parents=True, exist_ok=True)
    with Progress() as progress, ProcessPoolExecutor(max_workers=workers) as pool, keep.open("w") as out:
        task = progress.add_task("Pairs measured", total=len(patients))
        running = [pool.submit(cases_of, campaign, p.number // 2, p.slice_class) for p in patients]
        for finished in as_completed(running):
            for case in finished.result():
                found.append(case)
                out.write(json.dumps(asdict(case)) + "\n")
            out.flush()
            progress.advance(task)
    return found


def main() -> None:
    """Render what is missing, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=Campaign().patients, help="of each slice class")
    parser.add_argument("--seed", type=int, default=Campaign().seed)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-names", action="store_true", help="leave out naming the real spines' key points")
    options = parser.parse_args()
    campaign = Campaign(seed=options.seed, patients=options.patients)
    with Progress() as progress:
        task = progress.add_task("Patients rendered")
        render_missing(
            campaign, options.workers, lambda done, total: progress.update(task, completed=done, total=total)
        )
    figures = report(measure_all(campaign, options.workers, CASES))
    if not options.no_names:
        names, _ = numbering.measure()
        figures |= {key: names[key] for key in ("identification_rate", "l6_declared")}
    Console().print(f"Figures: {write_figures('ct-accuracy', figures)}")


def report(found: list[SpacerCase | ScrewCase]) -> dict[str, float]:
    """Figures of both slice classes, printed."""
    cases = [each for each in found if isinstance(each, SpacerCase)]
    screws = [each for each in found if isinstance(each, ScrewCase)]
    figures: dict[str, float] = {
        "cases": len(cases),
        "wrong_level_undeclared": sum(c.named not in (None, c.level) and not c.doubt for c in cases),
    }
    for slice_class in SliceClass:
        own = [case for case in cases if case.slice_class == slice_class.value]
        if own:
            figures |= summary(own, slice_class.value)
            held = [screw for screw in screws if screw.slice_class == slice_class.value]
            figures |= screw_summary(held, slice_class.value)
    table = Table("figure", "value")
    for key, value in figures.items():
        table.add_row(key, f"{value:g}")
    Console().print(table)
    return figures


if __name__ == "__main__":
    main()
