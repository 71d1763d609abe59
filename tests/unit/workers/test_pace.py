"""What the clock rings for leaves time for exams, however long it takes and however often it is rung for."""

from __future__ import annotations

import pytest

from workers.pace import rested


class Bench:
    """A task of a quarter share that takes as long as it is told, on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s, self.takes_s, self.runs = 0.0, 0.0, 0
        self.run = rested(0.25, now=lambda: self.now_s)(self._work)

    def _work(self) -> None:
        self.runs += 1
        self.now_s += self.takes_s
        if self.takes_s > 100:
            raise TimeoutError


def test_a_quick_task_runs_whenever_it_is_rung_for():
    bench = Bench()
    for _ in range(10):
        bench.run()
        bench.now_s += 1
    assert bench.runs == 10


def test_a_task_that_takes_longer_than_its_pace_has_its_share_and_no_more():
    bench = Bench()
    bench.takes_s = 2.0
    while bench.now_s < 800:
        bench.run()
        bench.now_s += 0.001  # the next message waits already
    assert bench.runs * bench.takes_s == pytest.approx(0.25 * 800, rel=0.01)


def test_a_task_that_fails_rests_too_and_its_failure_is_seen():
    bench = Bench()
    bench.takes_s = 101.0
    with pytest.raises(TimeoutError):
        bench.run()
    bench.run()
    assert bench.runs == 1
