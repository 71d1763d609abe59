"""Traces over the wire: the real SDK, the real worker, and a collector that reads the protobuf."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.adapters.queue.celery_app import create_celery
from plumbline.adapters.queue.doorbell import CeleryDoorbell
from plumbline.errors import Misconfigured
from plumbline.observability.clock import SystemClock
from plumbline.observability.otlp import OtlpTracing
from plumbline.observability.tracing import Span, exam_place, new_place, open_tracing
from plumbline.pipeline.ports import StepName
from plumbline.settings import Settings
from tests.collector import run_collector
from tests.servers import free_port, running, wait_until
from tests.unit.adapters.database.test_instances import received
from tests.unit.observability.test_tracing import deliver
from tests.unit.observability.traced_exam import PATIENT, STUDY, TracedExam

CLIENT, ERROR = 3, 2
"""Kind and status in opentelemetry.proto.trace.v1."""


def tracing_to(url: str, process: str = "worker", **settings: object) -> OtlpTracing:
    opened = open_tracing(Settings(tracing={"endpoint": url, **settings}).tracing, process=process)
    assert isinstance(opened, OtlpTracing)
    return opened


def span(name: str = "x") -> Span:
    now = datetime.now(UTC)
    return Span(name, new_place(), now, now)


def outcomes() -> dict[str, float]:
    return {
        each: REGISTRY.get_sample_value("plumbline_trace_spans_total", {"outcome": each}) or 0.0
        for each in ("made", "exported", "lost")
    }


def test_what_two_workers_did_arrives_as_one_trace_with_one_root():
    with run_collector() as collector:
        for process, steps in (("path", ("complete", "recognise", "publish")), ("measure", ("match", "compare"))):
            tracing = tracing_to(collector.url, process)
            exam = TracedExam(tracing)
            for name in steps:
                exam.carry_out(StepName(name))
            tracing.stop()
    spans = {each.name: each for each in collector.spans}
    assert len(spans) == len(collector.spans) == 7
    assert {each.trace_id for each in spans.values()} == {f"{exam_place(STUDY).trace_id:032x}"}
    assert {each.parent_id for name, each in spans.items() if name != "exam"} == {spans["exam"].span_id}
    assert spans["exam"].parent_id == ""
    assert spans["compare"].process == "plumbline-measure"
    assert spans["compare"].end_ns - spans["compare"].start_ns == 1_000_000_000
    assert spans["compare"].attributes["plumbline.check.spacer-migration_s"] == 3.25
    assert spans["exam"].start_ns == int(exam.first_at.timestamp()) * 1_000_000_000


def test_nothing_that_goes_over_the_wire_names_a_patient():
    with run_collector() as collector:
        tracing = tracing_to(collector.url)
        exam = TracedExam(tracing)
        for name in StepName:
            for outcome in ("wait", "retried", "lost", "failed", "end", "proceed"):
                exam.carry_out(name, outcome)
        for each in (*deliver("sent").spans, *deliver("dead").spans):
            tracing.record(each)
        tracing.stop()
    text = b" ".join(collector.bodies).decode("latin-1")
    assert STUDY in text
    assert re.findall("|".join(PATIENT), text, re.IGNORECASE) == []
    kinds = {(each.kind, each.status == ERROR) for each in collector.spans if each.name == "deliver result"}
    assert kinds == {(CLIENT, False), (CLIENT, True)}


def test_spans_keep_the_identifiers_that_they_were_given():
    with run_collector() as collector:
        tracing = tracing_to(collector.url)
        made = [span(str(number)) for number in range(50)]
        for each in made:
            tracing.record(each)
        tracing.stop()
    assert {(each.name, int(each.trace_id, 16), int(each.span_id, 16)) for each in collector.spans} == {
        (each.name, each.place.trace_id, each.place.span_id) for each in made
    }


def test_the_token_is_shown_and_the_usual_path_is_added(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret-of-the-collector\n")
    with run_collector() as collector:
        tracing = tracing_to(collector.url, token_file=token)
        tracing.record(span())
        tracing.stop()
    assert (collector.tokens, collector.paths) == ({"Bearer secret-of-the-collector"}, {"/v1/traces"})


def test_a_token_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(Misconfigured, match=r"tracing\.token_file: the file with the token cannot be read"):
        tracing_to("http://127.0.0.1:9", token_file=tmp_path / "none")


def test_work_does_not_wait_for_a_collector_that_does_not_answer():
    with run_collector(answers=False) as collector:
        tracing = tracing_to(collector.url, maximum_waiting=20)
        for _ in range(20):
            tracing.record(span("early"))
        assert collector.asked.wait(20)
        for number in range(1000):  # while the collector holds the first batch
            tracing.record(span(f"late {number}"))
        assert collector.spans == []
        collector.answers.set()
        tracing.stop()
    late = [each.name for each in collector.spans if each.name != "early"]
    assert late[-1] == "late 999"  # the newest are kept ...
    assert len(late) <= 40  # ... and no more than may wait


def test_a_collector_that_is_away_is_told_once_and_counted():
    before = outcomes()
    with capture_logs() as lines:
        tracing = tracing_to(f"http://127.0.0.1:{free_port()}", maximum_waiting=4, timeout_s=0.2)
        for _ in range(4):
            tracing.record(span())
        wait_until(lambda: outcomes()["lost"] > before["lost"], "a batch is given up")
        for _ in range(3):
            tracing.record(span())
        tracing.stop()
    assert [each["event"] for each in lines] == ["the collector takes no traces; they are dropped"]
    assert outcomes() == {"made": before["made"] + 7, "exported": before["exported"], "lost": before["lost"] + 7}


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_hands_on_what_it_traced(tmp_path: Path, redis_url: str):
    store = open_store(f"sqlite:///{tmp_path / 'plumbline.sqlite'}")
    DatabaseInstanceIndex(store).record([received(1)])
    exams, clock = DatabaseExams(store), SystemClock()
    steps = DatabaseSteps(store, clock, lease_s=60, maximum_attempts=3)
    step_id = steps.open("2.25.1", 1, StepName.COMPLETE)
    assert step_id is not None
    app = create_celery(redis_url, tick_s=1, reconcile_every_s=30)
    CeleryDoorbell(app).ring(step_id, StepName.COMPLETE)
    with run_collector() as collector:
        environment = {
            "PLUMBLINE_DATA_DIR": str(tmp_path),
            "PLUMBLINE_REDIS_URL": redis_url,
            "PLUMBLINE_ORTHANC__URL": f"http://127.0.0.1:{free_port()}",  # nobody: the step waits
            "PLUMBLINE_TRACING__ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "600000",  # nothing is sent before the end
        }
        command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--queues=path", "--concurrency=1"]
        with running(command, log=tmp_path / "worker.log", env=environment):
            wait_until(lambda: exams.exam("2.25.1").note is not None, "the step was tried")
    (found,) = [each for each in collector.spans if each.name == "complete"]
    assert found.process == "plumbline-worker"
    assert found.trace_id == f"{exam_place('2.25.1').trace_id:032x}"
    assert found.attributes["plumbline.outcome"] == "wait"
    assert float(found.attributes["plumbline.queue_wait_s"]) > 0
    store.engine.dispose()
