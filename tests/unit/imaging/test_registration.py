"""One rigid piece between two volumes: what is recovered, how certain it is said to be, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.registration import BONE, METAL, RegistrationResult, register_rigid
from plumbline.imaging.volume import Volume
from tests.unit.imaging.bone_worlds import BODY_CENTRE, SPACER, Bone, Scanner, moved, moved_bones, stacked

FRAMED = Scanner(first_mm=(-20.0, -30.0, -24.0), last_mm=(20.0, 20.0, 8.0))
BONES = stacked(1)
MOTION = moved(2.0, -1.5, 2.5, (4.0, -3.0, 5.0), about=BODY_CENTRE)
ONE_PASS = replace(BONE, sigmas_mm=(0.7,))
MOVED = moved_bones(BONES, MOTION)


def scanner(**changes) -> Scanner:
    return replace(FRAMED, **changes)


@cache
def scan(bones: tuple[Bone, ...], scanner: Scanner) -> Volume:
    return scanner.scan(bones)


def edge_points(volume, bone: Bone = BONES[0], margin_mm: float = 2.0):
    points = volume.zyx_to_lps(np.argwhere(np.ones(volume.shape, dtype=bool)))
    return points[bone.distance(bone.own(points)) < margin_mm]


def register(one: Scanner, other: Scanner, start: RigidTransform | None = None) -> RegistrationResult:
    baseline, current = scan(BONES, one), scan(MOVED, other)
    return register_rigid(baseline, current, edge_points(baseline), start or RigidTransform.identity())


def noisy(volume: Volume, rng: np.random.Generator, noise_hu: float = 80.0) -> Volume:
    return Volume(volume.voxels + rng.normal(scale=noise_hu, size=volume.shape), volume.lps_from_index)


def errors(result: RegistrationResult, truth: RigidTransform = MOTION) -> tuple[float, float]:
    """Distance in mm at the middle of the piece, and angle in degrees."""
    remaining = result.current_from_baseline @ truth.inverse()
    there = truth.apply(result.centre_mm)
    return float(np.linalg.norm(remaining.apply(there) - there)), remaining.angle_deg


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {"seed": 1}, id="1 mm voxels"),
        pytest.param({"noise_hu": 40.0}, {"noise_hu": 40.0, "seed": 1}, id="noise"),
        pytest.param({}, {"gain": 1.2, "offset_hu": -30.0, "seed": 1}, id="another kernel"),
        pytest.param({}, {"spacing_mm": (0.8, 0.8, 1.25), "seed": 1}, id="another grid"),
    ],
)
def test_a_known_motion_is_recovered(one, other):
    result = register(scanner(**one), scanner(**other))
    distance_mm, angle_deg = errors(result)
    assert distance_mm < 0.1
    assert angle_deg < 0.3
    assert result.correlation > 0.9
    assert result.overlap == 1.0


def test_thick_slices_are_registered_less_well_but_well():
    thick = scanner(spacing_mm=(0.7, 0.7, 2.0))
    distance_mm, angle_deg = errors(register(thick, scanner(spacing_mm=(0.7, 0.7, 2.0), seed=1)))
    assert distance_mm < 0.25
    assert angle_deg < 0.5


def test_the_start_does_not_decide_the_answer():
    starts = [RigidTransform.identity(), moved(5.0, -3.0, 0.0, (0.0, 4.0, 0.0), about=BODY_CENTRE)]
    found = [register(scanner(), scanner(seed=1), start).current_from_baseline for start in starts]
    difference = found[0] @ found[1].inverse()
    assert np.linalg.norm(difference.apply(BODY_CENTRE) - BODY_CENTRE) < 0.03
    assert difference.angle_deg < 0.1


def test_a_bone_that_did_not_move_is_found_where_it_was():
    baseline, current = scan(BONES, scanner()), scan(BONES, scanner(seed=1))
    result = register_rigid(baseline, current, edge_points(baseline), moved(2.0, 0.0, -2.0))
    distance_mm, angle_deg = errors(result, RigidTransform.identity())
    assert distance_mm < 0.03
    assert angle_deg < 0.1


def test_covariance_grows_with_noise():
    calm, noisy = (register(scanner(noise_hu=hu), scanner(noise_hu=hu, seed=1), MOTION) for hu in (10.0, 40.0))
    assert np.all(np.diag(noisy.covariance) > 1.5 * np.diag(calm.covariance))


def test_what_noise_does_is_of_the_size_that_the_covariance_says():
    """Over repeated noise, errors in units of their own standard error: about 1, not 5 and not 0.2."""
    clean, moved_clean = (scan(bones, scanner(noise_hu=0.0)) for bones in (BONES, MOVED))
    points, rng, ratios = edge_points(clean), np.random.default_rng(5), []
    for _ in range(5):
        pair = (noisy(each, rng) for each in (clean, moved_clean))
        result = register_rigid(*pair, points, MOTION, ONE_PASS)
        there = MOTION.apply(result.centre_mm)
        error = result.current_from_baseline.apply(result.centre_mm) - there
        ratios.append(error / np.sqrt(np.diag(result.point_covariance(result.centre_mm))))
    assert 0.3 < float(np.sqrt(np.mean(np.square(ratios)))) < 2.0


def test_a_point_far_from_the_piece_is_less_certain_than_its_middle():
    result = register(scanner(noise_hu=30.0), scanner(noise_hu=30.0, seed=1))
    near = np.trace(result.point_covariance(result.centre_mm))
    far = np.trace(result.point_covariance(result.centre_mm + np.array([0.0, 0.0, 100.0])))
    assert far > 4 * near
    np.testing.assert_allclose(result.point_covariance(result.centre_mm), result.covariance[3:, 3:])


@pytest.mark.parametrize(("spacing_mm", "within_mm"), [((0.5, 0.5, 0.5), 0.05), ((0.6, 0.6, 1.0), 0.16)])
def test_metal_is_registered_on_its_own_edges_whatever_the_bone_around_it_does(spacing_mm, within_mm):
    slide = moved(3.0, 0.5, -1.0, (0.0, 0.0, 6.0), about=SPACER.pose.translation_mm)
    seen = Scanner(spacing_mm, first_mm=(-14.0, -22.0, -4.0), last_mm=(14.0, 4.0, 12.0))
    baseline = seen.scan(BONES, (SPACER,))
    current = replace(seen, seed=1).scan(MOVED, (SPACER.moved(slide),))
    around = baseline.zyx_to_lps(np.indices(baseline.shape).reshape(3, -1).T)
    points = around[np.all(np.abs(around - SPACER.pose.translation_mm) < np.array(SPACER.half_mm) + 2.0, axis=1)]
    distance_mm, angle_deg = errors(register_rigid(baseline, current, points, moved(2.0), METAL), slide)
    assert distance_mm < within_mm
    assert angle_deg < 0.5


def test_the_same_call_gives_the_same_answer():
    pair = scan(BONES, scanner()), scan(MOVED, scanner(seed=1))
    points = edge_points(pair[0])
    first, second = (register_rigid(*pair, points, MOTION, ONE_PASS) for _ in range(2))
    np.testing.assert_array_equal(first.current_from_baseline.rotation, second.current_from_baseline.rotation)
    np.testing.assert_array_equal(first.covariance, second.covariance)


def test_too_few_points_are_refused():
    volume = scan(BONES, scanner())
    with pytest.raises(AnalysisFailed, match="only 49 points"):
        register_rigid(volume, volume, edge_points(volume)[:49], RigidTransform.identity())


@pytest.mark.parametrize("away", [(500.0, 0.0, 0.0), (0.0, 0.0, 24.0), (0.0, -40.0, 0.0)])
def test_a_piece_outside_the_other_exam_is_refused(away):
    volume = scan(BONES, scanner())
    start = RigidTransform(np.eye(3), np.array(away))
    with pytest.raises(AnalysisFailed, match="lie inside the other exam"):
        register_rigid(volume, volume, edge_points(volume), start)


def test_nothing_to_align_is_refused():
    baseline = scan(BONES, scanner())
    empty = scanner(noise_hu=0.0).scan(())
    with pytest.raises(AnalysisFailed, match="no edges"):
        register_rigid(baseline, empty, edge_points(baseline), RigidTransform.identity())


def test_another_bone_is_not_mistaken_for_the_same():
    """The inside only: whatever pose is tried, other trabeculae do not fit."""
    other = (Bone(BONES[0].pose, seed=99),)
    volumes = scan(BONES, scanner()), scan(other, scanner(seed=1))
    inside = edge_points(volumes[0], margin_mm=-3.0)
    with pytest.raises(AnalysisFailed, match="lie inside"):
        register_rigid(*volumes, inside, RigidTransform.identity())
    held = register_rigid(*volumes, inside, RigidTransform.identity(), replace(ONE_PASS, iterations=3))
    assert held.correlation < 0.6
