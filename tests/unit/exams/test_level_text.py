import pytest

from plumbline.exams.level_text import read_levels
from plumbline.exams.plain_text import plain


def levels(text: str) -> list[str]:
    return [level.name for level in read_levels(plain(text)).levels]


def vertebrae(text: str) -> list[str]:
    return [vertebra.name for vertebra in read_levels(plain(text)).vertebrae]


@pytest.mark.parametrize(
    "text",
    [
        "L4/5",
        "L4-5",
        "L4–L5",
        "l4 - l5",
        "L4 L5",
        "L4L5",
        "L 4/5",
        "LWK 4/5",
        "LWK4/LWK5",
        "L4_L5",
        "L4 to L5",
        "L5-L4",
        "between L4 and L5",
        "zwischen L4 und L5",
        "entre L4 et L5",
        "lumbar 4/5",
        "TLIF L45",
        "disc L4/L5.",
    ],
)
def test_one_level_is_read_in_every_spelling(text: str):
    assert levels(text) == ["L4-L5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L3 to S1", ["L3-L4", "L4-L5", "L5-S1"]),
        ("L3-L5", ["L3-L4", "L4-L5"]),
        ("L4 L5 S1", ["L4-L5", "L5-S1"]),
        ("LWK 4 bis SWK 1", ["L4-L5", "L5-S1"]),
        ("de L3 à S1", ["L3-L4", "L4-L5", "L5-S1"]),
        ("L4 hasta S1", ["L4-L5", "L5-S1"]),
        ("D12-L2", ["T12-L1", "L1-L2"]),
        ("Th11/12", ["T11-T12"]),
        ("C5/6, 6/7", ["C5-C6", "C6-C7"]),
        ("L3/4/5", ["L3-L4", "L4-L5"]),
        ("L5/1", ["L5-S1"]),
        ("C7-T1", ["C7-T1"]),
        ("T10-S2AI", ["T10-T11", "T11-T12", "T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1"]),
        ("two-level from L3", ["L3-L4", "L4-L5"]),
        ("zwei Etagen ab L4", ["L4-L5", "L5-S1"]),
        ("dos niveles desde L3", ["L3-L4", "L4-L5"]),
    ],
)
def test_ranges_and_lists_become_their_levels(text: str, expected: list[str]):
    assert levels(text) == expected


def test_a_sixth_lumbar_vertebra_exists_only_where_it_is_named():
    assert levels("L5-L6 and L6-S1") == ["L5-L6", "L6-S1"]
    assert levels("L5-S1") == ["L5-S1"]


@pytest.mark.parametrize(
    "text",
    [
        "T2 weighted",
        "sag T1 T2 STIR",
        "T1/T2 axial",
        "IRM lombaire T1, T2",
        "T2w tse lumbar spine",
        "S1 series",
        "C1 12345",
        "accession C1-2",
        "L-spine 2 views",
        "lumbar spine 2-3 views",
        "XR L 2-3 views",
        "L=30",
        "T12.5kg",
        "T12.5-L13",
        "dose 4-5 mGy",
        "ward C4-5",
        "bed L4-5",
        "Zimmer L3/4",
        "C3/C4 complement",
        "TSH, T3/T4 normal",
        "stage T2-3 N0",
        "liver segment L4-5",
        "L5 nerve root",
        "L4/L5 roots",
        "Radikulopathie L5/S1",
        "C6 radiculopathy",
        "sciatica S1",
        "NCB C6",
        "dermatome L4/L5",
        "ICD C34.1",
        "L23.9",
        "S32.0",
        "12/04/2026",
        "02-03-2026",
        "power 4/5",
        "T11-12-2026 report",
        "strength 5/5 L",
        "D5 1/2 NS",
        "POD 4-5",
        "L4-5 mm",
        "T2-T1 mismatch flair",
        "S1-S2",
        "model L4-5",
        "",
    ],
)
def test_no_level_is_invented(text: str):
    assert levels(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kyphoplasty L1", ["L1"]),
        ("BWK 12 Fraktur", ["T12"]),
        ("Fracture de D7", ["T7"]),
        ("T1 vertebra fracture", ["T1"]),
        ("L5 nerve root block at the lumbar spine", []),
        ("T2 sagittal lumbar spine", []),
        ("L4", []),
    ],
)
def test_a_vertebra_alone_is_a_vertebra_and_not_a_level(text: str, expected: list[str]):
    assert vertebrae(text) == expected
    assert levels(text) == []


def test_the_ends_of_a_level_are_not_reported_again_as_vertebrae():
    assert vertebrae("L4-L5 TLIF with screws in L4 and L5") == []


def test_words_of_the_next_line_say_nothing_about_a_level():
    assert levels("TLIF L4-L5\nweakness of the left leg") == ["L4-L5"]
    assert levels("radiculopathy\nL4-L5 TLIF") == ["L4-L5"]


def test_vertebrae_that_one_fusion_holds_together_are_a_range():
    assert levels("Osteosynthese T10 L3") == ["T10-T11", "T11-T12", "T12-L1", "L1-L2", "L2-L3"]
    assert levels("TLIF L4&L5") == ["L4-L5"]
    assert levels("arthrodèse L3L5") == ["L3-L4", "L4-L5"]
    assert levels("Kyphoplasty L1 L3") == levels("fracture L1 and L2") == levels("Fraktur LWK 1 + LWK 2") == []
