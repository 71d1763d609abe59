from dataclasses import replace
from datetime import date

import pytest

from plumbline.exams.history import SurgicalHistory, history_from_studies
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.study import PatientIdentity
from plumbline.priors.choice import PriorPolicy, ReferenceChoice, Role


def roles(choice: ReferenceChoice) -> dict[str, str]:
    return {one.role.value: one.study_instance_uid for one in choice.considered if one.role}


def reasons(choice: ReferenceChoice, uid: str) -> str:
    return " ".join(next(one.reasons for one in choice.considered if one.study_instance_uid == uid))


def test_each_role_goes_to_its_exam(patient):
    candidates = [
        patient.candidate("older-preop", "2025-06-01"),
        patient.candidate("preop", "2026-02-20"),
        patient.candidate("baseline", "2026-03-05"),
        patient.candidate("between", "2026-04-01"),
        patient.candidate("prior", "2026-05-01"),
    ]
    choice = patient.choose(candidates)
    assert roles(choice) == {"preoperative": "preop", "baseline": "baseline", "prior": "prior"}
    assert choice.missing == {}
    assert "3 days after" in reasons(choice, "baseline")
    assert "31 days earlier" in reasons(choice, "prior")
    assert "later preoperative exam" in reasons(choice, "older-preop")
    assert "baseline is earlier" in reasons(choice, "between")


def test_every_candidate_is_considered_with_score_parts_and_sentence(patient):
    choice = patient.choose([patient.candidate("a", "2026-03-05"), patient.candidate("b", "2026-05-05", modality="MR")])
    assert {one.study_instance_uid for one in choice.considered} == {"a", "b"}
    for one in choice.considered:
        assert set(one.parts) == {"modality", "region", "levels", "view", "time", "geometry", "quality"}
        assert 0 <= one.score <= 1
        assert one.reasons and all(reason.endswith(".") for reason in one.reasons)


def test_the_order_of_the_candidates_does_not_matter(patient):
    candidates = [
        patient.candidate(uid, day) for uid, day in (("1", "2026-02-01"), ("2", "2026-03-05"), ("3", "2026-05-01"))
    ]
    assert patient.choose(candidates) == patient.choose(candidates[::-1])


def test_a_preoperative_exam_is_not_a_baseline(patient):
    choice = patient.choose([patient.candidate("preop", "2026-02-20")])
    assert roles(choice) == {"preoperative": "preop"}
    assert "no earlier exam of this patient from after the operation" in choice.missing[Role.BASELINE]


def test_without_any_exam_every_role_says_what_is_missing(patient):
    choice = patient.choose([])
    assert set(choice.missing) == set(Role)
    assert all(choice.missing.values())


def test_the_only_exam_after_the_operation_is_the_baseline_and_not_also_the_prior(patient):
    choice = patient.choose([patient.candidate("only", "2026-03-05")])
    assert roles(choice) == {"baseline": "only"}
    assert "is the baseline" in choice.missing[Role.PRIOR]


def test_revision_surgery_resets_the_baseline(patient):
    history = patient.history(("L4-L5 TLIF", "2024-01-10"), ("L4-L5 TLIF", "2026-03-02"))
    candidates = [patient.candidate("first-baseline", "2024-01-12"), patient.candidate("second-baseline", "2026-03-04")]
    assert roles(patient.choose(candidates, history)) == {
        "preoperative": "first-baseline",
        "baseline": "second-baseline",
    }


def test_an_operation_of_another_region_resets_nothing(patient):
    history = patient.history(("L4-L5 TLIF", "2024-01-10"), ("C5-C6 ACDF", "2026-03-02"))
    candidates = [patient.candidate("baseline", "2024-01-12"), patient.candidate("later", "2026-03-04")]
    assert roles(patient.choose(candidates, history)) == {"baseline": "baseline", "prior": "later"}


def test_a_kyphoplasty_far_from_the_construct_resets_nothing(patient):
    history = patient.history(("L4-L5 TLIF", "2024-01-10"), ("T12-L1 kyphoplasty", "2026-03-02"))
    candidates = [patient.candidate("baseline", "2024-01-12"), patient.candidate("later", "2026-03-04")]
    assert roles(patient.choose(candidates, history))["baseline"] == "baseline"


def test_an_operation_after_the_exam_does_not_count(patient):
    history = patient.history(("L4-L5 TLIF", "2026-03-02"), ("L4-L5 TLIF", "2026-08-01"))
    assert roles(patient.choose([patient.candidate("baseline", "2026-03-05")], history)) == {"baseline": "baseline"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"modality": "MR", "description": "MR LSPINE"}, "It is MR"),
        ({"description": "CT CSPINE"}, "another region"),
        ({"description": "CT CHEST"}, "not a spine exam"),
        ({"spacing_mm": 6.0}, "too thick"),
        ({"said": "Dose Report"}, "can be measured"),
    ],
)
def test_an_exam_under_other_conditions_is_rejected_with_the_reason(patient, changes: dict, word: str):
    choice = patient.choose([patient.candidate("other", "2026-03-05", **changes)])
    assert roles(choice) == {}
    assert not choice.considered[0].comparable
    assert word in reasons(choice, "other")
    assert "none comparable" in choice.missing[Role.BASELINE]


def test_radiographs_must_agree_on_projection_and_position(patient):
    current = patient.study("current", "2026-06-01", modality="DX", description="XR LSPINE", view="LL", said="standing")
    same = patient.candidate("same", "2026-03-10", modality="CR", description="XR LSPINE", view="LL", said="standing")
    frontal = patient.candidate(
        "frontal", "2026-03-05", modality="DX", description="XR LSPINE", view="AP", said="standing"
    )
    lying = patient.candidate("lying", "2026-03-04", modality="DX", description="XR LSPINE", view="LL", said="supine")
    choice = patient.choose([same, frontal, lying], current=current)
    assert roles(choice) == {"baseline": "same"}
    assert "projection" in reasons(choice, "frontal")
    assert "position differs" in reasons(choice, "lying")


@pytest.mark.parametrize(
    "other",
    [
        PatientIdentity("P2", "NORTH"),
        PatientIdentity("P1", "SOUTH"),
        PatientIdentity("P1", None),
        PatientIdentity("P1", "NORTH", date(1970, 1, 1)),
        PatientIdentity("P1", "NORTH", date(1960, 1, 2), "M"),
    ],
)
def test_an_exam_of_another_or_a_doubtful_patient_is_never_chosen(patient, other: PatientIdentity):
    choice = patient.choose([patient.candidate("foreign", "2026-03-05", patient=other)])
    assert roles(choice) == {}
    assert choice.considered[0].score == 0
    assert "P1" not in reasons(choice, "foreign")


def test_a_missing_issuer_is_the_site_s_own_where_the_policy_says_so(patient):
    unissued = patient.candidate("a", "2026-03-05", patient=PatientIdentity("P1"))
    assert roles(patient.choose([unissued], policy=PriorPolicy(identity=IdentityPolicy("NORTH")))) == {"baseline": "a"}


@pytest.mark.parametrize(
    ("uid", "day", "word"),
    [
        ("current", "2026-03-05", "current exam itself"),
        ("x", "2026-06-02", "later"),
        ("x", "2026-06-01", "same day"),
        ("x", None, "no date"),
    ],
)
def test_an_exam_that_is_not_earlier_is_rejected_with_the_reason(patient, uid: str, day: str | None, word: str):
    choice = patient.choose([patient.candidate(uid, day)])
    assert roles(choice) == {}
    assert word in reasons(choice, uid)


def test_times_tell_two_exams_of_one_day_apart(patient):
    current = patient.study("current", "2026-06-01T15:00")
    choice = patient.choose(
        [patient.candidate("a", "2026-06-01T09:00"), patient.candidate("b", "2026-06-01T18:00")], current=current
    )
    assert roles(choice) == {"baseline": "a"}


def test_a_current_exam_without_a_date_has_no_reference(patient):
    choice = patient.choose([patient.candidate("a", "2026-03-05")], current=patient.study("current", None))
    assert roles(choice) == {}
    assert choice.missing[Role.BASELINE] == "The current exam has no date."


def test_a_partial_study_is_marked_and_refused_where_the_site_says_so(patient):
    partial = patient.candidate("a", "2026-03-05", held_instances=3, archive_instances=30)
    choice = patient.choose([partial])
    assert choice.chosen(Role.BASELINE).is_partial
    assert "Only 3 of the archive's 30" in reasons(choice, "a")
    refused = patient.choose([partial], policy=PriorPolicy(allows_partial=False))
    assert refused.chosen(Role.BASELINE) is None


def test_a_whole_study_is_not_marked(patient):
    choice = patient.choose([patient.candidate("a", "2026-03-05", held_instances=30, archive_instances=30)])
    assert not choice.considered[0].is_partial


def test_a_late_baseline_is_said_to_be_late_and_may_be_refused(patient):
    late = patient.candidate("a", "2026-05-20")
    assert "made late" in reasons(patient.choose([late]), "a")
    choice = patient.choose([late], policy=PriorPolicy(maximum_baseline_delay_days=42))
    assert roles(choice) == {"prior": "a"}


def test_without_a_date_of_surgery_hardware_in_the_images_decides(patient):
    candidates = [
        patient.candidate("before", "2026-01-05", hardware_seen=False),
        patient.candidate("after", "2026-04-05", hardware_seen=True),
        patient.candidate("later", "2026-05-05", hardware_seen=True),
    ]
    seen = {one.study.study_instance_uid: one.hardware_seen for one in candidates}
    history = history_from_studies([one.study for one in candidates], hardware_seen=seen)
    assert roles(patient.choose(candidates, history)) == {
        "preoperative": "before",
        "baseline": "after",
        "prior": "later",
    }


def test_without_dates_or_hardware_the_words_and_the_order_of_the_exams_decide(patient):
    undated = SurgicalHistory(
        (replace(patient.history(("L4-L5 TLIF", "2026-03-02")).operations[0], earliest=None, latest=None),)
    )
    candidates = [
        patient.candidate("silent", "2025-12-01"),
        patient.candidate("preop", "2026-01-05", said="preop planning"),
        patient.candidate("postop", "2026-04-05", said="postop control"),
        patient.candidate("silent-later", "2026-05-05"),
    ]
    choice = patient.choose(candidates, undated)
    assert roles(choice) == {"preoperative": "preop", "baseline": "postop", "prior": "silent-later"}
    assert any("not known" in note for note in choice.notes)


def test_an_exam_of_the_day_of_surgery_is_placed_by_its_hardware_or_not_at_all(patient):
    assert roles(patient.choose([patient.candidate("a", "2026-03-02", hardware_seen=True)])) == {"baseline": "a"}
    assert roles(patient.choose([patient.candidate("a", "2026-03-02", hardware_seen=False)])) == {"preoperative": "a"}
    unclear = patient.choose([patient.candidate("a", "2026-03-02")])
    assert roles(unclear) == {"prior": "a"}
    assert "not known whether" in unclear.missing[Role.BASELINE]


def test_a_spine_that_was_never_operated_has_only_a_prior(patient):
    choice = patient.choose([patient.candidate("a", "2026-03-05")], SurgicalHistory())
    assert roles(choice) == {"prior": "a"}
    assert "No operation is known" in choice.missing[Role.BASELINE]


def test_what_was_overruled_is_among_the_notes(patient):
    from plumbline.exams.history import OverruledFact
    from plumbline.exams.order import SourceKind

    history = replace(
        patient.history(("L4-L5 TLIF", "2026-03-02")),
        overruled=(OverruledFact(SourceKind.ORDER, "operation on 2026-03-05", "the operator says otherwise"),),
    )
    assert any("2026-03-05" in note for note in patient.choose([], history).notes)


def test_the_contract_s_form_carries_role_parts_and_reasons(patient):
    document = patient.choose([patient.candidate("a", "2026-03-05")]).considered[0].as_json()
    assert document["role"] == "baseline"
    assert document["comparable"] is True
    assert document["reasons"]
    assert set(document["parts"]) >= {"modality", "time"}


def test_an_operation_that_cannot_be_dated_is_among_the_notes(patient):
    (dated,) = patient.history(("L4-L5 TLIF", "2026-03-02")).operations
    (other,) = patient.history(("L2-L3 discectomy", "2026-03-02")).operations
    history = SurgicalHistory((dated, replace(other, earliest=None, latest=date(2026, 6, 1))))
    choice = patient.choose([patient.candidate("baseline", "2026-03-05")], history)
    assert roles(choice) == {"baseline": "baseline"}
    assert any("L2-L3" in note and "cannot be dated" in note for note in choice.notes)
