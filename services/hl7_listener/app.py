"""The listener's process, wired: MLLP server, receiving application, store."""

from __future__ import annotations

import asyncio
import signal

import structlog

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.message_intake import DatabaseMessageIntake
from plumbline.adapters.hl7.adt import PASSED_OVER
from plumbline.adapters.hl7.mllp import AllowedAddresses, MllpLimits, MllpServer
from plumbline.adapters.hl7.reading import ReadingPolicy
from plumbline.adapters.hl7.receiver import Receiver
from plumbline.adapters.hl7.values import SiteIdentifiers
from plumbline.exams.identity import IdentityPolicy
from plumbline.observability.clock import SystemClock
from plumbline.observability.exposure import expose_metrics
from plumbline.observability.logging import configure_logging
from plumbline.settings import Hl7Settings, Settings
from services.hl7_listener.observer import LoggingHl7Observer


def serve(settings: Settings) -> None:
    """Receive until SIGTERM or SIGINT; returns when what was being stored is answered."""
    configure_logging(settings.log_level, process="hl7-listener")
    expose_metrics(settings.metrics.host, settings.metrics.port)
    observer = LoggingHl7Observer()
    store = open_store(settings.store_url)
    clock = SystemClock()
    identity = IdentityPolicy(settings.site.default_issuer_of_patient_id)
    intake = DatabaseMessageIntake(store, clock, identity)
    receiver = Receiver(intake, reading_policy(settings), observer, clock.now)
    server = MllpServer(
        receiver.answer,
        allowed=AllowedAddresses(settings.hl7.addresses, where="hl7.addresses"),
        limits=limits(settings.hl7),
        observer=observer,
    )
    try:
        asyncio.run(_run(server, settings.hl7))
    finally:
        store.engine.dispose()


async def _run(server: MllpServer, settings: Hl7Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    port = await server.start(settings.host, settings.port)
    log = structlog.get_logger("plumbline.hl7")
    log.info("listening", host=settings.host, port=port)
    await stopping.wait()
    await server.stop(settings.drain_s)
    log.info("ended")


def reading_policy(settings: Settings) -> ReadingPolicy:
    """How this site's messages are read."""
    return ReadingPolicy(
        identifiers=SiteIdentifiers(
            issuers=settings.site.issuers,
            default_issuer=settings.site.default_issuer_of_patient_id,
            accession_from=settings.hl7.accession_from,
        ),
        charset=settings.hl7.charset,
        processing_ids=frozenset(settings.hl7.processing_ids),
        passed_over=PASSED_OVER | frozenset(settings.hl7.passed_over),
    )


def limits(settings: Hl7Settings) -> MllpLimits:
    """What one peer may use, from the settings."""
    return MllpLimits(
        message_bytes=settings.maximum_message_bytes,
        message_s=settings.message_timeout_s,
        idle_s=settings.idle_timeout_s,
        connections=settings.maximum_connections,
    )
