"""The worklist API of a site: its store and its archive behind the areas of ``assembly``."""

from __future__ import annotations

from fastapi import FastAPI

from plumbline.adapters.database.board import DatabaseBoardSource
from plumbline.adapters.database.canaries import DatabaseCanaries
from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.exam_results import DatabaseExamResults
from plumbline.adapters.database.message_intake import DatabaseMessageIntake
from plumbline.adapters.database.news import DatabaseNews
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.overview import DatabaseOverview
from plumbline.adapters.database.patient_exams import DatabasePatientExams
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.database.standing import DatabaseStanding
from plumbline.adapters.database.studies import DatabaseStudies
from plumbline.adapters.database.subscriptions import DatabaseSubscriptions
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.adapters.fhir.desk import FhirDesk
from plumbline.adapters.fhir.reading import SiteSystems
from plumbline.adapters.orthanc.archive import OrthancArchive
from plumbline.adapters.orthanc.pixels import OrthancPixels
from plumbline.adapters.queue.canary import Broker
from plumbline.exams.identity import IdentityPolicy
from plumbline.observability.clock import SystemClock
from plumbline.observability.tracing import open_tracing
from plumbline.pipeline.readiness import queue_probes
from plumbline.settings import Settings
from plumbline.site_policy import site_policy
from services.worklist_api import deliveries
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context, Records
from services.worklist_api.standing import StoreStanding
from services.worklist_api.tracing import RequestTraces


def create_app(settings: Settings) -> FastAPI:
    """Make the application on the site's store and archive; migrates the store.

    Raises
    ------
    Unavailable
        When the database does not answer.
    Misconfigured
        When the triage rules or a threshold are wrong, or traces are on and their packages missing.
    """
    policy = site_policy(settings)
    tracing = open_tracing(settings.tracing, process="worklist-api") if settings.tracing.has_requests else None
    store = open_store(settings.store_url)
    archive = OrthancArchive(settings.orthanc)
    pixels = OrthancPixels(settings.orthanc)
    identity = IdentityPolicy(settings.site.default_issuer_of_patient_id)
    clock = SystemClock()
    broker, canaries = Broker(settings.broker_url), DatabaseCanaries(store)
    probes = queue_probes(canaries, clock, settings.readiness.within_s)
    outbox = DatabaseOutbox(store, clock)
    context = Context(
        worklist=DatabaseWorkitems(store, clock),
        subscriptions=DatabaseSubscriptions(store, clock),
        results=DatabaseExamResults(store),
        now=clock.now,
        probes={
            "database": store.tell_missing,
            "broker": broker.tell_missing,
            "archive": archive.tell_missing,
            **{f"queue {probe.queue}": probe.tell_missing for probe in probes},
        },
        title=settings.api.title,
        fhir=FhirDesk(
            DatabaseMessageIntake(store, clock, identity),
            SiteSystems(settings.site.issuers, settings.site.default_issuer_of_patient_id),
        ),
        board_source=DatabaseBoardSource(store),
        pixels=pixels,
        records=Records(
            readers=DatabaseReaders(store, clock),
            overview=DatabaseOverview(store, clock),
            outbox=outbox,
            patients=DatabasePatientExams(store, identity),
            news=DatabaseNews(store, clock, identity),
        ),
        rules=policy.rules,
        destinations=tuple(policy.routing.kinds),
        thresholds=policy.thresholds,
        reader_header=settings.api.reader_header,
        viewer_links=settings.api.viewer_links,
        studies=DatabaseStudies(store),
        standing=StoreStanding(DatabaseStanding(store, clock), outbox, canaries, settings.readiness.within_s, clock),
    )

    def stop() -> None:
        pixels.close()
        archive.close()
        broker.close()
        store.engine.dispose()
        if tracing is not None:
            tracing.stop()

    app = serve(context, on_stop=stop)
    deliveries.install(app, outbox)
    if tracing is not None:
        app.add_middleware(RequestTraces, tracing=tracing, now=clock.now)
    return app
