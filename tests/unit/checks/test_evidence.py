"""Which pictures are drawn of what was found."""

from __future__ import annotations

import pytest

from plumbline.checks.evidence import draw_evidence
from plumbline.checks.finding import CheckName
from plumbline.checks.registry import run_checks
from plumbline.errors import AnalysisFailed
from plumbline.imaging.drawing import BASELINE_COLOUR, CURRENT_COLOUR, FOOTER_PX, HEADER_PX, PANEL_PX
from tests.unit.checks.conftest import numbered, without_metal


def drawn(context):
    return draw_evidence(context, run_checks(context))


def has_colour(pixels, colour) -> bool:
    return bool((pixels == colour).all(axis=-1).any())


def test_a_measured_spacer_is_shown_in_both_exams(compare, migrated):
    (picture,) = drawn(compare(migrated))
    assert picture.pixels.shape == (HEADER_PX + 2 * (PANEL_PX + FOOTER_PX), 3 * PANEL_PX, 3)
    assert has_colour(picture.pixels, BASELINE_COLOUR)
    assert has_colour(picture.pixels, CURRENT_COLOUR)
    assert picture.caption.startswith("L4-L5: baseline and current exam")
    assert "3.5 ±" in picture.caption
    assert set(picture.checks) == {"spacer-migration", "spacer-position"}


def test_without_a_comparison_the_current_exam_is_shown_alone(compare, migrated):
    (picture,) = drawn(compare(migrated, baseline=None))
    assert picture.pixels.shape[0] == HEADER_PX + PANEL_PX + FOOTER_PX
    assert picture.checks == ("spacer-position",)
    assert not has_colour(picture.pixels, BASELINE_COLOUR)


def test_an_unnamed_level_is_shown_too(compare, migrated):
    (picture,) = drawn(compare(numbered(migrated), baseline=None))
    assert picture.caption.startswith("Unnamed level")


def test_nothing_is_drawn_where_there_is_nothing_to_show(compare, unmoved):
    assert drawn(compare(without_metal(unmoved))) == ()
    assert drawn(compare(AnalysisFailed("no spine can be found"))) == ()
    assert drawn(compare(ValueError("x"))) == ()


def test_nothing_is_drawn_of_a_level_that_was_not_checked(compare, migrated):
    context = compare(migrated, baseline=None)
    assert draw_evidence(context, run_checks(context, [CheckName.LEVEL_LABELLING])) == ()


def test_a_measurement_that_broke_still_shows_where_the_spacer_lies(compare, migrated, monkeypatch):
    monkeypatch.setattr("plumbline.checks.context.measure_spacer", lambda *_: 1 / 0)
    (picture,) = drawn(compare(migrated, fresh=True))
    assert picture.checks == ("spacer-position",)


def test_the_same_exams_give_the_same_picture(compare, migrated):
    first, second = (drawn(compare(migrated, baseline=None))[0] for _ in range(2))
    assert (first.pixels == second.pixels).all()


@pytest.mark.parametrize("uid", ["2.25.101", "2.25.102"])
def test_no_identifier_is_in_a_caption(compare, migrated, uid):
    assert uid not in drawn(compare(migrated, baseline=None))[0].caption
