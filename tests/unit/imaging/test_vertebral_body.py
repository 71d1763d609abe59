"""One body fitted to its edges: bias, dark streaks, hidden endplates, starts that are off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.anatomy.transforms import RigidTransform
from plumbline.imaging.body_settings import BodySettings
from plumbline.imaging.vertebral_body import Body, fit_body
from plumbline.imaging.volume import Volume

from .spine_worlds import DEPTH_MM, Grid, body_at, leaning, over, own_mm, vertebral

GRID = Grid((-34.0, -30.0, -36.0), (34.0, 30.0, 36.0))
WALL_MM = 0.82 * DEPTH_MM / 2
"""Of the drawn body, behind its centre."""
SETTINGS = BodySettings()


def drawn(seed: int, *paints, noise_hu: float = 30.0) -> tuple[Body, Body, Volume]:
    """A body that stands anyhow, a start a few millimetres and degrees off, and the CT."""
    rng = np.random.default_rng(seed)
    body = body_at(rng.uniform(-1.0, 1.0, 3), leaning(*rng.uniform(-10.0, 10.0, 3)))
    turn = RigidTransform.about(np.zeros(3), np.radians(rng.uniform(-4.0, 4.0, 3)), np.zeros(3))
    height_mm = body.height_mm + rng.uniform(-2.0, 2.0)
    start = Body(body.centre_lps_mm + rng.uniform(-2.5, 2.5, 3), turn.turn(body.axes), height_mm, 33.0, 46.0)
    return body, start, GRID.draw(vertebral(body), *(paint(body) for paint in paints), noise_hu=noise_hu, seed=seed)


def errors_mm(fitted: Body, body: Body) -> tuple[float, float, float]:
    """(roof upwards, floor upwards, posterior wall backwards) against the truth, in the middle of the body."""
    to_centre = body.axes @ (fitted.centre_lps_mm - body.centre_lps_mm)
    grown = (fitted.height_mm - body.height_mm) / 2
    return to_centre[1] + grown, to_centre[1] - grown, to_centre[0] + fitted.depth_mm / 2 - WALL_MM


def lean_error_deg(fitted: Body, body: Body) -> float:
    return float(np.degrees(np.arccos(np.clip(fitted.axes[1] @ body.axes[1], -1.0, 1.0))))


@pytest.mark.parametrize("seed", range(4))
def test_endplates_and_wall_are_found_from_a_start_that_is_off(seed):
    body, start, ct = drawn(seed)
    fitted = fit_body(ct, start, metal=None, settings=SETTINGS)
    assert np.abs(errors_mm(fitted, body)).max() < 0.3
    assert lean_error_deg(fitted, body) < 1.0
    assert fitted.edges > 0.9


def test_the_wall_has_hardly_any_bias():
    """Its thin shell of cortex would shift it by some tenths of a millimetre if the blur were left out."""
    fits = [drawn(seed) for seed in range(10, 15)]
    walls = [errors_mm(fit_body(ct, start, metal=None, settings=SETTINGS), body)[2] for body, start, ct in fits]
    assert abs(float(np.mean(walls))) < 0.15


def dark_streak(body: Body):
    """A band 4 mm thick right through the body, as dark as between two screws."""

    def paint(hu, points):
        height_mm = own_mm(points, body)[..., 1]
        hu -= 450.0 * np.clip(0.5 - (np.abs(height_mm - 3.0) - 2.0), 0.0, 1.0)

    return paint


@pytest.mark.parametrize("seed", range(3))
def test_a_dark_streak_through_the_body_is_no_endplate(seed):
    body, start, ct = drawn(seed, dark_streak)
    fitted = fit_body(ct, start, metal=None, settings=SETTINGS)
    assert np.abs(errors_mm(fitted, body)[:2]).max() < 0.5


def with_metal_at_the_roof(ct: Volume, body: Body, right_of_mm: float, shadow_mm: float = 0.0) -> tuple[Volume, Volume]:
    """The CT with metal across the superior endplate, up to so far to the left, and the mask of it and its shadow."""
    points = ct.zyx_to_lps(np.stack(np.meshgrid(*(np.arange(n) for n in ct.shape), indexing="ij"), axis=-1))
    own = own_mm(points, body)
    away = np.abs(own[..., 1] - body.height_mm / 2)
    metal, hidden = ((away < reach_mm) & (own[..., 2] < right_of_mm) for reach_mm in (5.0, 5.0 + shadow_mm))
    affine = ct.lps_from_index
    return Volume(np.where(metal, np.float32(3000.0), ct.voxels), affine), Volume(hidden.astype(np.uint8), affine)


@pytest.mark.parametrize("seed", range(3))
def test_an_endplate_half_hidden_by_metal_is_found_by_the_other_half(seed):
    body, start, ct = drawn(seed)
    ct, metal = with_metal_at_the_roof(ct, body, right_of_mm=4.0)
    fitted = fit_body(ct, start, metal=metal, settings=SETTINGS)
    assert np.abs(errors_mm(fitted, body)).max() < 0.4
    assert lean_error_deg(fitted, body) < 1.5


@pytest.mark.parametrize("seed", range(3))
def test_a_roof_that_metal_hides_is_where_the_start_had_it_above_the_floor_that_is_seen(seed):
    body, start, ct = drawn(seed)
    ct, metal = with_metal_at_the_roof(ct, body, right_of_mm=99.0)
    fitted = fit_body(ct, start, metal=metal, settings=SETTINGS)
    roof, floor, wall = errors_mm(fitted, body)
    assert abs(floor) < 0.4
    assert abs(wall) < 0.4
    assert roof == pytest.approx(errors_mm(start, body)[0], abs=1.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_roof_that_metal_hides_is_where_the_spacer_on_it_begins(seed):
    body, start, ct = drawn(seed)
    ct, metal = with_metal_at_the_roof(ct, body, right_of_mm=99.0, shadow_mm=2.0)
    face_mm = float((body.centre_lps_mm + body.height_mm / 2 * body.axes[1] - start.centre_lps_mm) @ start.axes[1])
    fitted = fit_body(ct, start, metal=metal, settings=SETTINGS, faces_mm=(face_mm, None))
    assert abs(errors_mm(fitted, body)[0]) < 1.5, "metal hides the edge itself"


def test_where_there_is_no_bone_hardly_an_edge_is_claimed():
    ct = GRID.draw(noise_hu=10.0)
    fitted = fit_body(ct, body_at((0.0, 0.0, 0.0)), metal=None, settings=SETTINGS)
    assert fitted.edges < 0.3


def test_without_a_floor_the_height_stays_what_it_was_taken_for():
    """The lower border of the first sacral body is no endplate."""
    body, start, ct = drawn(5)
    fitted = fit_body(ct, start, metal=None, settings=SETTINGS, has_floor=False)
    assert abs(errors_mm(fitted, body)[2]) < 0.4
    assert fitted.height_mm == pytest.approx(start.height_mm)


def test_the_frame_begins_at_the_rear_upper_edge():
    body, start, ct = drawn(1, noise_hu=5.0)
    frame = fit_body(ct, start, metal=None, settings=SETTINGS).frame
    edge = body.centre_lps_mm + WALL_MM * body.axes[0] + body.height_mm / 2 * body.axes[1]
    assert np.linalg.norm((frame.origin_lps_mm - edge) @ body.axes[:2].T) < 0.5
    assert np.allclose(np.cross(frame.posterior, frame.cranial), frame.left)


def hollowed(body: Body):
    """The body with a hollow posterior wall, cupped endplates and a floor that rises to the rear; rims where it was."""

    def paint(hu, points):
        posterior, cranial, left = np.moveaxis(own_mm(points, body), -1, 0)
        half, middle = body.height_mm / 2, 1.0 - (cranial / (body.height_mm / 2)) ** 2
        cup = np.clip(1.0 - (posterior / (0.8 * WALL_MM)) ** 2 - (left / 18.0) ** 2, 0.0, 1.0)
        floor = -half + np.tan(np.radians(8.0)) * (posterior - WALL_MM)
        inside = np.hypot(posterior / (body.depth_mm / 2), left / (body.width_mm / 2)) - 1.0
        bone = np.maximum(inside * 16.0, posterior - WALL_MM + 1.4 * middle)
        bone = np.maximum(bone, np.maximum(cranial - half + 2.0 * cup, floor + 2.0 * cup - cranial))
        over(hu, np.maximum(inside * 16.0, np.abs(cranial) - half - 8.0), 75.0)
        over(hu, bone, 700.0)
        over(hu, bone + 1.0, 180.0)

    return paint


@pytest.mark.parametrize("seed", range(3))
def test_hollow_walls_and_cupped_endplates_leave_the_corner_where_their_rims_meet(seed):
    """A hollow taken for flat moves the corner forward by half a millimetre, and more where the endplates lean."""
    rng = np.random.default_rng(seed)
    body = body_at(rng.uniform(-1.0, 1.0, 3), leaning(*rng.uniform(-10.0, 10.0, 3)))
    ct = GRID.draw(hollowed(body), noise_hu=20.0, seed=seed)
    frame = fit_body(ct, replace(body, depth_mm=33.0), metal=None, settings=SETTINGS).frame
    behind, above, _ = body.axes @ (frame.origin_lps_mm - body.centre_lps_mm) - [WALL_MM, body.height_mm / 2, 0.0]
    assert abs(behind) < 0.3
    assert abs(above) < 0.7
    assert abs(np.degrees(frame.posterior @ body.axes[1])) < 1.5


def test_what_lies_beyond_the_border_is_no_edge():
    """The floor and what is above it are out of view; the last slice is no floor."""
    body, start, ct = drawn(2)
    cut = round(body.centre_lps_mm[2] - 6.0 - GRID.first_mm[2])
    low = ct.crop((cut, 0, 0), ct.shape)
    fitted = fit_body(low, start, metal=None, settings=SETTINGS, has_floor=False)
    roof, _, wall = errors_mm(fitted, replace(body, height_mm=start.height_mm))
    assert abs(roof + (start.height_mm - body.height_mm) / 2) < 0.6
    assert abs(wall) < 0.6
