import pytest

from plumbline.errors import InvalidInput
from plumbline.worklist.dataset import element, sequence
from plumbline.worklist.matching import attribute_path, matches, matches_value, moment_span, search_key


@pytest.mark.parametrize(
    ("vr", "stored", "wanted", "does"),
    [
        ("LO", "CT lumbar", "CT*", True),
        ("LO", "CT lumbar", "ct*", False),
        ("LO", "CT (1)", "CT (?)", True),
        ("LO", "CT 1x", "CT ?", False),
        ("LO", "a.c", "abc", False),
        ("PN", {"Alphabetic": "Example^Ada"}, "EXAMPLE*", True),
        ("PN", {"Ideographic": "山田^太郎"}, "山田*", True),
        ("PN", {"Alphabetic": "Example^Ada"}, "Ada", False),
        ("UI", "2.25.1", "2.25.1\\2.25.2", True),
        ("UI", "2.25.1", "2.25.11,2.25.2", False),
        ("UI", "2.25.1", "2.25.*", False),
        ("DA", "20260301", "20260301", True),
        ("DA", "20260301", "20260228-20260301", True),
        ("DA", "20260301", "20260302-", False),
        ("DA", "20260301", "-20260301", True),
        ("TM", "093015", "0930", True),
        ("TM", "093015", "0900-0930", True),
        ("TM", "093115", "0900-0930", False),
        ("DT", "20260301093000", "20260301", True),
        ("DT", "20260301093000", "20260301-20260301", True),
        ("DT", "20260301093000", "2026030110-", False),
        ("DT", "20260301093000.000+0000", "20260301103000+0100", True),
        ("DT", "20260301233000.000-0500", "20260302", True),
        ("DT", "20260301093000", "20260301-0500-", True),
        ("DT", "20260301093000", "-20260301093000.5", True),
        ("DT", "20260301093000", "nonsense", False),
        ("DS", 40, "40.0", True),
        ("DS", "40", "x", False),
        ("CS", "HIGH", "HIGH", True),
        ("CS", "HIGH", "H*", True),
    ],
)
def test_values_match_by_the_rules_of_their_vr(vr, stored, wanted, does):
    assert matches_value(vr, stored, wanted) is does


def test_keys_below_one_sequence_have_to_be_met_by_one_item():
    item = {"00080100": element("SH", "1"), "00080102": element("SH", "DCM")}
    other = {"00080100": element("SH", "2"), "00080102": element("SH", "SCT")}
    dataset = {"00404018": sequence(item, other)}
    value, scheme = "ScheduledWorkitemCodeSequence.CodeValue", "ScheduledWorkitemCodeSequence.CodingSchemeDesignator"
    assert matches(dataset, [search_key(value, "1"), search_key(scheme, "DCM")])
    assert not matches(dataset, [search_key(value, "1"), search_key(scheme, "SCT")])


def test_an_empty_key_and_a_lone_asterisk_match_even_what_is_absent():
    assert matches({}, [search_key("PatientID", ""), search_key("PatientName", "*")])
    assert matches({}, [search_key("ScheduledWorkitemCodeSequence.CodeValue", "")])
    assert not matches({}, [search_key("PatientID", "1")])


@pytest.mark.parametrize("value", ["*", "", "20260301-", "-202603", "20260301080000.5+0100-20260302"])
def test_moments_and_ranges_are_keys(value):
    assert search_key("ScheduledProcedureStepStartDateTime", value).value == value


@pytest.mark.parametrize("value", ["-", "20261301", "20260301-20261301", "2026-03-01T08:00", "20260301--"])
def test_what_is_no_moment_is_no_key(value):
    with pytest.raises(InvalidInput):
        search_key("ScheduledProcedureStepStartDateTime", value)


def test_empty_components_at_the_end_of_a_name_say_nothing():
    assert matches_value("PN", {"Alphabetic": "Example^Ada"}, "Example^Ada^^^")
    assert matches_value("PN", {"Alphabetic": "Example^Ada^^"}, "example^ada")


def test_any_of_several_values_may_match():
    assert matches({"00102000": element("LO", "latex", "iodine")}, [search_key("MedicalAlerts", "iod*")])


@pytest.mark.parametrize("name", ["", "patientID", "NoSuch", "0010", "PatientID.", "ReferencedRequestSequence..x"])
def test_what_is_no_attribute_is_refused(name):
    with pytest.raises(InvalidInput):
        attribute_path(name)


def test_tags_and_keywords_may_be_mixed_in_a_path():
    assert attribute_path("0040a370.AccessionNumber") == ("0040A370", "00080050")


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("2026", "2026-01-01T00:00:00", "2026-12-31T23:59:59.999999"),
        ("202602", "2026-02-01T00:00:00", "2026-02-28T23:59:59.999999"),
        ("20241231", "2024-12-31T00:00:00", "2024-12-31T23:59:59.999999"),
        ("2026030109", "2026-03-01T09:00:00", "2026-03-01T09:59:59.999999"),
        ("20260301093000.5", "2026-03-01T09:30:00.500000", "2026-03-01T09:30:00.599999"),
    ],
)
def test_a_moment_of_lesser_precision_is_a_span(value, first, last):
    assert [each.replace(tzinfo=None).isoformat() for each in moment_span(value)] == [first, last]


@pytest.mark.parametrize("value", ["", "20261301", "20260230", "x", "99991231", "2026-03-01"])
def test_what_is_no_moment_has_no_span(value):
    assert moment_span(value) is None or value == "99991231"
