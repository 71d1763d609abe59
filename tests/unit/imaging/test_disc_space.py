"""How high a disc space is, and what it has lost, while patient and segment move, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.anatomy.transforms import RigidTransform
from plumbline.imaging.disc_space import disc_change, disc_space
from plumbline.imaging.motion import ExamAnatomy, SpacerMotion, measure_spacer
from tests.unit.imaging.bone_worlds import (
    BODY_CENTRE,
    DEPTH_MM,
    DISC_MM,
    Scanner,
    examined,
    metal_at,
    moved,
    moved_bones,
    stacked,
)

BONES = stacked(2)
FINE = Scanner(spacing_mm=(0.8, 0.8, 1.0), first_mm=(-18.0, -28.0, -22.0), last_mm=(20.0, 18.0, 30.0))
SPACER = metal_at(0.0, -10.0, DISC_MM / 2, (3.5, 3.5, 3.5))
PLATE = metal_at(0.0, -10.0, DISC_MM / 2, (12.0, 10.5, 3.5))
"""It covers the endplates to their edges."""
LYING = moved(1.5, -2.0, 3.0, (3.0, -2.0, 4.0))
"""The patient lies differently."""
CORTEX_MM = 1.3
"""The cortex of these bones lies deeper than a real one, which the endplates are corrected for."""
MIDDLE = np.array([0.0, BODY_CENTRE[1], DISC_MM / 2])
POSTERIOR_EDGE = np.array([0.0, 0.0, DISC_MM / 2])


@pytest.fixture(scope="module")
def baseline() -> ExamAnatomy:
    return examined(BONES, (SPACER,), scanner=FINE)


def follow_up(above: RigidTransform, spacer=SPACER) -> ExamAnatomy:
    """A later exam in which the bone above has moved against the bone below."""
    bones = moved_bones(BONES, LYING @ above, LYING)
    return examined(bones, (spacer.moved(LYING),), scanner=replace(FINE, seed=1))


@pytest.fixture(scope="module")
def measured(baseline) -> tuple[ExamAnatomy, SpacerMotion]:
    """A later exam in which the bone above has come down by 1.5 mm, registered in earnest."""
    current = follow_up(moved(cranial=-1.5))
    return current, measure_spacer(baseline, current, baseline.hardware.spacers[0], current.hardware.spacers[0], 0)


def registered(motion: SpacerMotion, above: RigidTransform) -> SpacerMotion:
    """The same motion where the bone above is said to have moved otherwise against the bone below."""
    bone = replace(motion.above_motion, current_from_baseline=motion.below_motion.current_from_baseline @ above)
    return replace(motion, above_motion=bone)


def test_the_height_is_that_between_the_endplates(baseline):
    space = disc_space(baseline, 0)
    assert space is not None
    assert space.height_mm == pytest.approx(DISC_MM, abs=CORTEX_MM)
    np.testing.assert_allclose(space.middle_lps_mm, MIDDLE, atol=0.5)
    np.testing.assert_allclose(space.axis, (0.0, 0.0, 1.0), atol=0.05)


def test_what_was_lost_is_what_the_bone_above_has_come_down(baseline, measured):
    change = disc_change(baseline, *measured)
    for lost in (change.lost_mm, change.lost_anterior_mm, change.lost_posterior_mm):
        assert lost.value == pytest.approx(1.5, abs=lost.uncertainty_95)
        assert lost.uncertainty_95 < 0.6
    assert change.is_lower_throughout
    assert change.height_mm is not None
    assert change.baseline_height_mm is not None
    assert change.baseline_height_mm.value - change.height_mm.value == pytest.approx(change.lost_mm.value)
    assert change.height_mm.value == pytest.approx(DISC_MM - 1.5, abs=CORTEX_MM)


def test_nothing_is_lost_where_nothing_has_moved(baseline, measured):
    current, motion = measured
    assert not disc_change(baseline, current, registered(motion, moved())).is_lower


def test_a_bend_about_the_middle_is_no_lost_height(baseline, measured):
    current, motion = measured
    bent = registered(motion, moved(turn_deg=(5.0, 0.0, 0.0), about=MIDDLE))
    change = disc_change(baseline, current, bent)
    assert abs(change.lost_mm.value) <= change.lost_mm.uncertainty_95
    edge = np.radians(5.0) * DEPTH_MM / 2
    assert change.lost_anterior_mm.value == pytest.approx(edge, abs=change.lost_anterior_mm.uncertainty_95)
    assert change.lost_posterior_mm.value == pytest.approx(-edge, abs=change.lost_posterior_mm.uncertainty_95)
    assert not change.is_lower
    assert change.lost_anterior_mm.uncertainty_95 > change.lost_mm.uncertainty_95


def test_a_bend_about_a_place_behind_the_middle_lowers_the_middle_but_not_the_whole_disc(baseline, measured):
    current, motion = measured
    bent = registered(motion, moved(turn_deg=(8.0, 0.0, 0.0), about=0.5 * (MIDDLE + POSTERIOR_EDGE)))
    change = disc_change(baseline, current, bent)
    assert change.is_lower
    assert not change.is_lower_throughout


def test_where_metal_hides_the_endplates_no_height_is_told_but_the_loss_is(measured):
    current, motion = measured
    hidden = examined(BONES, (PLATE,), scanner=FINE)
    blind = replace(current, hardware=replace(current.hardware, metal=np.ones_like(current.hardware.metal)))
    change = disc_change(hidden, blind, motion)
    assert disc_space(hidden, 0) is None
    assert change.height_mm is None
    assert change.baseline_height_mm is None
    assert change.lost_mm.value == pytest.approx(1.5, abs=change.lost_mm.uncertainty_95)


def test_endplates_seen_in_one_exam_only_are_not_believed(baseline, measured):
    """Nothing tests them: what looks like an endplate beside metal may be a streak."""
    current, motion = measured
    blind = replace(current, hardware=replace(current.hardware, metal=np.ones_like(current.hardware.metal)))
    assert disc_change(baseline, blind, motion).height_mm is None
    assert disc_change(blind, current, motion).height_mm is None


def test_heights_that_contradict_the_loss_are_not_told(baseline, measured):
    """As where an edge within a bone was taken for an endplate in one of the exams."""
    current, motion = measured
    change = disc_change(baseline, current, registered(motion, moved(cranial=2.5)))
    assert change.height_mm is None
    assert change.baseline_height_mm is None
