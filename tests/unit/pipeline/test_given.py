"""References that a person names: taken at their word, but never another patient's."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from plumbline.errors import Conflict
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.pipeline.given import given_references
from plumbline.pipeline.story import Story, tell_story
from plumbline.priors.choice import Role

PATIENT = PatientIdentity("P1", "NORTH", date(1960, 1, 2), "F")
NO_DEFAULT = IdentityPolicy()


def study(uid: str, day: str | None, *, patient: PatientIdentity = PATIENT, modality: str = "CT") -> Study:
    instances = tuple(
        Instance(
            f"{uid}.{i}",
            "1.2.840.10008.5.1.4.1.1.2",
            image_position_lps_mm=(0.0, 0.0, float(i)),
            image_orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        )
        for i in range(30)
    )
    performed = datetime.fromisoformat(day) if day else None
    return Study(uid, patient, (Series(f"{uid}.0", modality, instances),), performed, False, f"{modality} LSPINE")


class NoImages:
    """Nothing here may open an image."""


def story(current: Study) -> Story:
    return tell_story(current, NoImages(), may_open_images=False)  # type: ignore[arg-type]


def given(other: Study, current: Study | None = None, role: Role = Role.BASELINE, policy=NO_DEFAULT):
    return given_references(story(current or study("2.25.1", "2026-06-01")), {role: other}, policy)


def test_the_named_exam_is_the_reference_and_that_a_person_named_it_is_said():
    choice = given(study("2.25.2", "2026-03-03"))
    reference = choice.chosen(Role.BASELINE)
    assert reference is not None
    assert reference.study_instance_uid == "2.25.2"
    assert reference.comparable
    assert reference.reasons == ("Named as the baseline exam by the person who asked.",)
    assert choice.missing == {Role.PREOPERATIVE: "None was given."}


def test_without_any_both_roles_are_missing_with_the_reason():
    choice = given_references(story(study("2.25.1", "2026-06-01")), {}, IdentityPolicy())
    assert choice.considered == ()
    assert set(choice.missing) == {Role.BASELINE, Role.PREOPERATIVE}


def test_another_modality_is_taken_and_said_not_to_be_comparable():
    reference = given(study("2.25.2", "2026-03-03", modality="MR")).chosen(Role.BASELINE)
    assert reference is not None
    assert not reference.comparable
    assert "Its modality MR differs from CT." in reference.reasons


def test_an_exam_that_is_later_is_taken_and_that_is_said():
    reference = given(study("2.25.2", "2026-09-01")).chosen(Role.BASELINE)
    assert reference is not None
    assert "It is later than the current exam." in reference.reasons


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(PatientIdentity("P2", "NORTH", date(1960, 1, 2), "F"), id="another ID"),
        pytest.param(PatientIdentity("P1", "SOUTH", date(1960, 1, 2), "F"), id="another issuer"),
        pytest.param(PatientIdentity("P1", "NORTH", date(1961, 1, 2), "F"), id="another birth date"),
        pytest.param(PatientIdentity("", None, date(1960, 1, 2), "F"), id="no ID in one of the two"),
    ],
)
def test_two_patients_are_never_compared(other):
    with pytest.raises(Conflict) as refusal:
        given(study("2.25.2", "2026-03-03", patient=other), role=Role.PREOPERATIVE)
    assert refusal.value.where == "the preoperative exam"
    for private in ("P1", "P2", "1960", "1961", "NORTH", "SOUTH"):
        assert private not in str(refusal.value)


def test_exams_without_any_patient_id_are_of_one_patient_on_a_persons_word_and_that_is_said():
    nobody = PatientIdentity("")
    choice = given(study("2.25.2", "2026-03-03", patient=nobody), study("2.25.1", "2026-06-01", patient=nobody))
    reference = choice.chosen(Role.BASELINE)
    assert reference is not None
    assert any("word of whoever asked" in reason for reason in reference.reasons)


def test_the_sites_default_issuer_counts():
    unsigned = PatientIdentity("P1", None, date(1960, 1, 2), "F")
    assert given(study("2.25.2", "2026-03-03", patient=unsigned), policy=IdentityPolicy("NORTH")).chosen(Role.BASELINE)
    with pytest.raises(Conflict):
        given(study("2.25.2", "2026-03-03", patient=unsigned), policy=IdentityPolicy("SOUTH"))
