import itertools
import re
from datetime import UTC, date, datetime

import pytest

from plumbline.worklist.results import ExamResult
from services.worklist_api.trends.chart import chart
from services.worklist_api.trends.series import series_of

AT = datetime(2026, 7, 1, tzinfo=UTC)


def result(number, performed_at, value, baseline="2.25.1", key="translation_mm", check="spacer-migration"):
    document = {
        "exam": {"performed_at": performed_at},
        "references": [{"role": "baseline", "study_instance_uid": baseline}],
        "findings": [
            {
                "check": check,
                "level": "L4-L5",
                "reference": "baseline",
                "measurements": {key: {"value": value, "uncertainty_95": 0.4}},
            }
        ],
    }
    return ExamResult(f"2.25.{number}", 1, document, AT)


def drawn(*results, **thresholds):
    (series,) = series_of(results, thresholds)
    days = [point.on for point in series.points]
    return str(chart(series, min(days), max(days)).svg)


def test_a_series_is_in_the_order_of_time_whatever_the_order_of_the_results():
    results = [result(3, "2026-06-01T09:00:00", 3.0), result(2, "2026-03-01T09:00:00", 1.0)]
    (series,) = series_of(results, {"migration_mm": 2.0})
    assert [(point.on, point.value) for point in series.points] == [(date(2026, 3, 1), 1.0), (date(2026, 6, 1), 3.0)]
    assert series.threshold == 2.0


def test_exams_without_a_date_and_what_is_told_elsewhere_are_left_out():
    results = [
        result(2, None, 1.0),
        result(3, "2026-03-01T09:00:00", 1.0, key="translation_left_above_mm"),
        result(4, "2026-03-01T09:00:00", 1.0, key="posterior_margin_mm"),
    ]
    assert series_of(results, {}) == []


def test_a_value_has_its_interval_and_the_threshold_its_line():
    svg = drawn(result(2, "2026-03-01T09:00:00", 3.1), migration_mm=2.0)
    assert "1 Mar 2026: 3.1 ± 0.4 mm" in svg
    assert svg.count('class="interval"') == 3
    assert "threshold 2.0" in svg


def test_what_may_lie_too_far_to_either_side_has_a_line_on_both():
    key, check = "pelvic_incidence_minus_lordosis_deg", "spinopelvic-alignment"
    svg = drawn(result(2, "2026-03-01T09:00:00", 3.1, key=key, check=check), mismatch_deg=10.0)
    assert svg.count('class="threshold"') == 2
    assert "threshold −10.0" in svg


@pytest.mark.parametrize(("baselines", "lines"), [(("2.25.1", "2.25.1"), 1), (("2.25.1", "2.25.9"), 0)])
def test_a_change_of_baseline_breaks_the_line(baselines, lines):
    one, other = baselines
    svg = drawn(result(2, "2026-03-01T09:00:00", 1.0, one), result(3, "2026-06-01T09:00:00", 3.0, other))
    assert svg.count('class="course"') == lines


@pytest.mark.parametrize("value", [-0.8, -0.03, 0.0, 0.4, 9.4, 23.0])
def test_the_axis_has_even_round_ticks_and_holds_the_interval(value):
    svg = drawn(result(2, "2026-03-01T09:00:00", value, key="translation_cranial_mm"))
    ticks = [float(text.replace("−", "-")) for text in re.findall(r'is-value"[^>]*>([^<]+)<', svg)]
    steps = {round(b - a, 6) for a, b in itertools.pairwise(ticks)}
    assert len(steps) == 1
    assert ticks[0] <= value - 0.4
    assert ticks[-1] >= value + 0.4


def test_the_first_height_of_a_disc_is_that_of_the_baseline():
    """The baseline's own result holds no height: it had nothing to be compared with."""
    height = {"disc_height_mm": {"value": 7.0, "uncertainty_95": 0.5}}
    before = {"baseline_disc_height_mm": {"value": 9.0, "uncertainty_95": 0.5}}
    baseline, follow_up = result(1, "2026-01-01T09:00:00", 0.0), result(2, "2026-06-01T09:00:00", 0.0)
    baseline.document["findings"] = []
    follow_up.document["findings"][0]["measurements"] = height | before
    (series,) = series_of([follow_up, baseline], {})
    assert series.key == "disc_height_mm"
    assert [(point.study_instance_uid, point.value) for point in series.points] == [("2.25.1", 9.0), ("2.25.2", 7.0)]
    assert drawn(follow_up, baseline).count('class="course"') == 1


def test_two_spacers_of_one_level_are_two_series():
    both, later = result(2, "2026-03-01T09:00:00", 1.0), result(3, "2026-06-01T09:00:00", 1.1)
    for each, other in ((both, 3.0), (later, 3.3)):
        second = result(9, None, other).document["findings"]
        each.document["findings"] += second
    series = series_of([later, both], {})
    assert [[point.value for point in each.points] for each in series] == [[1.0, 1.1], [3.0, 3.3]]
    assert [each.group.rpartition("L4-L5 ")[2] for each in series] == ["implant 1", "implant 2"]


@pytest.mark.parametrize(("key", "lowest"), [("rotation_deg", 0.0), ("translation_cranial_mm", -0.3)])
def test_the_interval_of_a_size_ends_at_nought_and_that_of_a_direction_does_not(key, lowest):
    (series,) = series_of([result(2, "2026-03-01T09:00:00", 0.1, key=key)], {})
    assert series.interval(series.points[0]) == pytest.approx((lowest, 0.5))
