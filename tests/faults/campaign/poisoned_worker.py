"""The Celery application of ``workers.app``, in which one exam crashes the process that begins to compare it.

The system under test knows nothing of this: the worker is started from here in place of ``workers.app``, and
the only thing that differs is an observer that ends its own process by SIGSEGV, as a fault in a native library does.
"""

from __future__ import annotations

import os
import signal

from plumbline.observability.metrics import LoggingObserver
from plumbline.pipeline.ports import Step, StepName
from tests.faults.campaign import POISON_VARIABLE
from workers import wiring
from workers.app import app


class CrashingObserver(LoggingObserver):
    """Observer in whose process the poison exam is not compared to the end."""

    def started(self, step: Step) -> None:
        """See ``StepObserver.started``."""
        super().started(step)
        if step.name is StepName.COMPARE and step.study_instance_uid == os.environ[POISON_VARIABLE]:
            os.kill(os.getpid(), signal.SIGSEGV)


wiring.LoggingObserver = CrashingObserver

__all__ = ["app"]
