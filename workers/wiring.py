"""Where a worker's ports are put together. The only place that knows which adapter stands behind which port."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass

from celery import Celery

from plumbline.adapters.database.canaries import DatabaseCanaries
from plumbline.adapters.database.engine import Store, open_store
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.news import DatabaseNews, DatabaseOrders
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.patients import DatabasePatients
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.database.results import DatabasePublications, DatabaseResults
from plumbline.adapters.database.retention import DatabaseRetention
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.adapters.database.studies import DatabaseStudies
from plumbline.adapters.database.tasks import DatabaseTaskBook
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.adapters.dicom_files.held import HeldImages
from plumbline.adapters.dicomweb.remote_archive import DicomWebArchive
from plumbline.adapters.dimse.query_retrieve import DimseArchive
from plumbline.adapters.orthanc.archive import OrthancArchive
from plumbline.adapters.queue.canary import CeleryCanaryPost
from plumbline.adapters.queue.doorbell import CeleryDoorbell
from plumbline.adapters.spool.journal import Journal
from plumbline.exams.identity import IdentityPolicy
from plumbline.observability.clock import SystemClock
from plumbline.observability.metrics import LoggingObserver
from plumbline.observability.tracing import TracedSteps, Tracing, open_tracing
from plumbline.pipeline.archive_ports import RemoteArchive
from plumbline.pipeline.fetch import Fetcher
from plumbline.pipeline.ports import Clock, PathPorts, Spool
from plumbline.pipeline.processing import Processing
from plumbline.pipeline.readiness import Canaries, CanaryPost
from plumbline.pipeline.retention import Retention
from plumbline.pipeline.runner import Runner, StepObserver
from plumbline.pipeline.steps import path_functions, tell_failure
from plumbline.settings import DicomWebRemote, DimseRemote, Settings
from plumbline.site_policy import ReloadedPolicy
from plumbline.worklist.performer import Performer
from plumbline.worklist.tasks import Station


@dataclass(frozen=True)
class Worker:
    """One worker process: its ports, its runner."""

    settings: Settings
    ports: PathPorts
    doorbell: CeleryDoorbell
    runner: Runner
    retention: Retention
    policies: ReloadedPolicy
    canaries: Canaries
    canary_post: CanaryPost
    tracing: Tracing | None


def build_ports(settings: Settings, store: Store) -> PathPorts:
    """The real adapters behind the path's ports."""
    clock = SystemClock()
    identity = IdentityPolicy(settings.site.default_issuer_of_patient_id)
    archive = OrthancArchive(settings.orthanc)
    index = DatabaseInstanceIndex(store)
    spool = Journal(settings.spool_dir)
    publications = DatabasePublications(store, clock)
    return PathPorts(
        clock=clock,
        index=index,
        spool=spool,
        archive=archive,
        fetcher=Fetcher(archive, spool, clock),
        exams=DatabaseExams(store),
        steps=DatabaseSteps(
            store, clock, lease_s=settings.path.lease_s, maximum_attempts=settings.path.maximum_attempts
        ),
        images=HeldImages(index, spool, publications),
        workitems=DatabaseWorkitems(store, clock),
        processing=_processing(settings, store, clock),
        results=DatabaseResults(store, clock),
        publications=publications,
        outbox=DatabaseOutbox(store, clock),
        patients=DatabasePatients(store, identity),
        orders=DatabaseOrders(store, identity),
        news=DatabaseNews(store, clock, identity),
        studies=DatabaseStudies(store),
        landmarks=DatabaseReaders(store, clock),
        remotes=tuple(_remote(each, spool) for each in settings.priors.remotes),
    )


def _processing(settings: Settings, store: Store, clock: Clock) -> Processing | None:
    if not settings.processing.has_workitems:
        return None
    station = Station(settings.listener.ae_title)
    performer = Performer(DatabaseWorkitems(store, clock), DatabaseTaskBook(store), station)
    return Processing(performer, settings.processing.offered_for_s)


def _remote(settings: DimseRemote | DicomWebRemote, spool: Spool) -> RemoteArchive:
    return DimseArchive(settings, spool) if settings.kind == "dimse" else DicomWebArchive(settings, spool)


def build_worker(settings: Settings, app: Celery) -> Worker:
    """A worker of this process; call it after the fork, never before."""
    store = open_store(settings.store_url)
    ports = build_ports(settings, store)
    doorbell = CeleryDoorbell(app)
    policies = ReloadedPolicy(settings)
    tracing = open_tracing(settings.tracing, process="worker")
    observer: StepObserver = LoggingObserver()
    if tracing is not None:
        observer = TracedSteps(observer, tracing, ports.exams.exam, ports.clock)
    runner = Runner(
        steps=ports.steps,
        doorbell=doorbell,
        functions=path_functions(ports, policies.current),
        holder=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        observer=observer,
        extend_every_s=settings.path.lease_s / 4,
        on_failure=lambda step, sentence: tell_failure(step, sentence, ports, policies.current()),
    )
    return Worker(
        settings=settings,
        ports=ports,
        doorbell=doorbell,
        runner=runner,
        retention=DatabaseRetention(store),
        policies=policies,
        canaries=DatabaseCanaries(store),
        canary_post=CeleryCanaryPost(app),
        tracing=tracing,
    )
