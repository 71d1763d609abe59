from datetime import date

import pytest

from plumbline.exams.history import history_from_studies
from plumbline.exams.order import SourceKind, order_from_text, plan_from_text
from plumbline.exams.recognition import ExamKind, recognise, with_hardware
from plumbline.exams.study import View
from plumbline.exams.surgery_text import Tense


def test_a_lumbar_ct_of_an_operated_patient_is_postoperative(exams):
    whole = exams.series(slices=200)
    recognition = recognise(exams.study(whole, description="CT LUMBAR SPINE", reason_for_study=("s/p L4-L5 TLIF",)))
    assert recognition.kind is ExamKind.POSTOPERATIVE_SPINE
    assert recognition.modality == "CT"
    assert recognition.regions == ("L",)
    assert recognition.levels_in_view == ("L1", "L2", "L3", "L4", "L5", "S1")
    assert recognition.own_tense is Tense.DONE
    assert all(reason.endswith(".") for reason in recognition.reasons)


@pytest.mark.parametrize(
    "description",
    ["CT CHEST", "CT ABDOMEN PELVIS", "CT THORAX ABDOMEN", "CT HEAD", "POLYTRAUMA CT", "CT WHOLE SPINE TRAUMA"],
)
def test_what_is_not_a_spine_exam_ends_here(exams, description: str):
    assert recognise(exams.study(description=description)).kind is ExamKind.OTHER


def test_a_trauma_survey_of_an_operated_spine_goes_on(exams):
    study = exams.study(description="CT WHOLE SPINE TRAUMA")
    history = history_from_studies([study], plan=plan_from_text("L4-L5 TLIF", surgery_date=date(2026, 3, 2)))
    assert recognise(study, history=history).kind is ExamKind.POSTOPERATIVE_SPINE


def test_a_chest_ct_of_an_operated_patient_is_still_a_chest_ct(exams):
    study = exams.study(description="CT CHEST")
    history = history_from_studies([study], plan=plan_from_text("L4-L5 TLIF", surgery_date=date(2026, 3, 2)))
    assert recognise(study, history=history).kind is ExamKind.OTHER


def test_a_spine_exam_without_a_known_operation_waits_for_the_images(exams):
    recognition = recognise(exams.study(description="CT LSPINE"))
    assert recognition.kind is ExamKind.SPINE
    assert with_hardware(recognition, True).kind is ExamKind.POSTOPERATIVE_SPINE
    assert with_hardware(recognition, False).kind is ExamKind.SPINE
    assert len(with_hardware(recognition, True).reasons) == len(recognition.reasons) + 1


def test_hardware_does_not_make_a_chest_ct_a_spine_exam(exams):
    recognition = recognise(exams.study(description="CT CHEST"))
    assert with_hardware(recognition, True) is recognition


def test_an_exam_before_the_operation_is_not_postoperative(exams):
    study = exams.study(description="CT LSPINE", day="2026-01-05")
    history = history_from_studies([study], plan=plan_from_text("L4-L5 TLIF", surgery_date=date(2026, 3, 2)))
    assert recognise(study, history=history).kind is ExamKind.SPINE


def test_an_operation_of_another_region_does_not_make_it_postoperative(exams):
    study = exams.study(description="CT LSPINE")
    history = history_from_studies([study], plan=plan_from_text("C5-C6 ACDF", surgery_date=date(2026, 3, 2)))
    assert recognise(study, history=history).kind is ExamKind.SPINE


def test_a_preoperative_exam_is_not_postoperative(exams):
    recognition = recognise(exams.study(description="CT LSPINE", reason_for_study=("preop L4-L5 TLIF",)))
    assert recognition.kind is ExamKind.SPINE
    assert recognition.own_tense is Tense.PLANNED


def test_the_order_counts_before_the_header(exams):
    study = exams.study(description="CT LSPINE", reason_for_study=("no prior surgery",))
    order = order_from_text("s/p L4-L5 TLIF", source=SourceKind.ORDER)
    assert recognise(study, orders=[order]).kind is ExamKind.POSTOPERATIVE_SPINE


def test_body_part_tells_where_the_description_does_not(exams):
    assert recognise(exams.study(exams.series(body_part_examined="LSPINE"))).regions == ("L",)
    assert recognise(exams.study(exams.series(body_part_examined="CHEST"))).kind is ExamKind.OTHER


def test_a_series_that_names_the_spine_is_believed_before_the_body_part_of_its_protocol(exams):
    spine = exams.series(body_part_examined="ABDOMEN", description="Axial 1mm L-Spine")
    found = recognise(exams.study(spine))
    assert (found.kind, found.regions) == (ExamKind.SPINE, ("L",))
    assert found.measurable_series


def test_a_procedure_code_tells(exams):
    study = exams.study(procedure_codes=(("72131", "C4", "CT lumbar spine w/o"),))
    assert recognise(study).regions == ("L",)


def test_an_exam_that_says_nothing_is_other(exams):
    assert recognise(exams.study()).kind is ExamKind.OTHER


def test_an_exam_without_images_is_other(exams):
    recognition = recognise(exams.study(exams.series(modality="SR"), description="CT LSPINE"))
    assert recognition.kind is ExamKind.OTHER
    assert recognition.modality is None


def test_the_best_series_comes_first_and_localisers_never(exams):
    scout = exams.series(
        series_instance_uid="1", slices=2, slice_changes={"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}
    )
    soft = exams.series(series_instance_uid="2", kernel="B20s")
    bone = exams.series(series_instance_uid="3", kernel="B60s")
    recognition = recognise(exams.study(scout, soft, bone, description="CT LSPINE"))
    assert recognition.measurable_series == ("3", "2")
    assert recognition.slice_thickness_mm == pytest.approx(1.0)


def test_the_series_for_a_check_begin_with_its_best_and_leave_none_out(exams):
    soft = exams.series(series_instance_uid="2", kernel="B20s")
    bone = exams.series(series_instance_uid="3", kernel="B60s")
    recognition = recognise(exams.study(soft, bone, description="CT LSPINE"))
    assert recognition.series_for("spacer-migration") == ("3", "2")
    assert recognition.series_for("vacuum-gas") == ("2", "3")


def test_projection_and_position_of_a_radiograph_are_those_of_its_best_series(exams):
    frontal = exams.series(
        series_instance_uid="1", modality="DX", view_position="AP", description="L-SPINE AP standing"
    )
    lateral = exams.series(
        series_instance_uid="2", modality="DX", view_position="LL", description="L-SPINE LAT standing"
    )
    recognition = recognise(exams.study(frontal, lateral, description="XR LSPINE"))
    assert (recognition.projection, recognition.position) == ("lateral", "standing")
    assert recognition.views == {("ap", "standing"), ("lateral", "standing")}


def test_contrast_is_told_from_the_agent(exams):
    assert (
        recognise(exams.study(exams.series(contrast_agent="Iopamidol"), description="CT LSPINE")).has_contrast is True
    )
    assert recognise(exams.study(description="CT LSPINE")).has_contrast is False


def test_no_contrast_is_not_contrast(exams):
    assert recognise(exams.study(exams.series(contrast_agent="NONE"), description="CT LSPINE")).has_contrast is False


def test_a_spine_that_was_reconstructed_from_a_chest_and_abdomen_ct_is_a_spine_exam_of_that_series(exams):
    trunk = exams.series(series_instance_uid="1", description="Thorax Abdomen 1.0", kernel="Br40d")
    spine = exams.series(series_instance_uid="2", description="LWS 1.0", kernel="Br60d", slices=200)
    recognition = recognise(exams.study(trunk, spine, description="CT Thorax/Abdomen mit KM"))
    assert recognition.kind is ExamKind.SPINE
    assert recognition.regions == ("L",)
    assert recognition.measurable_series == ("2",)


def test_reformats_of_the_spine_alone_do_not_make_a_chest_ct_a_spine_exam(exams):
    trunk = exams.series(series_instance_uid="1", description="Thorax Abdomen 1.0")
    bent = exams.series(
        series_instance_uid="2", description="LWS sag", slice_changes={"image_type": ("DERIVED", "SECONDARY", "MPR")}
    )
    assert recognise(exams.study(trunk, bent, description="CT Thorax/Abdomen")).kind is ExamKind.OTHER


def test_a_series_of_another_part_is_not_measured_where_one_is_of_the_spine(exams):
    abdomen = exams.series(series_instance_uid="1", body_part_examined="ABDOMEN", kernel="B70s")
    spine = exams.series(series_instance_uid="2", body_part_examined="LSPINE", kernel="B30s")
    assert recognise(exams.study(abdomen, spine)).measurable_series == ("2",)
    named = recognise(exams.study(abdomen, spine, description="CT LWS"))
    assert named.measurable_series == ("1", "2"), "the study says what its series are of"


def test_a_localiser_among_the_slices_does_not_lengthen_what_they_show(exams):
    scout = exams.instance(
        99,
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
        image_orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
        image_position_lps_mm=(0.0, 0.0, 500.0),
        pixel_spacing_mm=(1.0, 1.0),
    )
    short = exams.series(instances=(*exams.series(slices=40).instances, scout))
    assert recognise(exams.study(short, description="CT LSPINE")).levels_in_view == ()


def test_both_views_of_one_series_are_known_of_the_exam(exams):
    frontal, lateral = (exams.instance(i, view=View(view_position=v)) for i, v in ((1, "AP"), (2, "LL")))
    both = exams.series(modality="CR", instances=(frontal, lateral))
    recognition = recognise(exams.study(both, description="XR LSPINE"))
    assert recognition.projection == "lateral"
    assert recognition.views == {("ap", None), ("lateral", None)}
    assert "spacer-migration" in {best.check for best in recognition.best_series}
