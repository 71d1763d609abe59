"""Ribs told from transverse processes and iliac wings; what the field cuts off is unknown, not absent."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.imaging.ribs import bone_of_bodies_hu, find_ribs
from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

from .spine_worlds import Grid, body_at, leaning, over, rib_course, transverse_process, tube, vertebral

WIDE = Grid((-92.0, -40.0, -56.0), (92.0, 76.0, 32.0), (2.0, 2.0, 2.0))
BODY = body_at((0.0, 0.0, 0.0))
SIDES = (1.0, -1.0)
SOLID, FATTY = None, -20.0


def ribs_of(body: Body, sides=SIDES, *, hollow_hu: float | None = SOLID, radius_mm: float = 4.0, **course: float):
    return [tube(rib_course(body, side, **course), radius_mm, hollow_hu) for side in sides]


def processes_of(body: Body, sides=SIDES, reach_mm: float = 36.0):
    return [tube(transverse_process(body, side, reach_mm), 4.0) for side in sides]


def looked_at(ct: Volume, body: Body = BODY):
    (found,) = find_ribs(ct, ct, [body], bone_hu=bone_of_bodies_hu(ct, [body]))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("hollow_hu", [SOLID, FATTY], ids=["solid", "a shell around fatty marrow"])
def test_a_rib_on_both_sides_is_found_however_the_vertebra_stands(seed, hollow_hu):
    rng = np.random.default_rng(seed)
    body = body_at(rng.uniform(-4.0, 4.0, 3), leaning(*rng.uniform(-10.0, 10.0, 3)))
    paints = [vertebral(body), *processes_of(body, reach_mm=28.0)]
    paints += ribs_of(body, hollow_hu=hollow_hu, length_mm=float(rng.uniform(65.0, 90.0)))
    found = looked_at(WIDE.draw(*paints, noise_hu=25.0, seed=seed), body)
    assert found.probability > 0.9
    assert min(found.left.reach_mm, found.right.reach_mm) > 60.0


@pytest.mark.parametrize("seed", range(3))
def test_a_transverse_process_is_no_rib(seed):
    rng = np.random.default_rng(seed)
    body = body_at(rng.uniform(-4.0, 4.0, 3), leaning(*rng.uniform(-10.0, 10.0, 3)))
    ct = WIDE.draw(vertebral(body), *processes_of(body, reach_mm=40.0), noise_hu=25.0, seed=seed)
    found = looked_at(ct, body)
    assert found.probability < 0.1
    assert max(found.left.reach_mm, found.right.reach_mm) < 57.0


def test_an_osteopenic_rib_is_a_rib():
    thin = [tube(rib_course(BODY, side), 3.5, FATTY, cortex_hu=450.0) for side in SIDES]
    ct = WIDE.draw(vertebral(BODY, marrow_hu=80.0, cortex_hu=300.0), *thin, noise_hu=20.0)
    assert looked_at(ct).probability > 0.9


def test_the_rib_of_the_vertebra_above_is_not_taken_for_ones_own():
    """It comes down past the transverse process of the vertebra below."""
    above = body_at((0.0, 0.0, 34.0))
    ct = WIDE.draw(vertebral(BODY), vertebral(above), *processes_of(BODY), *ribs_of(above))
    assert looked_at(ct).probability < 0.1


def test_an_iliac_wing_is_no_rib():
    wing = [
        tube(np.array([[side * x, 30.0, z] for x in (55.0, 85.0)]), 6.0) for side in SIDES for z in range(-50, 10, 6)
    ]
    ct = WIDE.draw(vertebral(BODY), *processes_of(BODY), *wing)
    assert looked_at(ct).probability < 0.1


@pytest.mark.parametrize("kidney_hu", [160.0, 240.0])
def test_a_kidney_full_of_contrast_beside_a_transverse_process_is_no_rib(kidney_hu):
    def kidneys(hu, points):
        for side in SIDES:
            offset = (points - [side * 66.0, 16.0, -14.0]) / [26.0, 24.0, 46.0]
            over(hu, (np.linalg.norm(offset, axis=-1) - 1.0) * 25.0, kidney_hu, 2.0)

    ct = WIDE.draw(kidneys, vertebral(BODY), *processes_of(BODY), noise_hu=20.0)
    assert looked_at(ct).probability < 0.3


def test_a_rib_on_one_side_alone_leaves_the_question_open():
    ct = WIDE.draw(vertebral(BODY), *processes_of(BODY), *ribs_of(BODY, sides=(1.0,)))
    found = looked_at(ct)
    assert found.left.probability > 0.9
    assert found.right.probability < 0.1
    assert 0.2 < found.probability < 0.8


def cut(ct: Volume, *, aside_mm: float = np.inf, top_mm: float = np.inf) -> Volume:
    """What a smaller field shows of it."""
    (x0, _, z0), spacing = ct.lps_from_index[:3, 3], ct.spacing_mm
    margin = max(round((-aside_mm - x0) / spacing[0]), 0) if np.isfinite(aside_mm) else 0
    stop = min(round((top_mm - z0) / spacing[2]), ct.shape[0]) if np.isfinite(top_mm) else ct.shape[0]
    return ct.crop((0, 0, margin), (stop, ct.shape[1], ct.shape[2] - margin))


def test_a_rib_that_the_field_cuts_off_is_unknown():
    ct = WIDE.draw(vertebral(BODY), *ribs_of(BODY))
    assert looked_at(cut(ct, aside_mm=38.0)).probability is None


def test_a_process_that_ends_in_a_small_field_is_no_rib_all_the_same():
    ct = WIDE.draw(vertebral(BODY), *processes_of(BODY, reach_mm=30.0))
    assert looked_at(cut(ct, aside_mm=62.0)).probability < 0.1


@pytest.mark.parametrize("top_mm", [2.0, -4.0])
def test_ribs_that_come_down_from_a_vertebra_cut_by_the_border_are_its_own(top_mm):
    ct = cut(WIDE.draw(vertebral(BODY), *ribs_of(BODY, length_mm=90.0)), top_mm=top_mm)
    (found,) = find_ribs(ct, ct, [BODY], bone_hu=180.0)
    assert not found.left.is_root_seen
    assert found.probability > 0.9


def test_ribs_that_come_down_from_higher_up_say_nothing_of_a_vertebra_cut_by_the_border():
    higher = body_at((0.0, 0.0, 34.0))
    ct = cut(WIDE.draw(vertebral(BODY), *ribs_of(higher, length_mm=110.0, drop=0.6)), top_mm=4.0)
    (found,) = find_ribs(ct, ct, [BODY], bone_hu=180.0)
    assert found.probability is None


def test_a_vertebra_out_of_view_has_unknown_ribs():
    ct = WIDE.draw(vertebral(BODY))
    (found,) = find_ribs(ct, ct, [body_at((0.0, 0.0, 70.0))], bone_hu=180.0)
    assert found.probability is None


def test_nobody_looks_for_ribs_below_the_first_vertebra_without():
    """Rods and iliac wings beside the lower ones are not mistaken for ribs."""
    below = body_at((0.0, 0.0, -34.0))
    ct = WIDE.draw(vertebral(BODY), vertebral(below), *ribs_of(below))
    assert len(find_ribs(ct, ct, [BODY, below], bone_hu=180.0)) == 1


def test_no_bodies_have_no_ribs():
    ct = WIDE.draw()
    assert find_ribs(ct, ct, [], bone_hu=180.0) == ()
