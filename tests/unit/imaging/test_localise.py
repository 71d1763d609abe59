"""What the localiser still looks for at the border of an exam."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.errors import AnalysisFailed
from plumbline.imaging.body_growth import BodyGrowth, gap_mm, is_before_canal
from plumbline.imaging.canal import CanalLine
from plumbline.imaging.localise import _first_lumbar, _is_shallow, _of_usual_depth, _refuse_slender, _without_gap
from plumbline.imaging.localiser_settings import LocaliserSettings
from plumbline.imaging.metal_blocks import MetalBlocks
from plumbline.imaging.metal_pieces import MetalPieces
from plumbline.imaging.sacral_bone import Bone, lateral_bone_share, sacral_probabilities
from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

from .spine_worlds import body_at, leaning


def growth(lowest_slice_mm: float, blocks: MetalBlocks | None = None) -> BodyGrowth:
    """In an exam of 1 mm voxels that begins at that height, where each body is fitted as it is looked for."""
    affine = np.eye(4)
    affine[:3, 3] = [-40.0, -40.0, lowest_slice_mm]
    volume = Volume(np.zeros((80, 80, 80), dtype=np.int16), affine)
    settings, canal = LocaliserSettings(), CanalLine(np.array([[0.0, 25.0, z] for z in np.arange(-60.0, 60.0)]))
    return BodyGrowth(volume, Bone(volume), lambda body, has_floor: body, settings, blocks or MetalBlocks(), canal)


def sacral() -> Body:
    """Leans forward by 40 degrees, so that its front reaches lower than its posterior wall."""
    return body_at((0.0, 0.0, 0.0), leaning(-40.0))


def test_a_sacral_body_whose_front_is_cut_is_in_view():
    assert growth(-5.0)._is_in_view(sacral(), lowest=0.0)
    assert not growth(-5.0)._is_in_view(sacral(), lowest=-1.0), "it is not whole"


def test_a_body_whose_wall_is_cut_above_its_middle_is_not():
    assert not growth(14.0)._is_in_view(sacral(), lowest=0.0)


@pytest.mark.parametrize(
    ("sacral", "lowest_lumbar"),
    [
        ((0.99, 0.02, 0.0, 0.0), 1),
        ((0.99, 0.55, 0.0, 0.0), 1),
        ((0.99, 0.97, 0.02, 0.0), 2),
        ((0.20, 0.02, 0.0, 0.0), 0),
        ((0.99, 0.99), 1),
    ],
    ids=[
        "plain",
        "alae reach up to L5",
        "S2 has a disc above it",
        "no sacrum in view",
        "one is left for the lumbar spine",
    ],
)
def test_the_sacrum_begins_where_all_bodies_together_say(sacral, lowest_lumbar):
    assert _first_lumbar(np.array(sacral)) == lowest_lumbar


SETTINGS = LocaliserSettings()


def bone_beside(*, hides: tuple[int, ...] = (), half_width: int = 60, from_mm: float = 24.0) -> Bone:
    """Bone on both sides of the origin as an ala would be; metal hides the sides named, -1 right and 1 left."""
    x = np.arange(-half_width, half_width + 1, 2.0)
    y, z = np.arange(-60.0, 61.0, 2.0), np.arange(-40.0, 41.0, 2.0)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = x[0], y[0], z[0]
    across = np.broadcast_to(x, (len(z), len(y), len(x)))
    is_hidden = np.isin(np.sign(across), hides) & (np.abs(across) > 20.0)
    density = np.where((np.abs(across) > from_mm) & ~is_hidden, 250.0, 40.0).astype(np.float32)
    return Bone(Volume(density, affine), Volume(is_hidden.astype(np.float32), affine))


def test_bone_on_both_sides_of_a_body_is_an_ala():
    assert lateral_bone_share(bone_beside(), body_at((0.0, 0.0, 0.0), leaning(0.0)), SETTINGS) == pytest.approx(2.0)


def test_a_kidney_full_of_contrast_beside_the_psoas_is_no_ala():
    body = body_at((0.0, 0.0, 0.0), leaning(0.0))
    assert lateral_bone_share(bone_beside(from_mm=40.0), body, SETTINGS) == 0.0


def test_what_metal_hides_is_not_taken_for_soft_tissue():
    body = body_at((0.0, 0.0, 0.0), leaning(0.0))
    assert lateral_bone_share(bone_beside(hides=(1,)), body, SETTINGS) == pytest.approx(2.0)
    assert lateral_bone_share(bone_beside(hides=(-1, 1)), body, SETTINGS) is None


def test_what_a_narrow_field_of_view_leaves_out_is_not_taken_for_anything():
    assert lateral_bone_share(bone_beside(half_width=28), body_at((0.0, 0.0, 0.0), leaning(0.0)), SETTINGS) is None


@pytest.mark.parametrize(
    ("above", "is_likelier"),
    [(0.35, True), (0.02, False), (None, None)],
    ids=["some bone beside the body above, as beside L5", "none, as beside L4", "metal hides what is there"],
)
def test_the_body_above_says_whether_the_lowest_is_a_sacral_one(monkeypatch, above, is_likelier):
    bodies = [body_at((0.0, 0.0, height), leaning(0.0)) for height in (0.0, 40.0, 80.0)]
    shares = dict(zip((0.0, 40.0, 80.0), (0.66, above, 0.0), strict=True))
    told = "plumbline.imaging.sacral_bone.lateral_bone_share"
    monkeypatch.setattr(told, lambda bone, body, settings: shares[body.centre_lps_mm[2]])
    bone = Bone(Volume(np.zeros((2, 2, 2), dtype=np.int16), np.eye(4)))
    alone = sacral_probabilities(bone, bodies[:1], SETTINGS)[0]
    together = sacral_probabilities(bone, bodies, SETTINGS)
    assert together[0] == pytest.approx(alone) if is_likelier is None else (together[0] > alone) == is_likelier
    assert np.all(together[1:] <= 0.5)


def below(body: Body, gap: float) -> Body:
    return body_at((0.0, 0.0, -body.height_mm - gap), leaning(0.0))


def block(middle_mm: float, height_mm: float) -> MetalBlocks:
    """A spacer 24 mm deep and 20 mm wide, so high and at that height."""
    sides = [np.linspace(-10, 10, 8), np.linspace(-12, 12, 8), middle_mm + np.linspace(-0.5, 0.5, 8) * height_mm]
    return MetalBlocks((np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 3),))


def test_a_neighbour_that_leaves_no_room_for_a_disc_is_the_less_likely_one():
    body, gaps = body_at((0.0, 0.0, 0.0), leaning(0.0)), (-2.0, 8.0, 19.0)
    np.testing.assert_allclose([gap_mm(body, below(body, gap), -1.0) for gap in gaps], gaps, atol=1e-9)
    touching, usual, far = (growth(-40.0).odd_gap(body, below(body, gap), up=False) for gap in gaps)
    assert usual == 0.0 < min(touching, far)


def test_a_disc_space_is_about_as_high_as_the_spacer_in_it():
    body = body_at((0.0, 0.0, 0.0), leaning(0.0))
    neighbour = below(body, 14.0)
    low, high = (block(-body.height_mm / 2 - height / 2, height) for height in (6.0, 12.0))
    assert growth(-40.0, high).odd_gap(body, neighbour, up=False) == 0.0
    assert growth(-40.0, low).odd_gap(body, neighbour, up=False) > 0.0
    assert growth(-40.0, low).odd_gap(neighbour, body, up=True) > 0.0, "from below the same"


def test_no_vertebra_swallows_a_spacer():
    body = body_at((0.0, 0.0, 0.0), leaning(0.0))
    inside, beneath = block(0.0, 10.0), block(-body.height_mm / 2 - 5.0, 10.0)
    assert growth(-40.0, inside).worth(body) < growth(-40.0, beneath).worth(body) == growth(-40.0).worth(body)


def test_beyond_a_spacer_the_next_body_is_looked_for_at_its_far_side():
    body = body_at((0.0, 0.0, 0.0), leaning(0.0))
    beneath = block(-body.height_mm / 2 - 6.0, 10.0)
    assert beneath.far_side_mm(body, up=False) == pytest.approx(11.0, abs=0.8)
    assert beneath.far_side_mm(body, up=True) is None
    assert block(-body.height_mm / 2 - 40.0, 10.0).far_side_mm(body, up=False) is None, "that is another disc's"


def test_a_body_whose_front_was_taken_too_near_is_looked_for_again_from_its_wall():
    shallow = body_at((0.0, 0.0, 0.0), depth_mm=20.0, edges=1.0)
    settings = LocaliserSettings()
    assert _is_shallow(shallow, settings)
    again = _of_usual_depth(shallow, settings)
    assert again.depth_mm == settings.body.depth_mm
    assert again.frame.origin_lps_mm[1] == pytest.approx(shallow.frame.origin_lps_mm[1]), "the wall stays"
    assert not _is_shallow(again, settings)


def test_a_block_says_where_the_endplates_on_it_are():
    body = body_at((0.0, 0.0, 0.0))
    half = body.height_mm / 2
    above, below = block(half + 4.0, 10.0).faces_mm(body)
    assert above == pytest.approx(half, abs=1.0), "it has sunk in by 1 mm"
    assert below is None
    assert block(0.0, 10.0).faces_mm(body) == (None, None), "a block within the body lies on no endplate"


def test_a_body_may_reach_into_a_block_only_as_far_as_it_can_sink():
    body = body_at((0.0, 0.0, 0.0))
    touching, deep = block(body.height_mm / 2 + 4.0, 10.0), block(body.height_mm / 2 - 2.0, 10.0)
    alone = growth(-20.0).worth(body)
    assert growth(-20.0, touching).worth(body) == pytest.approx(alone)
    assert growth(-20.0, deep).worth(body) < alone - 0.1


def test_a_block_in_the_row_of_bodies_is_a_disc_and_one_beside_it_is_none():
    row = np.stack([np.zeros(80), np.zeros(80), np.arange(-40.0, 40.0)], axis=1)
    (place,) = block(12.0, 10.0).places_along(row)
    assert row[place, 2] == pytest.approx(12.0, abs=1.0)
    assert block(12.0, 40.0).places_along(row) == [], "higher than a disc"
    assert block(12.0, 10.0).places_along(row + np.array([25.0, 0.0, 0.0])) == []


def test_a_piece_of_metal_smaller_than_a_spacer_is_no_block():
    metal = np.zeros((40, 40, 40), dtype=bool)
    metal[5:15, 5:15, 5:15] = True
    metal[30:33, 30:33, 30:33] = True
    canal = np.stack([np.full(40, 10.0), np.full(40, 25.0), np.arange(40.0)], axis=1)
    (found,) = MetalBlocks.of(MetalPieces(Volume(np.zeros(metal.shape), np.eye(4)), metal), canal).pieces
    np.testing.assert_allclose(found.mean(axis=0), 9.5, atol=0.6)


def test_a_body_stands_before_the_canal_where_there_is_one_at_its_height():
    canal = CanalLine(np.array([[0.0, 25.0, z] for z in np.arange(-60.0, 30.0)]))
    assert is_before_canal(body_at((0.0, 0.0, 0.0)), canal)
    assert not is_before_canal(body_at((0.0, 18.0, 0.0)), canal), "the canal would run through it"
    assert not is_before_canal(body_at((0.0, -30.0, 0.0)), canal), "an arch would be as deep as the body"
    assert not is_before_canal(body_at((20.0, 0.0, 0.0)), canal), "the canal passes beside it"
    assert is_before_canal(body_at((0.0, 18.0, 40.0)), canal), "the canal was not followed so far"


def test_upwards_a_neighbour_stands_before_the_canal():
    grow, lower = growth(-200.0), body_at((0.0, 0.0, 0.0))
    upper, behind = (body_at((0.0, back, 34.0), edges=1.0) for back in (0.0, 15.0))
    assert grow._is_neighbour(lower, upper, 1.0)
    assert not grow._is_neighbour(lower, behind, 1.0)


@pytest.mark.parametrize(
    ("heights", "kept"),
    [((0, 34, 70, 105, 139), 5), ((0, 34, 70, 105, 174), 4), ((0, 50, 85, 120, 155), 5), ((0, 36, 106), 3)],
    ids=["even", "one passed over", "the first is sacral", "one step alone tells nothing"],
)
def test_names_end_where_a_body_was_passed_over(heights, kept):
    bodies = [body_at((0.0, 0.0, float(z))) for z in heights]
    assert _without_gap(bodies, 1 if heights[1] == 50 else 0, SETTINGS) == kept


def test_the_shaft_of_a_long_bone_is_no_spine():
    widths = (26.6, 24.0, 24.0, 24.0)
    with pytest.raises(AnalysisFailed, match="too slender"):
        _refuse_slender([body_at((0.0, 0.0, 0.0), width_mm=width) for width in widths], SETTINGS)
    _refuse_slender([body_at((0.0, 0.0, 0.0), width_mm=width) for width in (24.0, 28.0, 30.0)], SETTINGS)
