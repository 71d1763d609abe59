import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from plumbline.checks.finding import CheckName, Status
from plumbline.priors.choice import Role
from plumbline.reports import codes as table
from plumbline.triage.priority import Priority

NOT_IN_PYDICOM = {
    ("257275005", "SCT"),  # Spinal cage, from the contract
}
KEYS = (
    "translation_posterior_mm",
    "translation_cranial_mm",
    "translation_left_mm",
    "translation_mm",
    "translation_posterior_above_mm",
    "rotation_deg",
    "rotation_above_deg",
    "subsidence_mm",
    "posterior_margin_mm",
    "baseline_posterior_margin_mm",
    "preoperative_disc_height_mm",
    "disc_height_mm",
    "baseline_disc_height_mm",
    "disc_height_lost_mm",
    "disc_height_lost_anterior_mm",
    "disc_height_lost_posterior_mm",
    "prior_collection_volume_mm3",
    "mean_density_hu",
    "level_offset",
)


@pytest.fixture(scope="module")
def known_meanings() -> dict[tuple[str, str], set[str]]:
    """(value, scheme) to the meanings that pydicom's dictionaries give it."""
    meanings: dict[tuple[str, str], set[str]] = {}
    for scheme in ("DCM", "SCT", "UCUM", "LN", "UMLS"):
        dictionary = getattr(codes, scheme)
        for keyword in dictionary.dir():
            code = getattr(dictionary, keyword)
            meanings.setdefault(table.pair(code), set()).add(code.meaning)
    return meanings


def test_standard_codes_are_those_of_pydicom(known_meanings: dict[tuple[str, str], set[str]]) -> None:
    rows = [row for row in table.code_table() if row.scheme != table.PRIVATE_SCHEME]
    unknown = {(row.value, row.scheme) for row in rows} - set(known_meanings)
    assert unknown == NOT_IN_PYDICOM
    wrong = [
        row
        for row in rows
        if (row.value, row.scheme) in known_meanings and row.meaning not in known_meanings[row.value, row.scheme]
    ]
    assert wrong == []


def test_named_standard_codes_are_those_of_pydicom(known_meanings: dict[tuple[str, str], set[str]]) -> None:
    for code in (table.SOURCE, table.PRIORITY):
        assert any(meaning.startswith(code.meaning) for meaning in known_meanings[table.pair(code)])


def test_private_codes_fit_their_attributes_and_are_unique() -> None:
    rows = [row for row in table.code_table() if row.scheme == table.PRIVATE_SCHEME]
    assert len(rows) > 40
    assert len({row.meaning for row in rows}) == len(rows)
    assert all(len(row.value) <= 16 and len(row.meaning) <= 64 and row.meaning for row in rows)
    assert len(table.PRIVATE_SCHEME) <= 16


def test_a_private_code_that_is_not_listed_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        table.private("no-such-code")


@pytest.mark.parametrize(
    ("code", "value", "scheme"),
    [
        (table.finding_code(CheckName.SPACER_MIGRATION), "370512004", "SCT"),
        (table.implant_code("spacer"), "257275005", "SCT"),
        (table.implant_code("screw"), "68183006", "SCT"),
        (table.implant_code("rod"), "40388003", "SCT"),
        (table.time_point_type(None), "262061000", "SCT"),
        (table.time_point_type(Role.PREOPERATIVE), "262068006", "SCT"),
        (table.time_point_type(Role.BASELINE), "121079", "DCM"),
        (table.measurement_concept("translation_left_mm").name, "110822", "DCM"),
        (table.measurement_concept("translation_posterior_mm").name, "110823", "DCM"),
        (table.measurement_concept("translation_cranial_mm").name, "110824", "DCM"),
        (table.measurement_concept("rotation_deg").name, "130523", "DCM"),
        (table.measurement_concept("translation_mm").name, "121206", "DCM"),
    ],
)
def test_the_codes_of_the_contract_are_used(code: Code, value: str, scheme: str) -> None:
    assert table.pair(code) == (value, scheme)


@pytest.mark.parametrize(
    ("level", "value", "scheme"),
    [
        ("L1", "66794005", "SCT"),
        ("L5", "49668003", "SCT"),
        ("T11", "12989004", "SCT"),
        ("S1", "65985001", "SCT"),
        ("T12-L1", "76206002", "SCT"),
        ("L4-L5", "84020006", "SCT"),
        ("L5-S1", "715056000", "SCT"),
        ("C5-C6", "73959003", "SCT"),
        ("T9", "82687006", "SCT"),
        (None, "421060004", "SCT"),
        ("L6-S1", "L6-S1", "99PLUMBLINE"),
        ("T13", "T13", "99PLUMBLINE"),
        ("left S1 screw head", "left S1 screw head", "99PLUMBLINE"),
    ],
)
def test_sites_are_standard_where_a_code_exists(level: str | None, value: str, scheme: str) -> None:
    assert table.pair(table.site_code(level)) == (value, scheme)


@pytest.mark.parametrize("check", list(CheckName))
def test_each_check_has_a_finding_of_its_own(check: CheckName) -> None:
    assert table.check_of_finding(table.pair(table.finding_code(check))) is check


def test_a_foreign_finding_is_of_no_check() -> None:
    assert table.check_of_finding(("108369006", "SCT")) is None


def test_every_status_priority_and_role_has_a_code() -> None:
    assert len({table.status_code(status) for status in Status}) == len(Status)
    assert len({table.priority_code(priority) for priority in Priority}) == len(Priority)
    assert [table.role_of_code(table.pair(table.study_role_code(role))) for role in Role] == list(Role)
    assert table.role_of_code(table.pair(table.study_role_code(None))) is None


def test_only_a_positive_finding_is_called_present() -> None:
    present = [status for status in Status if table.presence_code(status) == codes.cid240.Present]
    assert present == [Status.POSITIVE]


def decoded(key: str) -> str | None:
    concept = table.measurement_concept(key)
    modifiers = {table.pair(name): table.pair(value) for name, value in concept.modifiers}
    return table.measurement_key(table.pair(concept.name), modifiers, concept.unit.value)


@pytest.mark.parametrize("key", KEYS)
def test_a_measurement_key_survives_coding(key: str) -> None:
    assert decoded(key) == key


@given(st.from_regex(r"[a-z]{1,12}(_[a-z]{1,8}){0,2}_(mm|deg|mm2|hu|percent)", fullmatch=True))
def test_any_measurement_key_survives_coding(key: str) -> None:
    assert decoded(key) == key


def test_motion_says_which_vertebra_it_is_told_in() -> None:
    below = table.measurement_concept("translation_posterior_mm")
    above = table.measurement_concept("translation_posterior_above_mm")
    assert below.name == above.name
    assert below.modifiers != above.modifiers
    assert [value.value for _, value in above.modifiers] == ["above"]


def test_another_systems_measurement_has_no_key() -> None:
    assert table.measurement_key(("103339001", "SCT"), {}, "mm") is None


def test_an_unlisted_modality_is_still_named() -> None:
    assert table.pair(table.modality_code("XYZ")) == ("XYZ", "DCM")
    assert table.procedure_code("XYZ") == codes.cid100.ImagingProcedure
