"""What is traced, under which identifiers, and what is left out; no library of telemetry is needed for it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta

import pytest

import workers.app
from plumbline.errors import Misconfigured
from plumbline.observability import tracing
from plumbline.observability.tracing import SpanKind, TracedDeliveries, exam_place, open_tracing, require_packages
from plumbline.pipeline.outbox import Delivery, DeliveryKind, DeliveryState
from plumbline.pipeline.ports import ExamState, StepName
from plumbline.settings import Settings, TracingSettings
from plumbline.testing import ManualClock
from services.dispatcher import __main__ as start
from services.dispatcher import app as dispatcher
from tests.unit.observability.traced_exam import PATIENT, SAID, STUDY, KeptTracing, TracedExam
from tests.unit.pipeline.outbox_cases import SilentDeliveryObserver

COLLECTOR = TracingSettings(endpoint="http://127.0.0.1:9/v1/traces")


def test_the_trace_of_an_exam_is_the_uuid_of_its_oid():
    assert f"{exam_place(STUDY).trace_id:032x}" == "52f20efb3cd25af3bd3d8aa5a52898e8"
    assert exam_place(STUDY, 2).trace_id == exam_place(STUDY).trace_id
    assert exam_place(f"{STUDY}1").trace_id != exam_place(STUDY).trace_id
    assert len({exam_place(STUDY, revision).span_id for revision in (1, 2, 3)}) == 3


def test_steps_of_different_workers_are_one_trace_below_one_exam():
    first, second = TracedExam(), TracedExam()
    for name in StepName:
        (second if name in (StepName.MATCH, StepName.COMPARE) else first).carry_out(name)
    spans = first.tracing.spans + second.tracing.spans
    exam = first.tracing.named("exam")
    assert {each.place.trace_id for each in spans} == {exam_place(STUDY).trace_id}
    assert {each.name for each in spans if each.parent == exam.place} == {*StepName, "receive"}
    assert len({each.place for each in spans}) == len(spans) == 10


def test_a_step_says_how_long_it_waited_how_long_it_took_and_what_came_of_it():
    exam = TracedExam()
    due_at = exam.clock.now() - timedelta(seconds=7.5)
    exam.carry_out(StepName.COMPARE, took_s=3.75, due_at=due_at)
    span = exam.tracing.named("compare")
    assert (span.ended_at - span.began_at).total_seconds() == 3.75
    assert span.attributes == {
        "plumbline.study_instance_uid": STUDY,
        "plumbline.revision": 1,
        "plumbline.attempt": 1,
        "plumbline.outcome": "proceed",
        "plumbline.queue_wait_s": 7.5,
        "plumbline.check.spacer-migration_s": 3.25,
        "plumbline.check.level-error_s": 0.5,
    }
    assert not span.has_failed


@pytest.mark.parametrize("outcome", ["failed", "retried", "lost"])
def test_a_step_that_came_to_nothing_is_an_error(outcome):
    exam = TracedExam()
    exam.carry_out(StepName.COMPARE, outcome)
    span = exam.tracing.named("compare")
    assert span.has_failed
    assert span.attributes["plumbline.outcome"] == outcome


def test_waiting_is_no_error():
    exam = TracedExam()
    exam.carry_out(StepName.COMPLETE, "wait")
    assert [(each.name, each.has_failed) for each in exam.tracing.spans] == [("complete", False)]


def test_receiving_is_seen_from_the_first_instance_to_the_last():
    exam = TracedExam()
    exam.carry_out(StepName.COMPLETE)
    span = exam.tracing.named("receive")
    assert (span.began_at, (span.ended_at - span.began_at).total_seconds()) == (exam.first_at, 20.0)


def test_an_exam_is_seen_from_its_first_instance_to_its_end():
    exam = TracedExam()
    exam.state = ExamState.DONE
    exam.carry_out(StepName.PUBLISH, took_s=33)
    span = exam.tracing.named("exam")
    assert (span.began_at, span.ended_at, span.parent) == (exam.first_at, exam.clock.now(), None)
    assert span.attributes["plumbline.exam.state"] == "done"


@pytest.mark.parametrize("outcome", ["end", "failed"])
def test_an_exam_that_ends_early_has_its_span_too(outcome):
    exam = TracedExam()
    exam.carry_out(StepName.RECOGNISE, outcome)
    assert exam.tracing.named("exam").has_failed is (outcome == "failed")


def test_a_later_revision_hangs_below_the_first():
    exam = TracedExam()
    exam.carry_out(StepName.PUBLISH, revision=2)
    assert exam.tracing.named("exam").parent == exam_place(STUDY)
    assert exam.tracing.named("publish").parent == exam_place(STUDY, 2)


def test_a_count_that_found_nothing_new_belongs_to_the_revision_that_there_is():
    exam = TracedExam()
    exam.carry_out(StepName.COMPLETE, revision=2, found={"revision": 1})
    assert exam.tracing.named("complete").parent == exam_place(STUDY, 1)


def test_a_store_that_is_away_costs_the_exams_span_and_nothing_else():
    exam = TracedExam()
    exam.is_store_away = True
    exam.carry_out(StepName.PUBLISH)
    assert [each.name for each in exam.tracing.spans] == ["publish"]
    assert exam.inner.outcomes == [(StepName.PUBLISH, "proceed", SAID)]


def delivery(clock: ManualClock) -> Delivery:
    owed_at = clock.now() - timedelta(seconds=12)
    notice = {"patient_name": SAID, "text": SAID}
    return Delivery(
        3, "ris", DeliveryKind.RESULT, f"{STUDY}:1", STUDY, 1, notice, DeliveryState.WAITING, 2, owed_at, owed_at
    )


def deliver(outcome: str) -> KeptTracing:
    clock, tracing = ManualClock(), KeptTracing()
    observer, letter = TracedDeliveries(SilentDeliveryObserver(), tracing, clock), delivery(clock)
    observer.started(letter)
    clock.advance(0.5)
    if outcome == "sent":
        observer.delivered(letter)
    else:
        observer.not_delivered(letter, SAID, is_dead=outcome == "dead")
    return tracing


@pytest.mark.parametrize("outcome", ["sent", "failed", "dead"])
def test_a_delivery_is_a_call_in_the_trace_of_its_exam(outcome):
    (span,) = deliver(outcome).spans
    assert (span.name, span.parent, span.kind) == ("deliver result", exam_place(STUDY), SpanKind.CLIENT)
    assert (span.ended_at - span.began_at).total_seconds() == 0.5
    assert span.attributes["plumbline.queue_wait_s"] == 12.0
    assert span.attributes["plumbline.destination"] == "ris"
    assert (span.attributes["plumbline.outcome"], span.has_failed) == (outcome, outcome != "sent")


def test_no_span_has_a_patients_name_id_or_birth_date():
    exam = TracedExam()
    for name in StepName:
        for outcome in ("wait", "retried", "lost", "proceed", "failed", "end"):
            exam.carry_out(name, outcome)
    spans = [*exam.tracing.spans, *deliver("sent").spans, *deliver("dead").spans]
    assert len(spans) > 50
    text = json.dumps([asdict(each) for each in spans], default=str)
    assert STUDY in text
    assert [word for word in PATIENT if word.lower() in text.lower()] == []


def test_tracing_is_off_unless_a_collector_is_named():
    assert open_tracing(Settings().tracing, process="worker") is None


def test_missing_packages_are_told_in_one_sentence_with_their_remedy(monkeypatch):
    monkeypatch.setattr(tracing, "LIBRARY", "not_installed.exporter")
    require_packages(TracingSettings())
    with pytest.raises(Misconfigured) as told:
        open_tracing(COLLECTOR, process="worker")
    assert str(told.value) == (
        "tracing.endpoint: traces need packages that are not installed here. "
        "Install plumbline[tracing], or leave the key out."
    )


def test_a_dispatcher_does_not_start_without_the_packages_that_its_settings_need(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tracing, "LIBRARY", "not_installed.exporter")
    monkeypatch.setattr(dispatcher, "configure_logging", lambda *_, **__: None)
    monkeypatch.setattr(start, "load_settings", lambda: Settings(data_dir=tmp_path, tracing=COLLECTOR))
    assert start.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tracing.endpoint: traces need packages")


def test_a_worker_does_not_start_without_the_packages_that_its_settings_need(tmp_path, monkeypatch):
    monkeypatch.setattr(tracing, "LIBRARY", "not_installed.exporter")
    monkeypatch.setattr(workers.app, "settings", Settings(data_dir=tmp_path, tracing=COLLECTOR))
    with pytest.raises(SystemExit, match=r"tracing\.endpoint: traces need packages"):
        workers.app._prepare()


def test_nothing_of_it_is_loaded_while_it_is_off():
    code = (
        "import sys\n"
        "from plumbline.observability.tracing import open_tracing\n"
        "from plumbline.settings import Settings\n"
        "assert open_tracing(Settings().tracing, process='worker') is None\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google'))])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
