"""Identity of an implant: the same whenever and by whatever name it is seen, and nobody else's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plumbline.checks.tracking import screw_tracking, spacer_tracking

uids = st.from_regex(r"\A2\.25\.[1-9][0-9]{0,30}\Z")


@given(uids, st.integers(0, 24), st.sampled_from(["L4-L5", "L5-L6", None]))
def test_a_name_does_not_change_the_identity(uid, ordinal, level):
    assert spacer_tracking(uid, ordinal, level).tracking_uid == spacer_tracking(uid, ordinal, "T1-T2").tracking_uid


@given(st.tuples(uids, st.integers(0, 24)), st.tuples(uids, st.integers(0, 24)))
def test_two_implants_never_share_an_identity(first, second):
    same = spacer_tracking(*first, "L4-L5").tracking_uid == spacer_tracking(*second, "L4-L5").tracking_uid
    assert same is (first == second)


@given(uids, st.integers(0, 24))
def test_an_identity_is_a_valid_uid_and_does_not_tell_the_study(uid, ordinal):
    tracked = spacer_tracking(uid, ordinal, None)
    assert len(tracked.tracking_uid) <= 64
    assert set(tracked.tracking_uid) <= set("0123456789.")
    assert not any(part.startswith("0") and part != "0" for part in tracked.tracking_uid.split("."))
    assert uid not in tracked.tracking_identifier


def test_an_identity_stays_what_it_was_for_ever():
    """Written down once: reports that are already in archives refer to it."""
    assert spacer_tracking("2.25.1", 3, "L4-L5").tracking_uid == "2.25.306759478155928890219067803192762058151"


def test_people_read_the_level():
    assert spacer_tracking("2.25.1", 3, "L4-L5").tracking_identifier == "Interbody spacer L4-L5"
    assert spacer_tracking("2.25.1", 3, None).tracking_identifier == "Interbody spacer at an unnamed level"


def test_a_screw_keeps_its_identity_and_is_told_from_its_neighbours():
    same = screw_tracking("2.25.1", 2, "left", "L4").tracking_uid
    assert same == screw_tracking("2.25.1", 2, "left", "L5").tracking_uid, "names may change"
    others = {
        screw_tracking("2.25.1", 2, "right", "L4").tracking_uid,
        screw_tracking("2.25.1", 3, "left", "L4").tracking_uid,
        screw_tracking("2.25.2", 2, "left", "L4").tracking_uid,
        spacer_tracking("2.25.1", 2, "L4-L5").tracking_uid,
    }
    assert len(others) == 4
    assert same not in others


def test_a_screw_is_named_for_people():
    assert screw_tracking("2.25.1", 2, "left", "L4").tracking_identifier == "Pedicle screw L4 left"
    assert screw_tracking("2.25.1", 2, "left", None).tracking_identifier == "Pedicle screw of an unnamed vertebra left"
