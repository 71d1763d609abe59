"""Accuracy of the height of disc spaces and of what they lost: ``python -m tests.benchmark.disc_height``.

Three kinds of pairs with known truth. Of the campaign of ``ct_accuracy`` (*posture*): no disc space has lost height,
and the operated level bends a little. Of the same patients with one more follow-up: the operated level bends freely by
up to 6 degrees, and in half of them the vertebra above has come down by a known amount, with the spacer or on to it
(*closed*; the others are *bent*). The truth is used for scoring only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from plumbline.anatomy.transforms import RigidTransform
from plumbline.checks.context import CheckContext, MatchedSpacer
from plumbline.demo.figures import write_figures
from plumbline.errors import AnalysisFailed
from plumbline.imaging.disc_space import DiscSettings
from plumbline.imaging.estimates import Estimate
from plumbline.imaging.volume import Volume
from plumbline.phantom.fixation import displaced
from plumbline.phantom.randomised import RandomExam, RandomPatient, SliceClass
from plumbline.phantom.scanner import render
from plumbline.phantom.scene import Posture, Scene
from plumbline.phantom.vertebra import VertebraShape
from tests.benchmark.ct_accuracy import SAME_PLACE_MM, measured_exam
from tests.benchmark.ct_cases import Campaign, load, render_missing

Points = NDArray[Any]

CASES = Path("build/ct-cases/disc-height.jsonl")
FITTED_SHARE = DiscSettings().body.fitted_share
"""Of the depth and width of an endplate: the part over which the true height is taken, as the measured one is."""


@dataclass(frozen=True)
class DiscCase:
    """One disc space of one pair: what is true and what was said, millimetres."""

    kind: str
    slice_class: str
    patient: int
    level: str
    material: str
    bent_deg: float
    true_lost_mm: float
    true_heights_mm: tuple[float, float]
    lost_mm: tuple[float, float] | None = None
    anterior_mm: tuple[float, float] | None = None
    posterior_mm: tuple[float, float] | None = None
    true_edges_mm: tuple[float, float] = (0.0, 0.0)
    height_mm: tuple[float, float] | None = None
    baseline_height_mm: tuple[float, float] | None = None
    is_told_lost: bool = False
    why_not: str | None = None


@dataclass(frozen=True, eq=False)
class TrueDisc:
    """The disc space below a vertebra: middle and axis in exam LPS mm, and the mean distance of its endplates."""

    middle: Points
    axis: Points
    height_mm: float


def true_disc(scene: Scene, above: str, below: str) -> TrueDisc:
    """Geometry of a disc space as the phantom draws it."""
    upper, lower = scene.spine.vertebra(above).shape, scene.spine.vertebra(below).shape
    over, under = scene.exam_from_own(above), scene.exam_from_own(below)
    ceiling, floor = over.apply(_inferior(upper)), under.apply(_superior(lower))
    slope = np.tan(np.radians(upper.wedge_deg))
    down = over.turn(np.array([slope, -1.0, 0.0]) / np.hypot(1.0, slope))
    axis = under.turn(np.array([0.0, 1.0, 0.0])) - down
    axis = axis / np.linalg.norm(axis)
    ends = ceiling.mean(axis=0), floor.mean(axis=0)
    return TrueDisc((ends[0] + ends[1]) / 2, axis, float((ends[0] - ends[1]) @ axis))


def _ellipse(shape: VertebraShape) -> tuple[Points, Points, Points]:
    """(posterior, left) places over the middle part of an endplate, and how much of its hollow is there."""
    p, left = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81), indexing="ij")
    inside = p**2 + left**2 <= 1.0
    p = -shape.depth_mm / 2 + FITTED_SHARE * shape.depth_mm / 2 * p[inside]
    left = FITTED_SHARE * shape.width_mm / 2 * left[inside]
    away = ((p + shape.depth_mm * 0.52) / (shape.depth_mm * 0.42)) ** 2 + (left / (shape.width_mm / 2 * 0.82)) ** 2
    return p, left, np.clip(1.0 - away, 0.0, 1.0)


def _superior(shape: VertebraShape) -> Points:
    p, left, hollow = _ellipse(shape)
    return np.stack([p, -shape.concavity_mm * hollow, left], axis=1)


def _inferior(shape: VertebraShape) -> Points:
    p, left, hollow = _ellipse(shape)
    wedge = np.tan(np.radians(shape.wedge_deg)) * p
    return np.stack([p, -shape.height_mm + wedge + 1.25 * shape.concavity_mm * hollow, left], axis=1)


def true_losses_mm(before: Scene, now: Scene, above: str, below: str) -> tuple[float, float, float]:
    """By how much a disc space is lower than before: in its middle, at its anterior and at its posterior edge."""
    disc = true_disc(before, above, below)
    upper, lower = (now.exam_from_own(name) @ before.exam_from_own(name).inverse() for name in (above, below))
    relative: RigidTransform = lower.inverse() @ upper
    half = before.spine.vertebra(below).shape.depth_mm / 2 * before.frame(below).posterior
    places = (disc.middle, disc.middle - half, disc.middle + half)
    middle, anterior, posterior = (-float((relative.apply(p) - p) @ disc.axis) for p in places)
    return middle, anterior, posterior


def closing_exam(patient: RandomPatient, seed: int) -> RandomExam:
    """One more follow-up: the operated level bends freely, and in half of the patients its disc space has closed.

    The spacer goes with the vertebra above, or stays and is sunk into by it, or anything between.
    """
    rng = np.random.default_rng((seed, patient.number, 9))
    exam = patient.follow_ups[0].exam
    first = patient.fixations[0]
    bend = Posture.draw((first.above, first.below), rng, bend_deg=6.0, shift_mm=0.0, turn_deg=0.0).bends_deg
    closed = float(rng.uniform(0.5, 4.0)) if rng.uniform() < 0.5 else 0.0
    posture = replace(
        exam.scene.posture, bends_deg={**exam.scene.posture.bends_deg, **bend}, closed_mm={first.above: closed}
    )
    sunk = np.array([0.0, -closed * float(rng.uniform()), 0.0])
    implants = tuple(
        displaced(each, sunk, np.zeros(3)) if patient.levels.get(each.name) == first.level else each
        for each in patient.baseline.scene.implants
    )
    return RandomExam(replace(exam.scene, posture=posture, implants=implants), exam.protocol, exam.seed + 17)


def closing_volume(campaign: Campaign, patient: RandomPatient) -> Volume:
    """That follow-up, rendered once."""
    path = campaign.folder() / f"{patient.number:04d}-closing.npz"
    path = path if path.exists() else Path("build/ct-cases") / f"closing-{campaign.folder().name}-{path.name}"
    if not path.exists():
        exam = closing_exam(patient, campaign.seed)
        volume = render(exam.scene, exam.protocol, exam.seed)
        partial = path.with_suffix(".part.npz")
        np.savez(partial, voxels=volume.voxels, lps_from_index=volume.lps_from_index)
        partial.rename(path)
    stored = np.load(path)
    return Volume(stored["voxels"], stored["lps_from_index"])


def cases_of(campaign: Campaign, number: int, slice_class: SliceClass, *, with_closing: bool) -> list[DiscCase]:
    """Every pair of one patient."""
    patient = campaign.patient(number, slice_class)
    baseline = measured_exam(load(campaign, patient, 0), "2.25.1", "baseline")
    pairs = [
        ("posture", each.exam, load(campaign, patient, index)) for index, each in enumerate(patient.follow_ups, start=1)
    ]
    if with_closing:
        exam = closing_exam(patient, campaign.seed)
        is_closed = max(exam.scene.posture.closed_mm.values()) > 0.0
        pairs.append(("closed" if is_closed else "bent", exam, closing_volume(campaign, patient)))
    found = []
    for kind, exam, volume in pairs:
        context = CheckContext(measured_exam(volume, "2.25.2", None), baseline)
        try:
            spacers = context.spacers
        except AnalysisFailed as error:
            spacers = ()
            reason = str(error)
        else:
            reason = "not found"
        found += list(_cases(patient, kind, exam, spacers, reason))
    return found


def _cases(
    patient: RandomPatient, kind: str, exam: RandomExam, spacers: tuple[MatchedSpacer, ...], reason: str
) -> Iterator[DiscCase]:
    for fixation in patient.fixations:
        above, below = fixation.above, fixation.below
        before, now = patient.baseline.scene, exam.scene
        middle, anterior, posterior = true_losses_mm(before, now, above, below)
        relative = now.exam_from_own(below).inverse() @ now.exam_from_own(above)
        then = before.exam_from_own(below).inverse() @ before.exam_from_own(above)
        case = DiscCase(
            kind=kind,
            slice_class=patient.slice_class.value,
            patient=patient.number,
            level=fixation.level,
            material=fixation.material.value,
            bent_deg=(relative @ then.inverse()).angle_deg,
            true_lost_mm=middle,
            true_heights_mm=(true_disc(before, above, below).height_mm, true_disc(now, above, below).height_mm),
            true_edges_mm=(anterior, posterior),
            why_not=reason,
        )
        place = true_disc(now, above, below).middle
        near = [s for s in spacers if np.linalg.norm(s.spacer.centre_lps_mm - place) < 1.5 * SAME_PLACE_MM]
        measured = next((s for s in near if s.disc is not None), None)
        if measured is None or measured.disc is None:
            yield replace(case, why_not=near[0].why_not if near else reason)
            continue
        disc = measured.disc
        yield replace(
            case,
            why_not=None,
            lost_mm=_pair(disc.lost_mm),
            anterior_mm=_pair(disc.lost_anterior_mm),
            posterior_mm=_pair(disc.lost_posterior_mm),
            height_mm=_pair(disc.height_mm),
            baseline_height_mm=_pair(disc.baseline_height_mm),
            is_told_lost=disc.is_lower_throughout,
        )


def _pair(estimate: Estimate | None) -> tuple[float, float] | None:
    return None if estimate is None else (estimate.value, estimate.uncertainty_95)


def summary(cases: list[DiscCase], prefix: str) -> dict[str, float]:
    """Bias, 95 % error and coverage of the loss and of the heights."""
    told = [each for each in cases if each.lost_mm]
    figures: dict[str, float] = {"discs": len(cases), "measured": len(told)}
    lost = [(each.lost_mm, each.true_lost_mm) for each in told]
    edges = [(each.anterior_mm, each.true_edges_mm[0]) for each in told]
    edges += [(each.posterior_mm, each.true_edges_mm[1]) for each in told]
    heights = [(each.height_mm, each.true_heights_mm[1]) for each in told if each.height_mm]
    for name, pairs in (("lost", lost), ("edge_lost", edges), ("height", heights)):
        measured = np.array([pair[0] for pair in pairs]).reshape(-1, 2)
        errors = measured[:, 0] - np.array([pair[1] for pair in pairs])
        if len(errors):
            figures |= {
                f"{name}_bias_mm": float(errors.mean()),
                f"{name}_p95_mm": float(np.percentile(np.abs(errors), 95)),
                f"{name}_coverage": float((np.abs(errors) <= measured[:, 1]).mean()),
            }
    figures["heights"] = len(heights)
    for kind in ("posture", "bent", "closed"):
        own = [each for each in told if each.kind == kind]
        if own:
            figures[f"{kind}_told_lost"] = sum(each.is_told_lost for each in own)
            figures[f"{kind}_measured"] = len(own)
    return {f"{prefix}_{key}": round(value, 4) for key, value in figures.items()}


def main() -> None:
    """Render what is missing, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=Campaign().seed)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--patients", type=int, default=6, help="of each slice class")
    parser.add_argument("--closing", action="store_true", help="render and measure the closed and bent ones, too")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    campaign = Campaign(seed=options.seed, patients=options.patients, first=options.first)
    render_missing(campaign, options.workers, lambda _done, _total: None)
    CASES.parent.mkdir(parents=True, exist_ok=True)
    cases: list[DiscCase] = []
    with ProcessPoolExecutor(max_workers=options.workers) as pool, CASES.open("w") as out:
        numbers = [(p.number // 2, p.slice_class) for p in campaign.draw()]
        running = [pool.submit(cases_of, campaign, *each, with_closing=options.closing) for each in numbers]
        for done in running:
            cases += done.result()
            out.writelines(json.dumps(asdict(case)) + "\n" for case in done.result())
            out.flush()
    figures: dict[str, float] = {}
    for slice_class in SliceClass:
        figures |= summary([each for each in cases if each.slice_class == slice_class.value], slice_class.value)
    table = Table("figure", "value")
    for key, value in figures.items():
        table.add_row(key, f"{value:g}")
    Console().print(table, f"Figures: {write_figures('disc-height', figures)}")


if __name__ == "__main__":
    main()
