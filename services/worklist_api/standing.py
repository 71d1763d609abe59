"""Metrics that only the store knows: queues, exams, deliveries, canaries. Read when asked; no label names a patient.

Every process of the API shows the same, so queries take the maximum over them and never the sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from plumbline.adapters.database.standing import DatabaseStanding
from plumbline.pipeline.outbox import Outbox
from plumbline.pipeline.ports import Clock
from plumbline.pipeline.readiness import NEVER_S, Canaries


class StoreStanding(Collector):
    """How much waits in the store, and for how long."""

    def __init__(
        self,
        standing: DatabaseStanding,
        outbox: Outbox,
        canaries: Canaries,
        within_s: Mapping[str, float],
        clock: Clock,
    ) -> None:
        self._standing = standing
        self._outbox = outbox
        self._canaries = canaries
        self._within_s = within_s
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read everything once."""
        yield from self._queues()
        yield from self._deliveries()
        yield from self._canary_times()
        exams = GaugeMetricFamily("plumbline_exams_in_state", "Exams by state.", labels=["state"])
        for state, count in self._standing.exams().items():
            exams.add_metric([state], count)
        yield exams

    def _queues(self) -> Iterator[GaugeMetricFamily]:
        due = GaugeMetricFamily("plumbline_queue_due", "Steps that wait for a worker.", labels=["queue"])
        held = GaugeMetricFamily("plumbline_queue_held", "Steps that a worker holds.", labels=["queue"])
        oldest = GaugeMetricFamily(
            "plumbline_queue_oldest_seconds", "How long the oldest due step has waited for a worker.", labels=["queue"]
        )
        unrung = GaugeMetricFamily(
            "plumbline_outbox_lag_seconds", "How long the oldest due step has waited to be rung for.", labels=["queue"]
        )
        for queue in self._standing.queues():
            due.add_metric([queue.queue], queue.due)
            held.add_metric([queue.queue], queue.held)
            oldest.add_metric([queue.queue], queue.oldest_due_s)
            unrung.add_metric([queue.queue], queue.unrung_s)
        yield from (due, held, oldest, unrung)

    def _deliveries(self) -> Iterator[GaugeMetricFamily]:
        owed = GaugeMetricFamily("plumbline_deliveries_owed", "Deliveries by state.", labels=["destination", "state"])
        oldest = GaugeMetricFamily(
            "plumbline_delivery_oldest_seconds", "Age of the oldest delivery that waits.", labels=["destination"]
        )
        for backlog in self._outbox.backlog():
            owed.add_metric([backlog.destination, "waiting"], backlog.waiting)
            owed.add_metric([backlog.destination, "dead"], backlog.dead)
            since = backlog.oldest_waiting_at
            waited_s = 0.0 if since is None else (self._clock.now() - since).total_seconds()
            oldest.add_metric([backlog.destination], waited_s)
        yield from (owed, oldest)

    def _canary_times(self) -> Iterator[GaugeMetricFamily]:
        silence = GaugeMetricFamily(
            "plumbline_canary_silence_seconds", "Time since a canary came through a queue.", labels=["queue"]
        )
        limit = GaugeMetricFamily(
            "plumbline_canary_limit_seconds", "Silence from which the system is not ready.", labels=["queue"]
        )
        trip = GaugeMetricFamily(
            "plumbline_canary_round_trip_seconds", "Time that the last canary took.", labels=["queue"]
        )
        known, now = self._canaries.all(), self._clock.now()
        for queue, within_s in self._within_s.items():
            canary = known.get(queue)
            silence.add_metric([queue], canary.silence_s(now) if canary else NEVER_S)
            limit.add_metric([queue], within_s)
            if canary and canary.round_trip_s is not None:
                trip.add_metric([queue], canary.round_trip_s)
        yield from (silence, limit, trip)
