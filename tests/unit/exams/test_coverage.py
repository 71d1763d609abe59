"""Where a series lies: its extent, how much fits into it, and levels known from its neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline.exams.coverage import extent_lps_mm, most_vertebrae, named_places, vertebrae_within
from plumbline.exams.recognition import recognise
from plumbline.exams.study import Instance, PatientIdentity, Series, Study

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def block(lowest: float, highest: float, *, uid: str = "1", description: str | None = None, frame: str = "F") -> Series:
    """Axial slices, 1 mm apart."""
    instances = tuple(
        Instance(
            f"{uid}.{z}",
            "1.2.840.10008.5.1.4.1.1.2",
            rows=512,
            columns=512,
            image_position_lps_mm=(0.0, 0.0, lowest + z),
            image_orientation=AXIAL,
            pixel_spacing_mm=(0.4, 0.4),
        )
        for z in range(int(highest - lowest) + 1)
    )
    return Series(uid, "CT", instances, description=description, frame_of_reference_uid=frame)


def study(*series: Series) -> Study:
    return Study("9", PatientIdentity("P"), series, description="CT LSPINE")


def test_the_extent_of_axial_slices_is_where_they_lie():
    assert extent_lps_mm(block(-310.0, -100.0)) == (-310.0, -100.0)


def test_the_extent_of_a_sagittal_image_is_its_height():
    image = Instance(
        "1.1",
        "1.2.840.10008.5.1.4.1.1.4",
        rows=301,
        columns=301,
        image_position_lps_mm=(0.0, -100.0, 50.0),
        image_orientation=SAGITTAL,
        pixel_spacing_mm=(1.0, 1.0),
    )
    assert extent_lps_mm(Series("1", "MR", (image,))) == (-250.0, 50.0)


def test_without_geometry_there_is_no_extent():
    assert extent_lps_mm(Series("1", "CT", (Instance("1.1", "1.2"),))) is None


@pytest.mark.parametrize(("length", "regions", "expected"), [(60.0, "L", 3), (28.0, "L", 1), (60.0, "C", 6)])
def test_a_short_extent_holds_few_vertebrae(length: float, regions: str, expected: int):
    assert most_vertebrae((0.0, length), regions) == expected


def test_levels_follow_from_blocks_named_after_them_in_the_same_frame_of_reference():
    named = (
        block(-5.0, 5.0, uid="2", description="ax L4/5"),
        block(30.0, 40.0, uid="3", description="ax L3/4"),
        block(0.0, 10.0, uid="4", description="ax L1/2", frame="OTHER"),
    )
    places = named_places(named)
    assert places["F"] == {"L4-L5": 0.0, "L3-L4": 35.0}
    assert vertebrae_within((-20.0, 50.0), places["F"]) == ("L3", "L4", "L5")
    assert vertebrae_within((-60.0, 130.0), places["F"]) == ("L1", "L2", "L3", "L4", "L5", "S1")
    assert vertebrae_within((200.0, 300.0), places["F"]) == ()


def test_a_long_block_named_after_one_level_is_not_taken_to_lie_there():
    assert named_places([block(-100.0, 100.0, description="L4/5 TLIF control")]) == {}


def test_a_spine_exam_of_usual_length_shows_what_its_region_names():
    assert recognise(study(block(0.0, 230.0))).levels_in_view == ("L1", "L2", "L3", "L4", "L5", "S1")


def test_a_series_too_short_for_its_region_claims_no_levels_and_says_why():
    told = recognise(study(block(0.0, 70.0)))
    assert told.levels_in_view == ()
    assert any("at most 3 vertebrae" in reason for reason in told.reasons)


def test_a_short_series_beside_named_blocks_shows_their_levels():
    told = recognise(study(block(-30.0, 30.0), block(-5.0, 5.0, uid="2", description="ax L4/5")))
    assert told.levels_in_view == ("L4", "L5")
    assert any("frame of reference" in reason for reason in told.reasons)


def test_blocks_in_another_frame_of_reference_tell_nothing():
    other = replace(block(-5.0, 5.0, uid="2", description="ax L4/5"), frame_of_reference_uid="G")
    assert recognise(study(block(-30.0, 30.0), other)).levels_in_view == ()
