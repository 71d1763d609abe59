"""The web server of the API, in this process or in several that share its port.

The application is imported where it is served: who only looks after others need not wait for all that it rests on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import wait
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from plumbline.adapters.database.engine import open_store
from plumbline.errors import Unavailable
from plumbline.metrics_folder import shared_metrics
from plumbline.observability.logging import configure_logging
from plumbline.settings import Settings, load_settings
from plumbline.site_policy import site_policy
from services.worklist_api.keepalive import PING_EVERY_S, PING_WITHIN_S

THREADS_TURN_EVERY_S = 0.001
"""How long one thread may keep the interpreter while others wait. The event loop is busy whenever many read; a change
that is being stored gives the interpreter away at every call of the database and waits this long for it each time."""

ANSWERS_WITHIN_S = 60
"""How long one of several processes may be silent, also while it starts on a busy machine, before it is replaced."""


def run(settings: Settings, listening: socket.socket) -> None:
    """Serve until told to stop.

    Raises
    ------
    Unavailable, Misconfigured
        Where the store does not answer, or the triage rules or a threshold are wrong.
    """
    if settings.api.processes == 1:
        uvicorn.Server(_configuration(_application(settings))).run(sockets=[listening])
        return
    site_policy(settings)  # what is wrong is told here, once and in a sentence
    open_store(settings.store_url).engine.dispose()
    with shared_metrics():
        _run_several(settings.api.processes, listening)


def _run_several(count: int, listening: socket.socket) -> None:
    """Start the processes, and again those that end, until told to stop.

    Nothing is divided among them: each answers from the one store, so any may be asked for anything.
    """
    application = f"{__name__}:application_of_process"
    supervisor = Multiprocess(_configuration(application, factory=True, workers=count), sockets=[listening])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise Unavailable("a process of the API could not start", remedy="Its reason is in the log")


def application_of_process() -> FastAPI:
    """Make the application in one of several processes, which ends with the one that started it."""
    settings = load_settings()
    configure_logging(settings.log_level, process="worklist-api")
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    return _application(settings)


def _application(settings: Settings) -> FastAPI:
    from services.worklist_api.app import create_app  # noqa: PLC0415  see the top of this module

    sys.setswitchinterval(THREADS_TURN_EVERY_S)
    return create_app(settings)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _configuration(application: Any, **several: Any) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        ws_ping_interval=PING_EVERY_S,
        ws_ping_timeout=PING_WITHIN_S,
        timeout_worker_healthcheck=ANSWERS_WITHIN_S,
        **several,
    )
