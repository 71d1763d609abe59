"""The process that judges requests for storage commitment and reports to requesters that have hung up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from datetime import timedelta
from multiprocessing.connection import wait

import structlog

from plumbline.adapters.database.commitments import DatabaseCommitments
from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.dimse.storage_commitment import REPORT_LEASE, CommitmentReporter
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.errors import Misconfigured, PlumblineError, Unavailable
from plumbline.observability.clock import SystemClock
from plumbline.observability.logging import configure_logging
from plumbline.pipeline.commitment import Commitment, CommitmentJudge, Commitments, retry_after
from plumbline.settings import Settings
from plumbline.stopping import Stop

POLL_S = 0.5
RETRY_S = 2.0
NICENESS = 5
EXPIRE_EVERY_S = 3600.0
REPORTED_AT_ONCE = 20


class Reporting:
    """Sends what is due, and says when what did not get through is due again."""

    def __init__(self, commitments: Commitments, settings: Settings) -> None:
        self._commitments = commitments
        self._settings = settings.listener.commitment
        self._reporter = CommitmentReporter(settings.listener)
        self._clock = SystemClock()
        self._log = structlog.get_logger("plumbline.commitment")

    def report_due(self) -> None:
        """Report everything that is due now; one requester that is away does not keep the others waiting long."""
        absent: set[str] = set()
        for commitment in self._commitments.to_report(self._clock.now(), REPORTED_AT_ONCE):
            if self._commitments.claim(commitment, self._clock.now() + REPORT_LEASE):
                self._report(commitment, absent)

    def _report(self, commitment: Commitment, absent: set[str]) -> None:
        request = commitment.request
        try:
            if request.requester in absent:
                raise Unavailable("the requester does not accept an association")
            self._reporter.report(commitment)
        except (Unavailable, Misconfigured) as error:
            absent.add(request.requester)
            wait_for = retry_after(
                commitment.attempts + 1,
                first_s=self._settings.first_retry_s,
                longest_s=self._settings.longest_retry_s,
            )
            self._commitments.failed(commitment, str(error), self._clock.now() + wait_for)
            self._log.warning(
                "commitment not reported",
                requester=request.requester,
                transaction_uid=request.transaction_uid,
                reason=str(error),
                again_in_s=wait_for.total_seconds(),
            )
            return
        self._commitments.reported(commitment, self._clock.now())
        self._log.info(
            "commitment reported", requester=request.requester, transaction_uid=request.transaction_uid, same=False
        )

    def give_up_overdue(self) -> None:
        """Give up what could not be reported for too long."""
        given_up = self._commitments.give_up(self._clock.now() - timedelta(days=self._settings.keep_days))
        if given_up:
            self._log.error("commitments given up", count=given_up)


def run_commitments(settings: Settings) -> None:
    """Judge and report until SIGTERM, or until the parent process is gone."""
    configure_logging(settings.log_level, process="commitments")
    stopping = Stop()
    stopping.on(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    log = structlog.get_logger("plumbline.commitment")
    while not stopping.is_set:
        try:
            _work(settings, stopping)
        except PlumblineError as error:
            log.error("the store of commitments is away", sentence=str(error))
            if _parent_ended_within(RETRY_S):
                return


def _work(settings: Settings, stopping: Stop) -> None:
    store = open_store(settings.store_url)
    commitments = DatabaseCommitments(store)
    journal = Journal(settings.spool_dir)
    judge = CommitmentJudge(
        commitments,
        DatabaseInstanceIndex(store),
        JournalTail(settings.spool_dir),
        journal.read,
        patience_s=settings.listener.commitment.patience_s,
    )
    reporting = Reporting(commitments, settings)
    expired_at = -EXPIRE_EVERY_S
    try:
        while not stopping.is_set:
            if time.monotonic() - expired_at > EXPIRE_EVERY_S:
                expired_at = time.monotonic()
                reporting.give_up_overdue()
            judge.judge_due(SystemClock().now())
            reporting.report_due()
            if _parent_ended_within(POLL_S):
                stopping.is_set = True
    finally:
        journal.close()
        store.engine.dispose()


def _parent_ended_within(seconds: float) -> bool:
    """Wait; true when the parent process has ended meanwhile."""
    parent = multiprocessing.parent_process()
    if parent is None:
        time.sleep(seconds)
        return False
    return bool(wait([parent.sentinel], timeout=seconds))
