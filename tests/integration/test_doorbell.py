"""The doorbell on a real Redis: what waits in a queue is counted, whatever its rank."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plumbline.adapters.queue.canary import CeleryCanaryPost
from plumbline.adapters.queue.celery_app import create_celery
from plumbline.adapters.queue.doorbell import CeleryDoorbell
from plumbline.errors import Unavailable
from plumbline.pipeline.path import MEASURE_QUEUE, PATH_QUEUE
from plumbline.pipeline.ports import StepName
from tests.servers import free_port


def test_messages_that_nobody_has_taken_are_counted_by_queue(redis_url):
    app = create_celery(redis_url, tick_s=1, reconcile_every_s=30)
    doorbell = CeleryDoorbell(app)
    assert [doorbell.waiting(queue) for queue in (PATH_QUEUE, MEASURE_QUEUE)] == [0, 0]
    for step_id in range(3):
        doorbell.ring(step_id, StepName.MATCH)
    doorbell.ring(4, StepName.COMPARE)
    CeleryCanaryPost(app).send(MEASURE_QUEUE, datetime.now(UTC))
    assert [doorbell.waiting(queue) for queue in (PATH_QUEUE, MEASURE_QUEUE)] == [3, 2]


def test_a_broker_that_is_away_is_told():
    app = create_celery(f"redis://127.0.0.1:{free_port()}/0", tick_s=1, reconcile_every_s=30)
    with pytest.raises(Unavailable, match="the message broker does not answer"):
        CeleryDoorbell(app).waiting(PATH_QUEUE)
