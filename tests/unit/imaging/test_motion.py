"""How a spacer has moved against the bones, in the patient's own axes, while bones and patient move, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.bone_motion import assign_vertebrae, believed_bone, bone_points, register_bone
from plumbline.imaging.hardware import segment_hardware
from plumbline.imaging.motion import ExamAnatomy, SpacerMotion, measure_spacer, posterior_margin
from plumbline.imaging.motion_settings import MotionSettings
from plumbline.imaging.tilt import without_tilt
from tests.unit.imaging.bone_worlds import (
    DISC_MM,
    SPACER,
    Bone,
    Scanner,
    examined,
    located,
    metal_at,
    moved,
    moved_bones,
    stacked,
)

BONES = stacked(2)
FINE = Scanner(spacing_mm=(0.8, 0.8, 1.0), first_mm=(-18.0, -28.0, -22.0), last_mm=(20.0, 18.0, 30.0))
TOLERANCE_MM = 0.16
"""A sixth of a slice: metal at the end of the scale has edges sharper than its voxels."""
BELOW = moved(1.5, -2.0, 3.0, (3.0, -2.0, 4.0))
"""The patient lies differently, ..."""
ABOVE = moved(2.0, -1.0, 2.0, (-2.0, 1.0, 3.0))
"""... and the segment is bent differently."""


@pytest.fixture(scope="module")
def baseline() -> ExamAnatomy:
    return examined(BONES, (SPACER,), scanner=FINE)


def follow_up(own: RigidTransform, *, below=BELOW, above=ABOVE, spacer=SPACER, scanner=FINE) -> ExamAnatomy:
    """A later exam in which the spacer has moved by ``own`` in the axes of the vertebra below."""
    bones = moved_bones(BONES, above, below)
    return examined(bones, (spacer.moved(below @ own),), scanner=replace(scanner, seed=scanner.seed + 1))


def measure(baseline: ExamAnatomy, current: ExamAnatomy) -> SpacerMotion:
    return measure_spacer(baseline, current, baseline.hardware.spacers[0], current.hardware.spacers[0], 0)


def values(estimates) -> list[float]:
    return [each.value for each in estimates]


@pytest.fixture(scope="module")
def moved_back(baseline) -> tuple[ExamAnatomy, SpacerMotion]:
    """The spacer has moved 7 mm towards the canal and through the posterior wall."""
    current = follow_up(moved(7.0))
    return current, measure(baseline, current)


@pytest.mark.parametrize("translation", [(0.0, 0.0, 0.0), (0.0, -1.0, -2.5)], ids=["not at all", "down and right"])
def test_the_motion_is_measured_in_the_axes_of_the_vertebra_below(baseline, translation):
    motion = measure(baseline, follow_up(moved(*translation)))
    np.testing.assert_allclose(values(motion.translation_mm), translation, atol=TOLERANCE_MM)
    assert motion.magnitude_mm.value == pytest.approx(np.linalg.norm(translation), abs=TOLERANCE_MM)
    assert motion.rotation_deg.value < 1.0
    for measured, true in zip(motion.translation_mm, translation, strict=True):
        assert abs(measured.value - true) <= measured.uncertainty_95


def test_posterior_cranial_and_left_are_positive(baseline):
    motion = measure(baseline, follow_up(moved(posterior=1.2, cranial=0.8, left=1.6)))
    np.testing.assert_allclose(values(motion.translation_mm), (1.2, 0.8, 1.6), atol=TOLERANCE_MM)


@pytest.mark.parametrize("tilt_deg", [10.0, -20.0])
def test_a_tilted_gantry_measures_the_same(baseline, tilt_deg):
    """The follow-up is scanned with a tilt and squared; the baseline without."""
    bones, lying = moved_bones(BONES, ABOVE, BELOW), BELOW @ moved(1.2, -0.8, 0.6)
    first = (FINE.first_mm[0], FINE.first_mm[1] - 4.0, FINE.first_mm[2] - (8.0 if tilt_deg > 0 else 14.0))
    leaning = replace(FINE, tilt_deg=tilt_deg, seed=3, first_mm=first, last_mm=(20.0, 24.0, 46.0))
    tilted = leaning.scan(bones, (SPACER.moved(lying),))
    volume = without_tilt(tilted)
    spine = located(volume, bones)
    current = ExamAnatomy(volume, spine, segment_hardware(volume, spine))
    motion = measure(baseline, current)
    assert volume.note is not None
    np.testing.assert_allclose(values(motion.translation_mm), (1.2, -0.8, 0.6), atol=TOLERANCE_MM)
    assert motion.rotation_deg.value < 1.0


def test_a_turn_of_the_spacer_is_told_from_a_displacement_of_its_centre(baseline):
    turn = moved(turn_deg=(0.0, 0.0, 6.0), about=SPACER.pose.translation_mm)
    motion = measure(baseline, follow_up(turn))
    assert motion.rotation_deg.value == pytest.approx(6.0, abs=0.6)
    assert motion.magnitude_mm.value < TOLERANCE_MM


def test_motion_against_the_vertebra_above_is_told_beside_it(baseline):
    """The spacer rests on the bone below while the bone above comes down by 1.5 mm."""
    closing = BELOW @ moved(0.0, -1.5, 0.0)
    motion = measure(baseline, follow_up(moved(), above=closing))
    np.testing.assert_allclose(values(motion.translation_mm), (0.0, 0.0, 0.0), atol=TOLERANCE_MM)
    np.testing.assert_allclose(values(motion.translation_above_mm), (0.0, 1.5, 0.0), atol=TOLERANCE_MM)
    assert motion.subsidence_mm.value == pytest.approx(1.5, abs=TOLERANCE_MM)


def test_sinking_into_the_vertebra_below_is_subsidence(baseline):
    motion = measure(baseline, follow_up(moved(0.0, -2.0), above=BELOW))
    assert motion.subsidence_mm.value == pytest.approx(2.0, abs=TOLERANCE_MM)


def test_a_segment_that_opens_is_no_subsidence(baseline):
    """The bone above rises by 2 mm and the spacer by 1: it has come nearer to neither."""
    motion = measure(baseline, follow_up(moved(0.0, 1.0), above=BELOW @ moved(0.0, 2.0)))
    assert motion.subsidence_mm.value == 0.0
    assert motion.subsidence_mm.uncertainty_95 > 0.0


def test_the_posterior_margin_shrinks_as_the_spacer_moves_back_and_is_negative_behind_the_wall(baseline, moved_back):
    current, motion = moved_back
    before = posterior_margin(baseline, baseline.hardware.spacers[0])
    after = posterior_margin(current, current.hardware.spacers[0])
    assert before.value == pytest.approx(5.0, abs=0.8)
    assert after.value == pytest.approx(before.value - 7.0, abs=0.8)
    assert after.value < 0 < before.value
    assert motion.posterior_margin_mm.value == pytest.approx(after.value, abs=0.2)
    assert motion.baseline_posterior_margin_mm.value == pytest.approx(before.value, abs=0.2)
    np.testing.assert_allclose(values(motion.translation_mm), (7.0, 0.0, 0.0), atol=TOLERANCE_MM)


def test_coarser_voxels_are_said_to_be_less_certain(moved_back):
    coarse = replace(FINE, spacing_mm=(0.8, 0.8, 2.5))
    thick = measure(examined(BONES, (SPACER,), scanner=coarse), follow_up(moved(7.0), scanner=coarse))
    _, thin = moved_back
    assert thick.magnitude_mm.uncertainty_95 > 1.5 * thin.magnitude_mm.uncertainty_95
    assert thick.translation_mm[0].value == pytest.approx(7.0, abs=thick.translation_mm[0].uncertainty_95)


def test_a_vertebra_out_of_view_is_said(baseline):
    current = follow_up(moved())
    spacers = baseline.hardware.spacers[0], current.hardware.spacers[0]
    with pytest.raises(AnalysisFailed, match="below the spacer is not in view"):
        measure_spacer(baseline, current, *spacers, shift=1)
    with pytest.raises(AnalysisFailed, match="above the spacer is not in view"):
        measure_spacer(baseline, current, *spacers, shift=-1)


def test_a_vertebra_that_does_not_look_alike_is_said(baseline):
    current = follow_up(moved())
    strict = MotionSettings(least_correlation=0.9999, least_streaked_correlation=0.9999)
    with pytest.raises(AnalysisFailed, match="below the spacer does not look alike"):
        measure_spacer(baseline, current, baseline.hardware.spacers[0], current.hardware.spacers[0], 0, strict)


def test_a_spacer_of_another_size_is_not_measured_as_if_it_had_moved(baseline):
    """Exchanged at a revision: the difference in size would pass for a displacement."""
    current = follow_up(moved(), spacer=metal_at(0.0, -10.0, DISC_MM / 2, (6.0, 5.0, 3.5)))
    with pytest.raises(AnalysisFailed, match="the spacer does not look alike"):
        measure(baseline, current)


def test_metal_and_its_shadow_are_no_bone(baseline):
    settings = MotionSettings()
    points, above = (bone_points(baseline, index, settings) for index in (1, 0))
    metal = baseline.volume.zyx_to_lps(np.argwhere(baseline.hardware.metal))
    nearest = min(np.linalg.norm(metal - point, axis=1).min() for point in points[::7])
    assert nearest > settings.metal_shadow_mm
    own = Bone.distance(BONES[1].own(points))
    assert own.max() < settings.bone_margin_mm + 1.2, "no farther than the margin and a voxel"
    assert above[:, 2].min() > points[:, 2].max(), "neither takes the other's"


@pytest.mark.parametrize("spacing_mm", [0.35, 1.0])
def test_the_shadow_is_as_wide_in_fine_voxels(spacing_mm):
    """Metal just outside a bone's label casts its shadow whatever the voxels' size."""
    seen = Scanner((spacing_mm,) * 3, first_mm=(-3.0, -14.0, -4.0), last_mm=(3.0, -8.0, 8.0), noise_hu=0.0)
    nearby = metal_at(0.0, -11.0, 4.5, (2.0, 2.0, 1.5))
    exam = examined((BONES[1],), (nearby,), scanner=seen)
    points = bone_points(exam, 0, MotionSettings(metal_shadow_mm=5.0))
    metal = exam.volume.zyx_to_lps(np.argwhere(exam.hardware.metal))
    over = points[(np.abs(points[:, 0]) < 1.0) & (np.abs(points[:, 1] + 11.0) < 1.0)]
    assert over[:, 2].max() < metal[:, 2].min() - 5.0


def test_bone_that_was_not_outlined_is_refused(baseline):
    blank = replace(baseline, spine=replace(baseline.spine, labels=np.zeros_like(baseline.spine.labels)))
    with pytest.raises(AnalysisFailed, match="could not be outlined"):
        register_bone(blank, baseline, 0, 0)


def test_bone_that_streaks_make_unlike_is_believed_where_it_is_found_again_from_all_sides(baseline, moved_back):
    current, _ = moved_back
    plain = register_bone(baseline, current, 1, 1)
    alike = plain.correlation
    unlike = MotionSettings(least_correlation=alike + 1e-3, least_streaked_correlation=alike - 0.1)
    believed = believed_bone(baseline, current, 1, 0, "below the spacer", unlike)
    assert believed.correlation == pytest.approx(alike)
    assert np.trace(believed.covariance) > 2.0 * np.trace(plain.covariance), "it is less certain"
    for settings in (
        replace(unlike, least_streaked_correlation=alike + 1e-3),
        replace(unlike, same_place_mm=0.0),
    ):
        with pytest.raises(AnalysisFailed, match="does not look alike"):
            believed_bone(baseline, current, 1, 0, "below the spacer", settings)


class TestAssignment:
    """Which vertebra is which, told by their looks."""

    SEEDS = (11, 12, 13, 14)
    COARSE = Scanner((1.4, 1.4, 1.4), first_mm=(-18.0, -28.0, -22.0), last_mm=(18.0, 16.0, 52.0))

    def exam(self, seeds: tuple[int, ...], seed: int = 0, **changes) -> ExamAnatomy:
        bones = stacked(len(seeds), seeds)
        return examined(bones, scanner=replace(self.COARSE, seed=seed), **changes)

    def test_the_same_vertebrae_are_themselves(self):
        assert assign_vertebrae(self.exam(self.SEEDS[:3]), self.exam(self.SEEDS[:3], seed=1)) == 0

    def test_an_exam_that_begins_one_higher_is_shifted_by_one(self):
        higher, lower = self.exam(self.SEEDS[:3]), self.exam(self.SEEDS[1:], seed=1)
        assert assign_vertebrae(higher, lower) == -1
        assert assign_vertebrae(lower, higher) == 1

    def test_names_do_not_count(self):
        one = self.exam(self.SEEDS[:2])
        names = replace(one.spine.numbering.labellings[0], names=("T1", "T2"))
        other = self.exam(self.SEEDS[:2], seed=1, numbering=replace(one.spine.numbering, labellings=(names,)))
        assert assign_vertebrae(one, other) == 0

    def test_a_sacrum_is_not_taken_for_another_vertebra(self):
        assert assign_vertebrae(self.exam(self.SEEDS[:3], sacrum=True), self.exam(self.SEEDS[:3], sacrum=True)) == 0

    def test_where_the_middle_ones_are_all_alike_the_ends_tell(self):
        higher = replace(self.COARSE, last_mm=(18.0, 16.0, 72.0))
        one, other = (examined(stacked(5, (7, 7, 7, 7, 12)), scanner=replace(higher, seed=seed)) for seed in (0, 1))
        assert assign_vertebrae(one, other) == 0

    def test_vertebrae_that_are_all_alike_cannot_be_told_apart(self):
        same = (7, 7, 7)
        with pytest.raises(AnalysisFailed, match="cannot be told which"):
            assign_vertebrae(self.exam(same), self.exam(same, seed=1))

    def test_a_spine_that_looks_like_nothing_in_the_other_is_refused(self):
        other = self.exam(self.SEEDS[:2], seed=1)
        noise = np.random.default_rng(3).normal(40.0, 300.0, other.volume.shape)
        wrong = replace(other, volume=replace(other.volume, voxels=noise.astype(np.int16)))
        with pytest.raises(AnalysisFailed, match="no vertebra"):
            assign_vertebrae(self.exam(self.SEEDS[:2]), wrong)

    def test_an_exam_without_vertebrae_is_refused(self):
        some = self.exam(self.SEEDS[:2])
        none = replace(some, spine=replace(some.spine, vertebrae=()))
        for pair in ((some, none), (none, some), (none, none)):
            with pytest.raises(AnalysisFailed, match="no vertebra"):
                assign_vertebrae(*pair)
