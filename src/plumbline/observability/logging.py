"""Structured logs, one JSON object a line, without patient data.

Study, series and instance UIDs may be logged; names, patient IDs and birth dates never are, and the
processor below drops such keys should anybody try.
"""

from __future__ import annotations

import logging
import sys
import warnings

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

_CHATTY = (
    "httpx",
    "httpcore",
    "pynetdicom",
    "kombu",
    "alembic",
    "celery.redirected",
    "celery.beat",
    "celery.worker.strategy",
    "celery.app.trace",
)
"""Libraries that log a line for every request, message or tick."""

PATIENT_KEYS = frozenset({"patient", "patient_id", "patient_name", "birth_date", "issuer", "other_ids", "dataset"})


def drop_patient_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor that removes keys which name a patient."""
    return {key: value for key, value in event.items() if key not in PATIENT_KEYS}


def configure_logging(level: str = "INFO", *, process: str | None = None) -> None:
    """Set up structlog and the standard library's logging for one process.

    Parameters
    ----------
    level
        Name of the lowest level that is written.
    process
        Name of this process, on every line.
    """
    logging.basicConfig(stream=sys.stderr, level=level, format="%(message)s", force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # pydicom's warnings quote the value that they complain about, which may be a name.
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    structlog.contextvars.clear_contextvars()
    if process:
        structlog.contextvars.bind_contextvars(process=process)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            drop_patient_data,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
