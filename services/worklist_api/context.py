"""What the endpoints work with, put together once in ``app.py`` and handed to them by FastAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, cast

from fastapi import Depends
from prometheus_client.registry import Collector
from starlette.requests import HTTPConnection

from plumbline.adapters.database.news import DatabaseNews
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.overview import DatabaseOverview
from plumbline.adapters.database.patient_exams import DatabasePatientExams
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.fhir.desk import FhirDesk
from plumbline.checks.thresholds import CheckThresholds
from plumbline.errors import Unavailable
from plumbline.pipeline.studies import Studies
from plumbline.triage.rules import RuleSet
from plumbline.worklist.board import BoardSource, SearchedBoardSource
from plumbline.worklist.desk import Worklist
from plumbline.worklist.results import ExamResults
from plumbline.worklist.subscriptions import Subscriptions
from services.worklist_api.board.board import Board
from services.worklist_api.viewer.ports import Pixels


@dataclass(frozen=True)
class Records:
    """What the store keeps beside worklist and results, for the pages."""

    readers: DatabaseReaders
    patients: DatabasePatientExams
    overview: DatabaseOverview
    outbox: DatabaseOutbox
    news: DatabaseNews


@dataclass(frozen=True)
class Context:
    """Everything that the API needs from outside.

    ``probes`` are named functions that raise ``Unavailable`` when something an exam needs does not answer.
    """

    worklist: Worklist
    subscriptions: Subscriptions
    results: ExamResults
    now: Callable[[], datetime]
    probes: dict[str, Callable[[], None]]
    title: str = "Plumbline worklist"
    fhir: FhirDesk | None = None
    """Where orders go that come as FHIR; their area is not served where None."""
    board_source: BoardSource | None = None
    """Where the board comes from; the worklist itself, read whole each time, where None."""
    pixels: Pixels | None = None
    records: Records | None = None
    rules: RuleSet | None = None
    """Triage and routing rules of the site, for their page."""
    destinations: Sequence[str] = ()
    """Names of the systems that results are sent to."""
    thresholds: CheckThresholds = field(default_factory=CheckThresholds)
    reader_header: str | None = None
    """Header in which the site's proxy names the reader it has signed on."""
    viewer_links: Mapping[str, str] = field(default_factory=dict)
    """Addresses of other viewers by name, with ``{current}``, ``{reference}`` and ``{studies}`` to be filled in."""
    standing: Collector | None = None
    """Metrics that the store knows; none where None."""
    studies: Studies | None = None
    """Completeness of studies; its area is not served where None."""

    @cached_property
    def board(self) -> Board:
        """Every reading, for the pages."""
        return Board(self.board_source or SearchedBoardSource(self.worklist, self.results))


def context_of(connection: HTTPConnection) -> Context:
    """Return the context of the application that serves this connection."""
    return cast(Context, connection.app.state.context)


def records_of(connection: HTTPConnection) -> Records:
    """Return the store's further records; raise ``Unavailable`` where this application has none."""
    records = context_of(connection).records
    if records is None:
        raise Unavailable("this API keeps no records")
    return records


InContext = Annotated[Context, Depends(context_of)]
