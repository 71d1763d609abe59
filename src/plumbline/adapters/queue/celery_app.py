"""The Celery application's settings: Redis as a doorbell only, nothing that the database does not know."""

from __future__ import annotations

from celery import Celery
from kombu.entity import Queue

from plumbline.adapters.queue.canary import RETURN_CANARY
from plumbline.adapters.queue.doorbell import RUN_STEP, STEP_PRIORITY
from plumbline.adapters.queue.requests import PlumblineTask
from plumbline.pipeline.path import MEASURE_QUEUE, PATH_QUEUE

TICK = "plumbline.tick"
RECONCILE = "plumbline.reconcile"
SEND_CANARIES = "plumbline.send_canaries"


def create_celery(redis_url: str, *, tick_s: float, reconcile_every_s: float, canary_every_s: float = 5.0) -> Celery:
    """Celery application with the queues, and the beat's schedule.

    Messages are acknowledged early: a lost one is rung for again by the sweeper, and a late
    acknowledgement would only run a step twice (docs/adr). What the clock rings for, and canaries, overtake
    the steps of exams that wait: a long queue is no dead one.
    """
    app = Celery("plumbline", broker=redis_url, task_cls=PlumblineTask)
    app.conf.update(
        task_queues=(Queue(PATH_QUEUE), Queue(MEASURE_QUEUE)),
        task_default_queue=PATH_QUEUE,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "retry_on_timeout": True,
            # Whoever rings does not wait for a Redis that is away, for the sweeper rings again; workers wait for it.
            "max_retries": 1,
            "interval_start": 0.2,
            "priority_steps": [0, STEP_PRIORITY],
            "queue_order_strategy": "priority",
        },
        beat_schedule={
            "tick": {"task": TICK, "schedule": tick_s, "options": {"expires": 5 * tick_s, "queue": PATH_QUEUE}},
            "canaries": {
                "task": SEND_CANARIES,
                "schedule": canary_every_s,
                "options": {"expires": canary_every_s, "queue": PATH_QUEUE},
            },
            "reconcile": {
                "task": RECONCILE,
                "schedule": reconcile_every_s,
                "options": {"expires": reconcile_every_s, "queue": PATH_QUEUE},
            },
        },
    )
    return app


__all__ = ["RECONCILE", "RETURN_CANARY", "RUN_STEP", "SEND_CANARIES", "TICK", "create_celery"]
