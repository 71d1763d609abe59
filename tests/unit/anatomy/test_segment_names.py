"""Segment names as tools write them."""

from __future__ import annotations

import pytest

from plumbline.anatomy.segment_names import SACRUM, SegmentName, read_segment_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("vertebrae_L4", "L4"),
        ("L4", "L4"),
        ("Vertebra L4", "L4"),
        ("vertebrae_T12", "T12"),
        ("T13", "T13"),
        ("L6", "L6"),
        ("C7 vertebra", "C7"),
        ("sacrum", SACRUM),
        ("Corpus L05", "L5"),
    ],
)
def test_texts_that_name_a_vertebra(text, name):
    assert read_segment_name([], [text]) == SegmentName(name, is_coded=False)


@pytest.mark.parametrize(
    "text",
    ["disc_L4_L5", "L4-L5", "rib_left_12", "screw L4 left", "nerve root S1", "26", "spinal_canal", "T14", "lung", ""],
)
def test_texts_that_name_none(text):
    assert read_segment_name([], [text]) is None


def test_a_code_is_believed_before_a_text():
    assert read_segment_name(["11994002"], ["vertebrae_L3"]) == SegmentName("L4", is_coded=True)


def test_two_codes_of_different_vertebrae_leave_it_to_the_text():
    assert read_segment_name(["11994002", "49668003"], ["L3"]) == SegmentName("L3", is_coded=False)
