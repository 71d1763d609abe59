"""The made-up histories of the benchmark, a small part of them in every run: roles right, never across patients."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmark"
HISTORIES = 150
LEAST_ACCURACY = 0.99


@pytest.fixture
def priors_benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("priors", "patient_histories", "spine_text_accuracy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import priors

    return priors


def test_nearly_all_roles_are_right_and_no_exam_of_another_patient_is_comparable(priors_benchmark):
    scored = priors_benchmark.score_roles(HISTORIES, seed=7)
    assert scored.asked.total() == 3 * HISTORIES
    assert scored.accuracy >= LEAST_ACCURACY, "\n".join(scored.wrong)
    assert scored.cross_patient == 0


def test_the_histories_hold_what_makes_the_choice_hard(priors_benchmark):
    drawn = list(priors_benchmark.histories(HISTORIES, seed=7))
    foreign = sum(exam.person != case.current.person for case in drawn for exam in case.exams)
    undated = sum(exam.study.performed_at is None for case in drawn for exam in case.exams)
    without = sum(case.truth["baseline"] is None for case in drawn)
    untold = sum(not case.orders for case in drawn)
    assert min(foreign, undated, without, untold) > 5
    assert any(case.truth["baseline"] for case in drawn)


def test_the_same_seed_draws_the_same_histories(priors_benchmark):
    assert list(priors_benchmark.histories(3, seed=1)) == list(priors_benchmark.histories(3, seed=1))
    assert list(priors_benchmark.histories(3, seed=1)) != list(priors_benchmark.histories(3, seed=2))
