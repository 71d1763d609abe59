"""The likeliest spine among bodies that contradict each other in part."""

from __future__ import annotations

from dataclasses import replace

from plumbline.imaging.body_chain import best_chain, known_as
from plumbline.imaging.vertebral_body import Body

from .spine_worlds import body_at

GOOD, POOR = 0.95, 0.7
PITCH_MM = 35.0


def column(*heights_mm: float, of_height_mm: float = 27.0) -> list[Body]:
    return [replace(body_at((0.0, 0.0, z)), height_mm=of_height_mm) for z in heights_mm]


def gap_mm(lower: Body, upper: Body) -> float:
    return float(upper.centre_lps_mm[2] - lower.centre_lps_mm[2]) - (lower.height_mm + upper.height_mm) / 2


def cost(lower: Body, upper: Body) -> float | None:
    gap = gap_mm(lower, upper)
    return None if gap < -3.0 or gap > 20.0 else 0.05 * max(2.5 - gap, gap - 15.0, 0.0)


def test_bodies_that_agree_are_one_spine_from_below_upwards():
    bodies = column(2 * PITCH_MM, 0.0, PITCH_MM)
    assert [float(each.centre_lps_mm[2]) for each in best_chain(bodies, lambda _: GOOD, cost)] == [0.0, 35.0, 70.0]


def test_two_bodies_squeezed_into_the_place_of_one_lose_against_it():
    """Grown from above by bodies drawn too low, against the one that lies between two discs."""
    true = column(0.0, PITCH_MM, 2 * PITCH_MM, 3 * PITCH_MM)
    squeezed = column(1.4 * PITCH_MM, 2.0 * PITCH_MM, of_height_mm=17.0)
    chain = best_chain([*true, *squeezed], lambda body: GOOD if body in true else POOR, cost)
    assert chain == true


def test_a_spine_does_not_reach_across_what_cannot_be_neighbours():
    upper, lower = column(6 * PITCH_MM, 7 * PITCH_MM, 8 * PITCH_MM), column(0.0, PITCH_MM)
    assert best_chain([*lower, *upper], lambda _: GOOD, cost) == upper


def test_no_bodies_are_no_spine():
    assert best_chain([], lambda _: GOOD, cost) == []


def test_a_body_is_known_by_its_place_and_its_height():
    (body,), (near,) = column(0.0), column(1.5)
    assert known_as(near, [body]) is body
    assert known_as(replace(near, height_mm=21.0), [body]) is None
    assert known_as(body, column(PITCH_MM)) is None
