"""What the exam page says below its headline and where its links lead: never more than was measured."""

from types import SimpleNamespace

import pytest

from plumbline.errors import InvalidInput
from plumbline.testing import ManualClock
from plumbline.worklist.results import ExamResult
from services.worklist_api.pages.exam_page import basis, series_addresses, viewer_links, why_not_compared
from services.worklist_api.pages.timeline import timeline

STORY = {
    "history": {"operations": [{"earliest": "2026-01-13", "latest": "2026-01-13", "procedures": ["TLIF"]}]},
    "days_since_surgery": {"2.25.772": 4, "2.25.773": -20},
}


def moments(document, results=None):
    return timeline("2.25.771", document, STORY, results or {})


def test_the_basis_names_what_was_measured_against_with_its_day(moved_spacer):
    said = basis(moved_spacer, moments(moved_spacer))
    assert said == "Compared with the baseline of 17 Jan 2026. Levels named from the sacrum, confidence 0.93."


def test_an_exam_that_was_chosen_but_not_measured_against_is_not_claimed(moved_spacer):
    references = [{**moved_spacer["references"][0], "role": "preoperative"}]
    said = basis({**moved_spacer, "references": references}, moments(moved_spacer))
    assert said.startswith("Measured against no earlier exam.")


def test_levels_without_an_anchor_are_said_to_be_without_one(moved_spacer):
    current = {"numbering": {"anchor": None, "confidence": 0.0}}
    assert "could not be named from an anchor" in basis({**moved_spacer, "current": current}, moments(moved_spacer))


def test_the_timeline_is_in_the_order_of_time_with_the_reasons(moved_spacer):
    told = [(each.kind, each.days_since_surgery) for each in moments(moved_spacer)]
    assert told == [("other", -20), ("operation", None), ("baseline", 4), ("current", 47)]
    assert moments(moved_spacer)[0].sentences == ["Chest CT."]


def test_an_exam_with_a_result_has_its_own_day_and_page(moved_spacer):
    document = {"exam": {"performed_at": "2026-01-18T08:00:00"}}
    results = {"2.25.772": ExamResult("2.25.772", 1, document, ManualClock().now())}
    baseline = next(each for each in moments(moved_spacer, results) if each.kind == "baseline")
    assert str(baseline.on) == "2026-01-18"
    assert baseline.has_page


@pytest.mark.parametrize(
    ("template", "reference", "address"),
    [
        ("a?s={studies}", "2.25.2", "a?s=2.25.1,2.25.2"),
        ("a?s={studies}", None, "a?s=2.25.1"),
        ("a?c={current}&r={reference}", "2.25.2", "a?c=2.25.1&r=2.25.2"),
        ("a?c={current}&r={reference}", None, None),
    ],
)
def test_links_of_other_viewers_have_the_exams_filled_in(template, reference, address):
    assert viewer_links({"Other": template}, "2.25.1", reference).get("Other") == address


def test_the_browser_fetches_the_lists_of_images_before_the_viewer_runs():
    view = {
        "current": {"study_instance_uid": "2.25.1", "series_instance_uid": "2.25.2"},
        "reference": {"study_instance_uid": "2.25.3", "series_instance_uid": "2.25.4"},
    }
    alone = ["/api/studies/2.25.1/series/2.25.2/images"]
    assert series_addresses(view) == alone
    both = {**view, "reference_from_current": {"translation_mm": [0, 0, 0]}}
    assert series_addresses(both) == [*alone, "/api/studies/2.25.3/series/2.25.4/images"]


@pytest.mark.parametrize(
    ("state", "why"),
    [("failed", "The step 'compare' failed."), ("not-applicable", "The step 'compare' failed."), ("complete", None)],
)
def test_an_exam_that_will_have_no_result_says_so(state, why):
    course = SimpleNamespace(state=state, note="The step 'compare' failed.")
    context = SimpleNamespace(records=SimpleNamespace(overview=SimpleNamespace(course_of=lambda _uid: course)))
    assert why_not_compared(context, "2.25.1") == why


def test_of_an_exam_that_nobody_knows_nothing_is_said():
    def refuse(uid):
        raise InvalidInput("there is no such exam", where=uid)

    context = SimpleNamespace(records=SimpleNamespace(overview=SimpleNamespace(course_of=refuse)))
    assert why_not_compared(context, "2.25.1") is None
