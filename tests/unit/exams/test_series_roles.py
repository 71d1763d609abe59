import pytest

from plumbline.exams.series_roles import judge_series, kernel_kind, slice_distance_mm

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def test_an_axial_stack_is_measured(exams):
    role = judge_series(exams.series(kernel="BONE"))
    assert role.measurable
    assert role.slice_thickness_mm == pytest.approx(1.0)
    assert "bone" in role.reason


@pytest.mark.parametrize(
    ("changes", "slice_changes", "word"),
    [
        ({"slices": 2}, {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "localiser"),
        ({"slices": 3, "description": "Topogram 0.6"}, {}, "localiser"),
        ({"description": "Dose Report"}, {}, "dose"),
        ({"description": "Screen Save"}, {"image_type": ("DERIVED", "SECONDARY")}, "screen"),
        ({}, {"sop_class_uid": SECONDARY_CAPTURE}, "secondary capture"),
        ({}, {"image_type": ("DERIVED", "SECONDARY", "AXIAL")}, "derived"),
        ({}, {"image_type": ("DERIVED", "PRIMARY", "MPR")}, "derived"),
        ({"slices": 5}, {}, "5 slices"),
        ({}, {"pixel_spacing_mm": (0.1, 0.1)}, "too small"),
        ({}, {"image_orientation": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)}, "not axial"),
        ({}, {"image_position_lps_mm": None}, "no position"),
        ({"modality": "SR"}, {}, "SR"),
    ],
)
def test_what_must_not_be_measured_is_refused_with_the_reason(exams, changes: dict, slice_changes: dict, word: str):
    role = judge_series(exams.series(slice_changes=slice_changes, **changes))
    assert not role.measurable
    assert word in role.reason


def test_a_tilted_gantry_is_still_axial(exams):
    assert judge_series(
        exams.series(slice_changes={"image_orientation": (1.0, 0.0, 0.0, 0.0, 0.906, 0.423)})
    ).measurable


def test_a_series_listed_without_instances_is_judged_by_what_it_says(exams):
    assert judge_series(exams.series(slices=0)).measurable
    assert not judge_series(exams.series(slices=0, description="Sag MPR")).measurable


def test_thin_bone_kernel_is_preferred(exams):
    thin_bone = judge_series(exams.series(kernel="B60s"))
    thin_soft = judge_series(exams.series(kernel="B20s"))
    thick = tuple(exams.instance(i, image_position_lps_mm=(0.0, 0.0, i * 5.0)) for i in range(40))
    thick_bone = judge_series(exams.series(kernel="B60s", instances=thick))
    assert thin_bone.preference > thin_soft.preference > thick_bone.preference


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("BONEPLUS", "bone"),
        ("B60s", "bone"),
        ("Br40d", "standard"),
        ("B20f", "soft"),
        ("STANDARD", "standard"),
        ("SOFT", "soft"),
        ("LUNG", "lung"),
        ("FC30", "bone"),
        ("FC08", "soft"),
        ("FC51", "lung"),
        ("YC", "bone"),
        ("B", "soft"),
        (None, None),
        ("?", None),
    ],
)
def test_kernels_of_the_makers_are_sorted(kernel: str | None, kind: str | None):
    assert kernel_kind(kernel) == kind


def test_the_lateral_radiograph_is_measured_first(exams):
    lateral = judge_series(exams.series(modality="DX", view_position="LL", description="L-SPINE standing"))
    frontal = judge_series(exams.series(modality="DX", view_position="AP"))
    assert (lateral.projection, lateral.position) == ("lateral", "standing")
    assert lateral.preference > frontal.preference


def test_slice_distance_is_measured_along_the_normal(exams):
    slices = tuple(exams.instance(i, image_position_lps_mm=(0.0, 0.0, -2.5 * i)) for i in range(5))
    assert slice_distance_mm(exams.series(instances=slices)) == pytest.approx(2.5)
    assert slice_distance_mm(exams.series(slices=1)) is None
