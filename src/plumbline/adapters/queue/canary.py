"""Canaries over Celery (port ``CanaryPost``), and whether Redis answers."""

from __future__ import annotations

from datetime import datetime

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from plumbline.errors import Unavailable

RETURN_CANARY = "plumbline.return_canary"
CANARY_PRIORITY = 0
"""Before the steps of exams: it asks whether there is a worker, not how many exams wait for one."""
_ANSWER_WITHIN_S = 2.0


class CeleryCanaryPost:
    """``CanaryPost`` on a Celery application."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, queue: str, sent_at: datetime) -> None:
        """See ``CanaryPost.send``."""
        try:
            self._app.send_task(
                RETURN_CANARY,
                args=(queue, sent_at.isoformat()),
                queue=queue,
                priority=CANARY_PRIORITY,
                ignore_result=True,
                retry=False,
            )
        except (OperationalError, OSError) as error:
            raise Unavailable("the message broker does not answer") from error


class Broker:
    """Redis, asked only whether it is there."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=_ANSWER_WITHIN_S, socket_connect_timeout=_ANSWER_WITHIN_S, protocol=2
        )

    def tell_missing(self) -> None:
        """Raise ``Unavailable`` unless it answers now."""
        try:
            self._redis.ping()
        except (RedisError, OSError) as error:
            raise Unavailable(
                "the message broker does not answer", remedy="Check redis_url and that it runs"
            ) from error

    def close(self) -> None:
        """End its connections."""
        self._redis.close()
