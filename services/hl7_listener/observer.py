"""Logs and metrics of the HL7 listener: by message type and outcome; no patient data, no message content."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge

MESSAGES = Counter(
    "plumbline_hl7_messages",
    "HL7 messages answered, by type, acknowledgement and outcome.",
    ["kind", "code", "outcome"],
)
CONNECTIONS = Counter("plumbline_hl7_connections", "MLLP connections that ended, by why.", ["reason"])
OPEN = Gauge("plumbline_hl7_open_connections", "MLLP connections open now.", multiprocess_mode="livesum")
TURNED_AWAY = Counter("plumbline_hl7_turned_away", "MLLP connections not accepted.", ["reason"])
EXAMS_TOLD = Counter("plumbline_hl7_exams_told", "Exams that a message concerned after they were recognised.")


class LoggingHl7Observer:
    """``ReceiverObserver`` and ``MllpObserver`` that logs and counts."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("plumbline.hl7")

    def received(self, kind: str, code: str, outcome: str, sentence: str, exams_told: int) -> None:
        """See ``ReceiverObserver.received``."""
        MESSAGES.labels(kind, code, outcome).inc()
        EXAMS_TOLD.inc(exams_told)
        level = self._log.info if code == "A" else self._log.warning
        level("message answered", kind=kind, code=code, outcome=outcome, sentence=sentence, exams_told=exams_told)

    def connected(self, address: str) -> None:
        """See ``MllpObserver.connected``."""
        OPEN.inc()
        self._log.info("connected", address=address)

    def disconnected(self, address: str, reason: str) -> None:
        """See ``MllpObserver.disconnected``."""
        OPEN.dec()
        CONNECTIONS.labels(reason).inc()
        self._log.info("disconnected", address=address, reason=reason)

    def turned_away(self, address: str, reason: str) -> None:
        """See ``MllpObserver.turned_away``."""
        TURNED_AWAY.labels(reason).inc()
        self._log.warning("turned away", address=address, reason=reason)
