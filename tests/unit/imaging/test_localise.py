"""What the localiser still looks for at the border of an exam."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.imaging.localise import LocaliserSettings, _first_lumbar, _Growth
from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

from .spine_worlds import body_at, leaning


def growth(lowest_slice_mm: float) -> _Growth:
    """In an exam of 1 mm voxels that begins at that height."""
    affine = np.eye(4)
    affine[:3, 3] = [-40.0, -40.0, lowest_slice_mm]
    volume = Volume(np.zeros((80, 80, 80), dtype=np.int16), affine)
    return _Growth(volume, volume, lambda body, has_floor: body, LocaliserSettings())


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
