"""From the settings of a destination to what delivers to it. The only place that knows which adapter that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plumbline.adapters.dicomweb.results_out import DicomWebStore
from plumbline.adapters.dimse.results_out import AwaitedCommitments, DicomStore, StoreNode
from plumbline.adapters.dimse.ups_scu import Dialect, ManagerNode, UpsManager
from plumbline.adapters.dimse.workitem_out import WorkitemForwarder
from plumbline.adapters.fhir.results_out import FhirReports
from plumbline.adapters.hl7.results_out import ResultSender
from plumbline.adapters.modality_worklist.files import WorklistFiles
from plumbline.adapters.webhooks.sender import WebhookSender, signing_secret
from plumbline.destination_settings import (
    DestinationSettings,
    DicomDestination,
    DicomWebDestination,
    FhirDestination,
    Hl7Destination,
    ModalityWorklistDestination,
    WebhookDestination,
    WorkitemDestination,
)
from plumbline.pipeline.outbox import Destination
from plumbline.pipeline.ports import Clock
from plumbline.text_files import read_secret
from plumbline.worklist.desk import Worklist
from plumbline.worklist.following import Follower


@dataclass(frozen=True)
class Surroundings:
    """What destinations need of this system."""

    ae_title: str
    clock: Clock
    worklist: Worklist
    commitments: AwaitedCommitments
    follower: Follower


def build_destination(settings: DestinationSettings, around: Surroundings) -> Destination:
    """What delivers to a destination; raise ``Misconfigured`` where a file that it needs cannot be read."""
    if isinstance(settings, DicomWebDestination):
        password = _secret(settings.password_file)
        return DicomWebStore(settings.url, username=settings.username, password=password, timeout_s=settings.timeout_s)
    if isinstance(settings, DicomDestination):
        return DicomStore(_store_node(settings), around.ae_title, around.commitments)
    return _of_results(settings, around)


def _of_results(
    settings: Hl7Destination | ModalityWorklistDestination | WebhookDestination | WorkitemDestination | FhirDestination,
    around: Surroundings,
) -> Destination:
    match settings:
        case Hl7Destination():
            return ResultSender(
                settings.host,
                settings.port,
                application=settings.receiving_application,
                facility=settings.receiving_facility,
                timeout_s=settings.timeout_s,
            )
        case ModalityWorklistDestination():
            return WorklistFiles(settings.directory, settings.station_ae_title)
        case WebhookDestination():
            secret = signing_secret(settings.secret_file)
            return WebhookSender(settings.url, secret, around.clock.now, timeout_s=settings.timeout_s)
        case WorkitemDestination():
            dialect = Dialect(settings.dialect)
            node = ManagerNode(settings.ae_title, settings.host, settings.port, dialect, settings.timeout_s)
            follower = around.follower if settings.is_followed else None
            return WorkitemForwarder(UpsManager(node, around.ae_title), around.worklist.current, follower)
        case FhirDestination():
            token = _secret(settings.bearer_token_file)
            return FhirReports(settings.url, bearer_token=token, timeout_s=settings.timeout_s)


def _store_node(settings: DicomDestination) -> StoreNode:
    return StoreNode(
        settings.ae_title,
        settings.host,
        settings.port,
        wants_commitment=settings.wants_commitment,
        commitment_wait_s=settings.commitment_wait_s,
        timeout_s=settings.timeout_s,
    )


def _secret(path: Path | None) -> str | None:
    return None if path is None else read_secret(path, what="the file", where=str(path))
