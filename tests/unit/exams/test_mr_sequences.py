"""Kinds of MR series: what the scanner did comes before what somebody called it."""

from __future__ import annotations

from typing import Any

import pytest

from plumbline.exams.mr_sequences import MrKind, has_contrast, judge_mr
from plumbline.exams.study import Instance, Series


def mr(description: str | None = None, *, image_type: tuple[str, ...] = (), **tags: Any) -> Series:
    instances = (Instance("1.1", "1.2.840.10008.5.1.4.1.1.4", image_type=image_type),)
    return Series("1", "MR", instances, description=description, **tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"repetition_time_ms": 550, "echo_time_ms": 11, "scanning_sequence": ("SE",)}, MrKind.T1),
        ({"repetition_time_ms": 3500, "echo_time_ms": 102, "scanning_sequence": ("SE",)}, MrKind.T2),
        ({"repetition_time_ms": 2800, "echo_time_ms": 28, "scanning_sequence": ("SE",)}, MrKind.PD),
        (
            {
                "repetition_time_ms": 4200,
                "echo_time_ms": 50,
                "inversion_time_ms": 160,
                "scanning_sequence": ("SE", "IR"),
            },
            MrKind.STIR,
        ),
        (
            {
                "repetition_time_ms": 2100,
                "echo_time_ms": 9,
                "inversion_time_ms": 860,
                "scanning_sequence": ("IR", "SE"),
            },
            MrKind.T1,
        ),
        ({"repetition_time_ms": 30, "echo_time_ms": 12, "scanning_sequence": ("GR",)}, MrKind.GRADIENT_ECHO),
        ({"repetition_time_ms": 8000, "echo_time_ms": 800, "scanning_sequence": ("SE",)}, MrKind.MYELOGRAPHY),
        (
            {"repetition_time_ms": 3000, "echo_time_ms": 80, "scan_options": ("FS",), "scanning_sequence": ("SE",)},
            MrKind.T2_FAT_SAT,
        ),
        (
            {
                "repetition_time_ms": 600,
                "echo_time_ms": 10,
                "scan_options": ("FS",),
                "contrast_agent": "Gadovist",
                "scanning_sequence": ("SE",),
            },
            MrKind.T1_CONTRAST_FAT_SAT,
        ),
        ({"repetition_time_ms": 600, "echo_time_ms": 10, "contrast_agent": "Dotarem"}, MrKind.T1_CONTRAST),
    ],
)
def test_the_parameters_tell_the_kind(tags: dict[str, Any], expected: MrKind):
    assert judge_mr(mr(**tags)).kind is expected


def test_the_parameters_overrule_the_description():
    judged = judge_mr(mr("T1 sag", repetition_time_ms=3500, echo_time_ms=102))
    assert judged.kind is MrKind.T2
    assert "TE 102 ms" in judged.reason


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("t2_tse_sag", MrKind.T2),
        ("SAG T2 FS", MrKind.T2_FAT_SAT),
        ("t2_tirm_sag", MrKind.STIR),
        ("Sag STIR", MrKind.STIR),
        ("T1 TSE ax", MrKind.T1),
        ("t1_tse_fs_tra_KM", MrKind.T1_CONTRAST_FAT_SAT),
        ("T1 FS +C", MrKind.T1_CONTRAST_FAT_SAT),
        ("mDIXON T2 sag", MrKind.DIXON),
        ("3-plane loc", MrKind.LOCALISER),
        ("DWI b800", MrKind.DIFFUSION),
        ("pondération T2 sagittale", MrKind.T2),
        ("cor bolus", None),
        (None, None),
    ],
)
def test_the_description_is_asked_where_the_parameters_do_not_tell(description: str | None, expected: MrKind | None):
    assert judge_mr(mr(description)).kind is expected


def test_image_type_names_localisers_and_dixon_parts():
    assert judge_mr(mr("T2", image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))).kind is MrKind.LOCALISER
    assert judge_mr(mr("T2", image_type=("ORIGINAL", "PRIMARY", "WATER"))).kind is MrKind.DIXON


@pytest.mark.parametrize(
    ("image_type", "expected"),
    [
        (("DERIVED", "PRIMARY", "DIXON", "WATER"), MrKind.T2_FAT_SAT),
        (("DERIVED", "PRIMARY", "W", "W"), MrKind.T2_FAT_SAT),
        (("DERIVED", "PRIMARY", "DIXON", "IN_PHASE"), MrKind.T2),
        (("DERIVED", "PRIMARY", "DIXON", "FAT"), MrKind.DIXON),
        (("DERIVED", "PRIMARY", "DIXON", "OPP_PHASE"), MrKind.DIXON),
    ],
)
def test_an_image_of_a_dixon_serves_as_what_it_shows(image_type: tuple[str, ...], expected: MrKind):
    judged = judge_mr(mr(image_type=image_type, repetition_time_ms=3500, echo_time_ms=85, scanning_sequence=("SE",)))
    assert judged.kind is expected


def test_a_series_of_all_images_of_a_dixon_is_none_of_them():
    parts = [Instance(f"1.{i}", "1.2", image_type=("DERIVED", "PRIMARY", part)) for i, part in enumerate("WF")]
    series = Series("1", "MR", tuple(parts), repetition_time_ms=3500, echo_time_ms=85)
    assert judge_mr(series).kind is MrKind.DIXON


@pytest.mark.parametrize(
    ("acquired", "expected"),
    [("T1", MrKind.T1), ("T2", MrKind.T2), ("STIR", MrKind.STIR), ("PROTON_DENSITY", MrKind.PD), ("UNKNOWN", None)],
)
def test_an_enhanced_object_says_its_contrast(acquired: str, expected: MrKind | None):
    assert judge_mr(mr(acquisition_contrast=acquired)).kind is expected


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("T1 sag ohne KM", False),
        ("T1 SAG W/O CONTRAST", False),
        ("T1 sag sans injection", False),
        ("T1 sin contraste", False),
        ("T1 pre contrast", False),
        ("T1 sag KM", True),
        ("T1 post contrast", True),
        ("T1 FS après injection", True),
    ],
)
def test_contrast_that_was_not_given_is_not_taken_for_given(description: str, expected: bool):
    assert has_contrast(mr(description)) is expected


@pytest.mark.parametrize(
    ("agent", "expected"),
    [("Gadovist 1.0", True), ("NONE", False), ("ohne", False), ("Without", False), (None, False), ("", False)],
)
def test_contrast_is_an_agent_that_was_given(agent: str | None, expected: bool):
    assert has_contrast(mr("T1 sag", contrast_agent=agent)) is expected
