"""``celery -A workers.app worker``: the Celery application and its thin tasks.

A task carries a row id or nothing; what there is to do is in the database.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from celery.signals import setup_logging, worker_init, worker_process_shutdown

from plumbline.adapters.queue.celery_app import (
    RECONCILE,
    RETURN_CANARY,
    RUN_STEP,
    SEND_CANARIES,
    TICK,
    create_celery,
)
from plumbline.errors import Misconfigured, OutOfCapacity, Unavailable
from plumbline.observability.exposure import expose_metrics
from plumbline.observability.logging import configure_logging
from plumbline.observability.metrics import note_reconciled
from plumbline.observability.tracing import require_packages
from plumbline.pipeline.late_news import open_told_exams
from plumbline.pipeline.processing import accept_pushed
from plumbline.pipeline.readiness import send_canaries as send_canaries_where_due
from plumbline.pipeline.reconcile import reconcile as reconcile_archive
from plumbline.pipeline.retention import release_safe
from plumbline.pipeline.sweep import open_quiet_exams, ring_for_owed
from plumbline.settings import Settings, load_settings
from workers.pace import rested
from workers.wiring import Worker, build_worker

settings: Settings = load_settings()
app = create_celery(
    settings.broker_url,
    tick_s=settings.path.tick_s,
    reconcile_every_s=settings.path.reconcile_every_s,
    canary_every_s=settings.readiness.canary_every_s,
)
RECONCILE_LIMIT = 100
TICK_SHARE, RECONCILE_SHARE = 0.25, 0.5
"""Of the time of a worker; the rest is for exams, and for canaries, which take next to none."""


@setup_logging.connect
def _configure(**_: object) -> None:
    configure_logging(settings.log_level, process="worker")


@worker_init.connect
def _prepare(**_: object) -> None:
    """Show the metrics of this worker and its children, and see that these can trace.

    Celery swallows errors here, but not the end of the process.
    """
    try:
        expose_metrics(settings.metrics.host, settings.metrics.port)
        require_packages(settings.tracing)
    except Misconfigured as error:
        raise SystemExit(str(error)) from error


@lru_cache(maxsize=1)
def worker() -> Worker:
    """This process's worker, made on first use: after the fork."""
    return build_worker(settings, app)


@worker_process_shutdown.connect
def _hand_on_traces(**_: object) -> None:
    """Let the collector have what this child still keeps."""
    if worker.cache_info().currsize and (tracing := worker().tracing) is not None:
        tracing.stop()


@app.task(name=RUN_STEP)
def run_step(step_id: int) -> None:
    """Carry out one step, if it is there to be had."""
    try:
        worker().runner.run(step_id)
    except Unavailable as error:
        structlog.get_logger("plumbline.path").warning("step put off", step_id=step_id, reason=str(error))


@app.task(name=TICK)
@rested(TICK_SHARE)
def tick() -> None:
    """Count quiet exams, judge what came late, accept pushed tasks, and ring for whatever nobody holds."""
    here = worker()
    path = here.settings.path
    try:
        open_quiet_exams(here.ports.exams, here.ports.steps, here.ports.clock, quiet_period_s=path.quiet_period_s)
        open_told_exams(
            here.ports.news, here.ports.exams, here.ports.steps, here.ports.clock, quiet_s=path.news_quiet_s
        )
        accept_pushed(here.ports, here.policies.current())
        ring_for_owed(here.ports.steps, here.doorbell, unheard_for_s=path.resend_after_s)
    except Unavailable as error:
        structlog.get_logger("plumbline.tick").warning("tick put off", reason=str(error))


@app.task(name=SEND_CANARIES)
def send_canaries() -> None:
    """Send a canary through every queue that has none under way."""
    here = worker()
    try:
        send_canaries_where_due(
            here.canaries, here.canary_post, here.ports.clock, within_s=here.settings.readiness.within_s
        )
    except Unavailable as error:
        structlog.get_logger("plumbline.canaries").warning("canaries put off", reason=str(error))


@app.task(name=RETURN_CANARY)
def return_canary(queue: str, sent_at: str) -> None:
    """Note that a canary came through this queue to a worker, and with this to the database."""
    here = worker()
    try:
        here.canaries.returned(queue, datetime.fromisoformat(sent_at), here.ports.clock.now())
    except Unavailable as error:
        structlog.get_logger("plumbline.canaries").warning("canary lost", queue=queue, reason=str(error))


@app.task(name=RECONCILE)
@rested(RECONCILE_SHARE)
def reconcile() -> None:
    """Fetch what the archive has and never arrived; give back the images of exams that are over and safe there."""
    here = worker()
    ports = here.ports
    try:
        note_reconciled(reconcile_archive(ports.archive, ports.index, ports.fetcher, limit=RECONCILE_LIMIT))
        quiet_since = ports.clock.now() - timedelta(hours=here.settings.path.retention_h)
        release_safe(here.retention, ports.index, ports.archive, quiet_since=quiet_since)
    except (Unavailable, OutOfCapacity) as error:
        structlog.get_logger("plumbline.reconcile").warning("reconciling put off", reason=str(error))
