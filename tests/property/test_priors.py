"""Laws of the choice of references: never across patients, never from the future, never two roles for one exam."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from plumbline.exams.facts import SourceKind
from plumbline.exams.history import Operation, SurgicalHistory, is_after
from plumbline.exams.identity import IdentityPolicy, same_patient
from plumbline.exams.recognition import recognise
from plumbline.exams.study import PatientIdentity, Series, Study
from plumbline.priors.choice import Candidate, PriorPolicy, ReferenceChoice, Role
from plumbline.priors.matching import choose_references

_START = datetime(2024, 1, 1)
_IDENTITIES = st.builds(
    PatientIdentity,
    patient_id=st.sampled_from(["1", "2", "01", " 1", ""]),
    issuer=st.sampled_from(["NORTH", "SOUTH", "", None]),
    birth_date=st.sampled_from([date(1960, 1, 2), date(1960, 2, 1), None]),
    sex=st.sampled_from(["M", "F", "O", None]),
    other_ids=st.sampled_from(
        [(), (("1", "NORTH"),), (("1", None),), (("", "NORTH"),), (("2", "SOUTH"), ("1", "SOUTH"))]
    ),
)
_STUDIES = st.builds(
    lambda uid, patient, day, modality, description: Study(
        f"1.{uid}",
        patient,
        (Series(f"1.{uid}.1", modality, ()),),
        None if day is None else _START + timedelta(days=day),
        description=description,
    ),
    uid=st.integers(0, 12),
    patient=_IDENTITIES,
    day=st.one_of(st.none(), st.integers(0, 30)),
    modality=st.sampled_from(["CT", "CT", "MR", "DX", "SR"]),
    description=st.sampled_from(["CT LSPINE", "postop LSPINE TLIF", "preop LSPINE", "CSPINE", "CHEST", None]),
)
_CANDIDATES = st.lists(
    st.builds(
        lambda study, held, archive, seen: Candidate(study, recognise(study), held, archive, seen),
        _STUDIES,
        st.one_of(st.none(), st.integers(0, 3)),
        st.one_of(st.none(), st.integers(0, 3)),
        st.sampled_from([None, True, False]),
    ),
    max_size=10,
)
_OPERATIONS = st.lists(
    st.builds(
        lambda day, width, is_open: Operation(
            earliest=None if is_open else (_START + timedelta(days=day)).date(),
            latest=(_START + timedelta(days=day + width)).date(),
            levels=(),
            procedures=("TLIF",),
            source=SourceKind.ORDER,
            confidence=0.9,
            evidence="The order tells of an operation done.",
        ),
        st.integers(0, 30),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=3,
)
_POLICIES = st.builds(
    lambda issuer, partial: PriorPolicy(identity=IdentityPolicy(issuer), allows_partial=partial),
    st.sampled_from([None, "NORTH", ""]),
    st.booleans(),
)


def _choose(
    current: Study, candidates: list[Candidate], operations: list[Operation], policy: PriorPolicy
) -> ReferenceChoice:
    history = SurgicalHistory(tuple(sorted(operations, key=lambda op: op.latest or date.max)))
    return choose_references(current, recognise(current, history=history), candidates, history, policy)


def _of(choice: ReferenceChoice, candidates: list[Candidate], uid: str) -> Candidate:
    return next(one for one in candidates if one.study.study_instance_uid == uid)


@given(_STUDIES, _CANDIDATES, _OPERATIONS, _POLICIES)
def test_two_patients_are_never_in_one_comparison(current, candidates, operations, policy):
    choice = _choose(current, candidates, operations, policy)
    for reference in choice.considered:
        other = _of(choice, candidates, reference.study_instance_uid).study.patient
        if reference.role is not None or reference.comparable:
            assert same_patient(current.patient, other, policy.identity).is_same
            mine = {
                (i.strip(), (s or "").strip() or (policy.identity.default_issuer or ""))
                for i, s in _pairs(current.patient)
            }
            theirs = {
                (i.strip(), (s or "").strip() or (policy.identity.default_issuer or "")) for i, s in _pairs(other)
            }
            assert any(identifier for identifier, _ in mine & theirs)
            assert (
                None in (current.patient.birth_date, other.birth_date) or current.patient.birth_date == other.birth_date
            )


def _pairs(patient: PatientIdentity) -> list[tuple[str, str | None]]:
    return [(patient.patient_id, patient.issuer), *patient.other_ids]


@given(_STUDIES, _CANDIDATES, _OPERATIONS, _POLICIES)
def test_a_chosen_exam_is_earlier_comparable_and_has_one_role(current, candidates, operations, policy):
    choice = _choose(current, candidates, operations, policy)
    chosen = [one for one in choice.considered if one.role is not None]
    assert len({one.role for one in chosen}) == len(chosen)
    for reference in chosen:
        study = _of(choice, candidates, reference.study_instance_uid).study
        assert reference.comparable
        assert study.performed_at is not None and current.performed_at is not None
        assert study.performed_at < current.performed_at
        assert policy.allows_partial or not reference.is_partial


@given(_STUDIES, _CANDIDATES, _OPERATIONS, _POLICIES)
def test_every_candidate_comes_back_once_with_reasons_and_every_role_is_filled_or_missing(
    current, candidates, operations, policy
):
    choice = _choose(current, candidates, operations, policy)
    uids = [one.study_instance_uid for one in choice.considered]
    assert sorted(uids) == sorted({one.study.study_instance_uid for one in candidates})
    assert all(one.reasons and all(one.reasons) for one in choice.considered)
    assert all((choice.chosen(role) is None) is (role in choice.missing) for role in Role)


@given(_STUDIES, _CANDIDATES, _OPERATIONS, _POLICIES)
def test_dates_are_never_contradicted(current, candidates, operations, policy):
    """An exam from before the last possible operation is no baseline, one from after all of them not preoperative."""
    choice = _choose(current, candidates, operations, policy)
    for role, forbidden in ((Role.BASELINE, False), (Role.PREOPERATIVE, True)):
        reference = choice.chosen(role)
        if reference is None or not operations:
            continue
        day = _of(choice, candidates, reference.study_instance_uid).study.performed_at.date()  # type: ignore[union-attr]
        assert not all(is_after(operation, day) is forbidden for operation in operations)


@given(_STUDIES, _CANDIDATES, _OPERATIONS, _POLICIES, st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_are_found_does_not_matter(current, candidates, operations, policy, random):
    unique = list({one.study.study_instance_uid: one for one in candidates}.values())
    shuffled = list(unique)
    random.shuffle(shuffled)
    assert _choose(current, unique, operations, policy) == _choose(current, shuffled, operations, policy)
