import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from plumbline.errors import InvalidInput
from plumbline.reports.identifiers import ObjectKind, derived_uid, workitem_uid

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
ARGUMENTS = st.tuples(TEXT, st.integers(0, 99), TEXT, st.sampled_from(ObjectKind), st.integers(0, 99), TEXT)


def uid_of(study: str, revision: int, version: str, kind: ObjectKind, ordinal: int, about: str) -> str:
    return derived_uid(study, revision=revision, algorithm_version=version, kind=kind, ordinal=ordinal, about=about)


def test_the_uid_of_a_known_report_never_changes() -> None:
    uid = derived_uid("1.2.3", revision=1, algorithm_version="0.1.0", kind=ObjectKind.REPORT)
    assert uid == "2.25.229029929459402577291107617420817445972"


@given(ARGUMENTS)
def test_a_derived_uid_is_valid_and_the_same_every_time(arguments: tuple) -> None:
    uid = uid_of(*arguments)
    assert UID(uid).is_valid
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert uid == uid_of(*arguments)


@given(ARGUMENTS, ARGUMENTS)
def test_what_differs_in_any_part_has_another_uid(one: tuple, other: tuple) -> None:
    assert (uid_of(*one) == uid_of(*other)) == (one == other)


def test_parts_do_not_run_into_each_other() -> None:
    assert uid_of("1.2", 3, "1.0", ObjectKind.REPORT, 0, "") != uid_of("1.23", 0, "1.0", ObjectKind.REPORT, 0, "")


def test_the_workitem_is_not_the_report() -> None:
    report = derived_uid("1.2.3", revision=1, algorithm_version="0.1.0", kind=ObjectKind.REPORT)
    assert workitem_uid("1.2.3", revision=1, algorithm_version="0.1.0") != report


@pytest.mark.parametrize(("study", "revision", "version"), [("", 1, "1.0"), ("1.2", 1, ""), ("1.2", -1, "1.0")])
def test_an_incomplete_origin_is_refused(study: str, revision: int, version: str) -> None:
    with pytest.raises(InvalidInput):
        derived_uid(study, revision=revision, algorithm_version=version, kind=ObjectKind.REPORT)
