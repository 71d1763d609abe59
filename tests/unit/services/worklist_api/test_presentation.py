"""How a list tells the reasons of a priority: what first, on what it rests, nothing twice; and how far was read."""

import pytest

from services.worklist_api.pages.presentation import position, why

FLAG = "The order tells of a new neurological deficit."
IN_CANAL = "L4-L5: the spacer reaches into the canal. Its centre lies 9.4 ± 0.2 mm posterior of the baseline. More."
MOVED = "L4-L5: the spacer is not where it was. It lies 9.4 mm posterior."


def test_the_first_reason_is_told_with_what_it_rests_on():
    told = why([IN_CANAL, MOVED])
    assert told.headline == "L4-L5: the spacer reaches into the canal."
    assert told.basis == "Its centre lies 9.4 ± 0.2 mm posterior of the baseline."
    assert told.others == ["L4-L5: the spacer is not where it was."]


def test_what_was_measured_is_not_lost_behind_what_was_ordered():
    told = why([FLAG, IN_CANAL, MOVED])
    assert (told.headline, told.basis) == (FLAG, "")
    assert told.others == [
        "L4-L5: the spacer reaches into the canal. Its centre lies 9.4 ± 0.2 mm posterior of the baseline.",
        "L4-L5: the spacer is not where it was.",
    ]


@pytest.mark.parametrize(
    ("reasons", "others", "further"),
    [([], [], 0), ([FLAG], [], 0), ([MOVED, MOVED], [], 0), ([FLAG, "Two.", "Three.", "Four."], ["Two.", "Three."], 1)],
)
def test_nothing_is_told_twice_and_what_is_left_out_is_counted(reasons, others, further):
    told = why(reasons)
    assert (told.others, told.further) == (others, further)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("4106", "4106"),
        ("2026-11-28T02:27:35.034134+00:00", "28 Nov 2026, 02:27:35 UTC"),
        ("a1b2", "a1b2"),
    ],
)
def test_how_far_a_source_was_read_is_told_as_people_read_it(kept, told):
    assert position(kept) == told
