"""Prometheus metrics of the path. Names are a contract (design section 4); no label names a patient.

In production every process writes to the folder named by ``PROMETHEUS_MULTIPROC_DIR`` and the worklist
API exposes the sum of all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, multiprocess

from plumbline.pipeline.ports import Step, StepName
from plumbline.pipeline.reconcile import ReconcileReport

SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300)

STEP_SECONDS = Histogram("plumbline_step_seconds", "Time a worker spent in a step.", ["step"], buckets=SECONDS)
STEP_OUTCOMES = Counter("plumbline_steps", "Steps by what came of them.", ["step", "outcome"])
CHECK_SECONDS = Histogram("plumbline_check_seconds", "Time spent in a check.", ["check"], buckets=SECONDS)
EXAMS = Counter("plumbline_exams", "Exams by outcome.", ["outcome"])
EXAMS_WITH_BASELINE = Counter(
    "plumbline_exams_matched", "Matched exams, by whether a baseline was found.", ["baseline"]
)
ABSTENTIONS = Counter("plumbline_abstentions", "Indeterminate or failed findings.", ["check", "status"])
FINDINGS = Counter("plumbline_findings", "Findings by what they say.", ["check", "status"])
TO_PROVISIONAL_SECONDS = Histogram(
    "plumbline_provisional_priority_seconds",
    "From the last instance received to the provisional priority.",
    buckets=SECONDS,
)
TO_PRIORITY_SECONDS = Histogram(
    "plumbline_priority_seconds", "From the last instance received to the final priority.", buckets=SECONDS
)
PUBLISH_FAILURES = Counter("plumbline_publish_failures", "Objects a destination did not take.", ["destination"])

RECONCILED = Counter(
    "plumbline_reconciled_instances",
    "Instances that the archive had and that never arrived, by whether it could give them.",
    ["outcome"],
)


def all_processes() -> CollectorRegistry:
    """Registry that sums the metrics of every process of this deployment."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)
    return registry


class LoggingObserver:
    """``StepObserver`` that logs and counts."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("plumbline.path")
        self._began: dict[int, float] = {}

    def started(self, step: Step) -> None:
        """See ``StepObserver.started``."""
        self._began[step.step_id] = time.perf_counter()
        self._log.info("step started", **_named(step))

    def ended(self, step: Step, outcome: str, sentence: str | None, result: Mapping[str, Any]) -> None:
        """See ``StepObserver.ended``."""
        count_result(step, outcome, result)
        seconds = time.perf_counter() - self._began.pop(step.step_id, time.perf_counter())
        STEP_SECONDS.labels(step.name.value).observe(seconds)
        STEP_OUTCOMES.labels(step.name.value, outcome).inc()
        level = self._log.warning if outcome in ("failed", "retried", "lost") else self._log.info
        level("step ended", outcome=outcome, sentence=sentence, seconds=round(seconds, 3), **_named(step))


def count_result(step: Step, outcome: str, result: Mapping[str, Any]) -> None:
    """Count what a step found, under the names of the contract."""
    if outcome == "failed":
        EXAMS.labels("failed").inc()
    if outcome == "end":
        EXAMS.labels("not-applicable").inc()
    if outcome != "proceed":
        return
    match step.name:
        case StepName.PROVISIONAL:
            TO_PROVISIONAL_SECONDS.observe(result["since_last_instance_s"])
        case StepName.MATCH:
            roles = {each["role"] for each in result["choice"]["considered"]}
            EXAMS_WITH_BASELINE.labels("yes" if "baseline" in roles else "no").inc()
        case StepName.COMPARE:
            for finding in result["comparison"]["findings"]:
                FINDINGS.labels(finding["check"], finding["status"]).inc()
                if finding["status"] in ("indeterminate", "failed"):
                    ABSTENTIONS.labels(finding["check"], finding["status"]).inc()
            for check, seconds in result["check_seconds"].items():
                CHECK_SECONDS.labels(check).observe(seconds)
        case StepName.TRIAGE:
            TO_PRIORITY_SECONDS.observe(result["since_last_instance_s"])
        case StepName.PUBLISH:
            EXAMS.labels("done").inc()
        case _:
            pass


def note_reconciled(report: ReconcileReport) -> None:
    """Log and count what the reconciler found, where it found anything."""
    RECONCILED.labels("fetched").inc(report.fetched)
    RECONCILED.labels("not-given").inc(len(report.failed))
    log = structlog.get_logger("plumbline.reconcile")
    if report.fetched:
        log.info("fetched what never arrived", instances=report.fetched, studies=report.studies)
    if report.failed:
        log.warning(
            "the archive lists what it cannot give", sop_instance_uids=report.failed[:10], of=len(report.failed)
        )
    if report.given_up:
        log.error("studies given up that the archive cannot give whole", study_instance_uids=report.given_up)


def _named(step: Step) -> dict[str, str | int]:
    return {
        "study_instance_uid": step.study_instance_uid,
        "revision": step.revision,
        "step": step.name.value,
        "attempt": step.attempt,
    }
