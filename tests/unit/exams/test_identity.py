from dataclasses import replace
from datetime import date

import pytest

from plumbline.exams.identity import IdentityPolicy, SamePatient, same_patient, same_patients
from plumbline.exams.study import PatientIdentity

ANNA = PatientIdentity("4711", "NORTH", date(1960, 1, 2), "F")


def test_identifier_and_issuer_agree():
    assert same_patient(ANNA, ANNA).is_same


@pytest.mark.parametrize("changes", [{"birth_date": None}, {"sex": None}, {"sex": "O"}, {"patient_id": " 4711 "}])
def test_what_is_not_known_does_not_speak_against(changes: dict):
    assert same_patient(ANNA, replace(ANNA, **changes)).is_same


@pytest.mark.parametrize("changes", [{"patient_id": "4712"}, {"issuer": "SOUTH"}, {"issuer": None}, {"patient_id": ""}])
def test_another_identifier_or_issuer_is_another_patient(changes: dict):
    assert same_patient(ANNA, replace(ANNA, **changes)).answer is SamePatient.DIFFERENT


def test_a_missing_issuer_means_the_site_s_own():
    unissued = replace(ANNA, issuer=None)
    assert same_patient(ANNA, unissued, IdentityPolicy("NORTH")).is_same
    assert not same_patient(ANNA, unissued, IdentityPolicy("SOUTH")).is_same
    assert same_patient(unissued, unissued).is_same


@pytest.mark.parametrize("changes", [{"birth_date": date(1961, 1, 2)}, {"sex": "M"}])
def test_a_contradiction_is_a_conflict_for_a_person(changes: dict):
    assert same_patient(ANNA, replace(ANNA, **changes)).answer is SamePatient.CONFLICT


def test_two_empty_identifiers_are_not_the_same_patient():
    nobody = PatientIdentity("")
    assert same_patient(nobody, nobody).answer is SamePatient.DIFFERENT


def test_a_further_identifier_counts_with_its_issuer():
    linked = PatientIdentity("X9", "SOUTH", other_ids=(("4711", "NORTH"),))
    assert same_patient(ANNA, linked).is_same
    assert not same_patient(ANNA, replace(linked, other_ids=(("4711", "EAST"),))).is_same


@pytest.mark.parametrize("other", [replace(ANNA, birth_date=date(1961, 1, 2)), replace(ANNA, issuer="SOUTH"), ANNA])
def test_the_sentence_names_no_patient_data(other: PatientIdentity):
    sentence = same_patient(ANNA, other).sentence
    for value in ("4711", "NORTH", "SOUTH", "1960", "1961"):
        assert value not in sentence


def test_the_rule_is_symmetric():
    other = replace(ANNA, issuer="SOUTH")
    assert same_patient(ANNA, other) == same_patient(other, ANNA)


def test_records_that_agree_with_the_current_one_must_agree_with_each_other():
    undated = replace(ANNA, birth_date=None)
    others = [ANNA, replace(ANNA, birth_date=date(1961, 1, 2))]
    assert all(same_patient(undated, other).is_same for other in others)
    assert [each.answer for each in same_patients(undated, others)] == [SamePatient.CONFLICT] * 2


def test_a_record_that_leaves_open_what_others_contest_may_be_of_either_person():
    others = [ANNA, replace(ANNA, birth_date=None), replace(ANNA, birth_date=date(1961, 1, 2)), replace(ANNA, sex=None)]
    answers = [each.answer for each in same_patients(ANNA, others)]
    assert answers == [SamePatient.SAME, SamePatient.CONFLICT, SamePatient.CONFLICT, SamePatient.SAME]


def test_records_of_other_identifiers_contest_nothing():
    others = [replace(ANNA, birth_date=None), replace(ANNA, patient_id="4712", birth_date=date(1961, 1, 2))]
    assert [each.answer for each in same_patients(ANNA, others)] == [SamePatient.SAME, SamePatient.DIFFERENT]
