"""The Celery doorbell: a message carries a step's row id and nothing else (port ``Doorbell``)."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import RedisError

from plumbline.errors import Unavailable
from plumbline.pipeline.path import queue_of
from plumbline.pipeline.ports import StepName

RUN_STEP = "plumbline.run_step"
"""Name of the task; task names carry no patient data."""

STEP_PRIORITY = 9
"""The last of Kombu's ranks on Redis, where 0 comes first: the few small other messages go before."""


class CeleryDoorbell:
    """``Doorbell`` on a Celery application."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, step_id: int, name: StepName) -> None:
        """See ``Doorbell.ring``."""
        try:
            self._app.send_task(
                RUN_STEP,
                args=(step_id,),
                queue=queue_of(name),
                priority=STEP_PRIORITY,
                ignore_result=True,
                retry=False,
            )
        except (OperationalError, OSError) as error:
            raise Unavailable("the message broker does not answer") from error

    def waiting(self, queue: str) -> int:
        """See ``Doorbell.waiting``."""
        try:
            with self._app.connection_for_read() as connection:
                return connection.default_channel.queue_declare(queue, passive=True).message_count
        except ChannelError:  # Redis keeps no empty lists
            return 0
        except (OperationalError, RedisError, OSError) as error:
            raise Unavailable("the message broker does not answer") from error
