"""How a screw has moved against its own vertebra, while bones, patient and the other screws do otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.imaging.hardware import Side
from plumbline.imaging.motion import ExamAnatomy
from plumbline.imaging.screw_motion import ScrewMotion, UnmeasuredScrew, measure_screws
from tests.unit.imaging.bone_worlds import Metal, Scanner, examined, metal_at, moved, moved_bones, stacked

BONES = stacked(1)
FINE = Scanner(spacing_mm=(0.9, 0.9, 1.0), first_mm=(-18.0, -28.0, -22.0), last_mm=(20.0, 18.0, 6.0))
LYING = moved(1.0, -1.0, 1.5, (2.0, -2.0, 3.0))
SCREW = metal_at(8.0, -4.0, -6.0, (2.4, 14.0, 2.4))
OTHER = metal_at(-8.0, -4.0, -6.0, (2.4, 14.0, 2.4))
ENTRY = np.array([8.0, 10.0, -6.0])


@pytest.fixture(scope="module")
def baseline() -> ExamAnatomy:
    return examined(BONES, (SCREW, OTHER), scanner=FINE)


def follow_up(*screws: Metal, scanner: Scanner = FINE) -> ExamAnatomy:
    """A later exam in another posture; the screws are given where they lie in the vertebra."""
    bones = moved_bones(BONES, LYING)
    return examined(bones, tuple(each.moved(LYING) for each in screws), scanner=replace(scanner, seed=scanner.seed + 1))


@pytest.fixture(scope="module")
def tilted(baseline) -> tuple[ScrewMotion | UnmeasuredScrew, ...]:
    """The left screw's tip has gone down by four degrees about its entry and by one to the left; the other rests."""
    turn = moved(turn_deg=(4.0, 0.0, 1.0), about=ENTRY)
    return measure_screws(baseline, follow_up(SCREW.moved(turn), OTHER), 0)


def test_a_turn_about_the_entry_is_told_from_the_bones_own(tilted):
    left, _ = tilted
    assert isinstance(left, ScrewMotion)
    assert left.angle_deg.value == pytest.approx(np.hypot(4.0, 1.0), abs=0.5)
    assert abs(left.angle_deg.value - np.hypot(4.0, 1.0)) <= left.angle_deg.uncertainty_95
    assert left.tilt_cranial_deg.value == pytest.approx(-4.0, abs=0.5)
    assert left.tilt_left_deg.value == pytest.approx(1.0, abs=0.5)
    assert left.tip_mm[1].value == pytest.approx(-28.0 * np.sin(np.radians(4.0)), abs=0.4)
    assert np.linalg.norm(left.axis) == pytest.approx(1.0)


def test_the_screw_that_rests_is_said_to_rest(tilted):
    _, right = tilted
    assert isinstance(right, ScrewMotion)
    assert right.screw.side is right.baseline_screw.side is Side.RIGHT
    assert right.angle_deg.value < 0.4
    assert all(abs(each.value) < 0.3 for each in right.tip_mm)


def test_a_screw_that_backs_out_moves_along_itself_without_turning(baseline):
    left, _ = measure_screws(baseline, follow_up(SCREW.moved(moved(2.0)), OTHER), 0)
    assert isinstance(left, ScrewMotion)
    assert left.tip_mm[0].value == pytest.approx(2.0, abs=0.3)
    assert left.angle_deg.value < 0.5


def test_thicker_slices_are_said_to_be_less_certain(baseline, tilted):
    coarse = replace(FINE, spacing_mm=(0.8, 0.8, 2.5))
    left, _ = measure_screws(baseline, follow_up(SCREW, OTHER, scanner=coarse), 0)
    assert isinstance(left, ScrewMotion)
    assert left.angle_deg.uncertainty_95 > 1.5 * tilted[1].angle_deg.uncertainty_95


def test_a_screw_that_the_baseline_does_not_show_is_said(baseline):
    alone = examined(BONES, (OTHER,), scanner=FINE)
    left, right = measure_screws(alone, follow_up(SCREW, OTHER), 0)
    assert isinstance(left, UnmeasuredScrew)
    assert "no screw on this side" in left.why
    assert isinstance(right, ScrewMotion), "nothing else is lost"


def test_a_screw_whose_shank_cannot_be_told_is_said(baseline):
    (left, right) = baseline.hardware.screws
    blind = replace(baseline, hardware=replace(baseline.hardware, implants=(replace(left, pose=None), right)))
    first, second = measure_screws(baseline, blind, 0)
    assert isinstance(first, UnmeasuredScrew)
    assert "cannot be told from other metal in this exam" in first.why
    assert isinstance(second, ScrewMotion)


def test_a_vertebra_out_of_view_is_said(baseline):
    current = follow_up(SCREW, OTHER)
    lone = replace(current, spine=replace(current.spine, vertebrae=()))
    found = measure_screws(baseline, replace(lone, hardware=baseline.hardware), 0)
    assert all(isinstance(each, UnmeasuredScrew) and "not in view" in each.why for each in found)
    assert len(found) == 2


def test_screws_of_one_vertebra_share_its_registration(tilted):
    left, right = tilted
    assert left.vertebra_motion is right.vertebra_motion
