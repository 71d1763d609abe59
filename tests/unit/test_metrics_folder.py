"""The folder of metrics that processes share: what those that have ended said is open now does not count for ever."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, multiprocess

from plumbline.metrics_folder import METRICS_VARIABLE, forget_ended

OPENS_ONE = """
import plumbline.observability
from prometheus_client import Counter, Gauge
Gauge("open", "Open now.", multiprocess_mode="livesum").inc()
Counter("seen", "Seen.").inc()
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("gauge_livesum_here-77", "gauge_livesum_here-88", "gauge_livesum_there-77", "counter_here-77"):
        (tmp_path / f"{name}.db").touch()
    return tmp_path


@pytest.fixture
def processes(tmp_path_factory, monkeypatch):
    """Processes that run: 88 alone."""
    running = tmp_path_factory.mktemp("proc")
    (running / "88").mkdir()
    monkeypatch.setattr("plumbline.metrics_folder.PROCESSES", running)


def left(folder):
    return {file.stem for file in folder.iterdir()}


@pytest.mark.usefixtures("processes")
def test_only_what_ended_processes_of_this_host_said_is_open_is_forgotten(folder):
    forget_ended(folder, "here")
    assert left(folder) == {"gauge_livesum_here-88", "gauge_livesum_there-77", "counter_here-77"}


@pytest.mark.usefixtures("processes")
def test_a_process_that_begins_under_the_number_of_an_earlier_one_begins_at_nothing(folder):
    forget_ended(folder, "here", reused=88)
    assert left(folder) == {"gauge_livesum_there-77", "counter_here-77"}


def test_a_process_that_was_killed_leaves_its_counts_and_nothing_open(tmp_path):
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", OPENS_ONE], env={**os.environ, METRICS_VARIABLE: str(tmp_path)}, check=True
        )
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=str(tmp_path))
    assert registry.get_sample_value("seen_total") == 2
    assert registry.get_sample_value("open") == 1, "of the second; the first is gone without having closed anything"
