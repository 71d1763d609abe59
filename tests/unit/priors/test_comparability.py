import pytest

from plumbline.exams.recognition import recognise
from plumbline.priors.choice import PriorPolicy, ScoreWeights
from plumbline.priors.comparability import compare_conditions, score


def test_the_same_conditions_score_highest(patient):
    current = recognise(patient.study("current", "2026-06-01"))
    policy = PriorPolicy()
    operation = patient.history(("L4-L5 TLIF", "2026-03-02")).operations[0]

    def scored(days_away: int = 0, **changes) -> float:
        conditions = compare_conditions(
            current, patient.candidate("a", "2026-03-05", **changes), operation, days_away, policy
        )
        return score(conditions.parts, policy)

    best = scored()
    assert best > scored(modality="MR")
    assert best > scored(spacing_mm=3.0)
    assert best > scored(description="CT CSPINE")
    assert best > scored(days_away=365)


def test_weights_of_the_site_count():
    parts = {"modality": 1.0, "time": 0.0}
    assert score(parts, PriorPolicy(weights=ScoreWeights(modality=1.0, time=1.0))) == pytest.approx(0.5)
    assert score(parts, PriorPolicy(weights=ScoreWeights(modality=3.0, time=1.0))) == pytest.approx(0.75)


def test_slices_of_the_limit_are_comparable_and_thicker_ones_are_not(patient):
    current = recognise(patient.study("current", "2026-06-01"))
    policy = PriorPolicy(maximum_slice_mm=3.0)
    assert compare_conditions(
        current, patient.candidate("a", "2026-03-05", spacing_mm=3.0), None, 0, policy
    ).is_comparable
    assert not compare_conditions(
        current, patient.candidate("b", "2026-03-05", spacing_mm=3.1), None, 0, policy
    ).is_comparable


def test_computed_and_digital_radiographs_are_one_modality(patient):
    current = recognise(patient.study("current", "2026-06-01", modality="DX", description="XR LSPINE"))
    computed = patient.candidate("a", "2026-03-05", modality="CR", description="XR LSPINE")
    assert compare_conditions(current, computed, None, 0, PriorPolicy()).is_comparable
