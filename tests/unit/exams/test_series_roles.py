import pytest

from plumbline.exams.series_roles import judge_series, kernel_kind, slice_distance_mm
from plumbline.exams.study import View

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
        ({"slices": 2, "description": "Patientenprotokoll"}, {}, "dose"),
        ({}, {"sop_class_uid": "1.3.12.2.1107.5.9.1"}, "no images"),
        ({"modality": "MR"}, {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.66"}, "no images"),
        ({}, {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.11.1"}, "no images"),
        ({}, {"is_colour": True}, "in colour"),
        ({"description": "Iodine map"}, {}, "substance"),
        ({}, {"image_type": ("DERIVED", "PRIMARY", "AXIAL", "VNC")}, "substance"),
        ({"description": "VRT rotation"}, {"image_type": ("DERIVED", "PRIMARY", "OTHER")}, "rendering"),
        ({}, {"image_type": ("DERIVED", "PRIMARY", "VOLUME", "MAXIMUM")}, "derived"),
        (
            {"slices": 1},
            {
                "number_of_frames": 60,
                "image_position_lps_mm": None,
                "image_orientation": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
                "image_type": ("ORIGINAL", "PRIMARY", "VOLUME", "NONE"),
            },
            "not axial",
        ),
    ],
)
def test_what_must_not_be_measured_is_refused_with_the_reason(exams, changes: dict, slice_changes: dict, word: str):
    role = judge_series(exams.series(slice_changes=slice_changes, **changes))
    assert not role.measurable
    assert word in role.reason


@pytest.mark.parametrize("description", ["LWS LOW DOSE 1.0", "Rachis faible dose", "Niedrigdosis 1.0", "Baja dosis os"])
def test_a_dose_that_images_were_made_with_makes_them_no_dose_sheet(exams, description: str):
    assert judge_series(exams.series(description=description)).measurable


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
        ("I70f\\3", "bone"),
        ("I31f\\2", "soft"),
        ("D30f", "soft"),
        ("B_SHARP_C", "bone"),
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


def test_an_enhanced_instance_is_measured_by_its_frames(exams):
    whole = exams.series(slices=1, slice_changes={"number_of_frames": 250, "image_position_lps_mm": None})
    assert judge_series(whole).measurable
    few = exams.series(slices=1, slice_changes={"number_of_frames": 3, "image_position_lps_mm": None})
    assert "3 slices" in judge_series(few).reason


def test_a_localiser_among_the_slices_does_not_make_the_series_one(exams):
    scout = exams.instance(
        99, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"), image_orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    )
    series = exams.series(instances=(scout, *exams.series().instances))
    role = judge_series(series)
    assert role.measurable
    assert role.slice_thickness_mm == pytest.approx(1.0)
    alone = judge_series(exams.series(instances=(scout,)))
    assert alone.reason == "It is a localiser."


def test_an_mr_series_that_looks_along_several_axes_is_a_localiser_though_nothing_calls_it_so(exams):
    sagittal, axial = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    planes = (exams.instance(1, image_orientation=sagittal), exams.instance(2, image_orientation=axial))
    assert "several planes" in judge_series(exams.series(modality="MR", instances=planes)).reason
    tilted = (exams.instance(1), exams.instance(2, image_orientation=(1.0, 0.0, 0.0, 0.0, 0.94, 0.34)))
    assert judge_series(exams.series(modality="MR", instances=tilted)).measurable, "blocks along the discs"


def test_two_views_in_one_series_are_both_known(exams):
    frontal = exams.instance(1, view=View(patient_orientation=("L", "F")))
    lateral = exams.instance(2, view=View(patient_orientation=("A", "F")))
    role = judge_series(exams.series(modality="CR", instances=(frontal, lateral), description="LWS im Stand"))
    assert role.views == (("lateral", "standing"), ("ap", "standing"))
    assert (role.projection, role.position) == role.views[0]


def test_the_maker_s_name_of_an_exposure_tells_its_view(exams):
    bent = exams.instance(1, view=View(processing="L-SPINE LAT FLEXION"))
    role = judge_series(exams.series(modality="CR", instances=(bent,), description="LSPINE"))
    assert (role.projection, role.position) == ("lateral", "flexion")


@pytest.mark.parametrize(("description", "position"), [("FLEXION", "flexion"), ("Reklination", "extension")])
def test_flexion_and_extension_are_looked_at_from_the_side(exams, description: str, position: str):
    role = judge_series(exams.series(modality="DX", description=description))
    assert (role.projection, role.position) == ("lateral", position)
    assert judge_series(exams.series(modality="DX", description="Bending R")).projection is None


@pytest.mark.parametrize(("description", "position"), [("Profil", "standing"), ("Profil assis", "sitting")])
def test_a_slot_scanner_is_stood_in_unless_sitting_is_said(exams, description: str, position: str):
    role = judge_series(exams.series(modality="DX", description=description, manufacturer="EOS imaging"))
    assert (role.projection, role.position) == ("lateral", position)
