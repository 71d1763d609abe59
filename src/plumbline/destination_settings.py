"""Settings of the systems that results are sent to, one kind of destination each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Destination(BaseModel):
    """What every destination has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """What routing rules, metrics and operators call it."""
    timeout_s: float = Field(default=30.0, gt=0)


class DicomWebDestination(_Destination):
    """Objects by STOW-RS."""

    kind: Literal["dicomweb"]
    url: str
    """Base URL of the DICOMweb service, without ``/studies``."""
    username: str | None = None
    password_file: Path | None = None


class DicomDestination(_Destination):
    """Objects by C-STORE, with storage commitment where it is asked for."""

    kind: Literal["dicom"]
    ae_title: str = Field(min_length=1, max_length=16)
    host: str
    port: int = Field(ge=1, le=65535)
    wants_commitment: bool = False
    """Whether the delivery counts only once the destination has taken over responsibility (PS3.4 J)."""
    commitment_wait_s: float = Field(default=30.0, gt=0)
    """How long its report is awaited before the objects are sent again."""


class Hl7Destination(_Destination):
    """Results by ORU^R01 over MLLP."""

    kind: Literal["hl7"]
    host: str
    port: int = Field(ge=1, le=65535)
    receiving_application: str = ""
    receiving_facility: str = ""


class ModalityWorklistDestination(_Destination):
    """Worklist files for Orthanc's plugin, one an exam."""

    kind: Literal["modality-worklist"]
    directory: Path
    station_ae_title: str = Field(default="READING", min_length=1, max_length=16)
    """Scheduled Station AE Title (0040,0001): who asks the worklist for readings."""


class WebhookDestination(_Destination):
    """Results as signed JSON by HTTP POST."""

    kind: Literal["webhook"]
    url: str
    secret_file: Path


class WorkitemDestination(_Destination):
    """The reading workitem at a foreign manager, by UPS Push."""

    kind: Literal["ups"]
    ae_title: str = Field(min_length=1, max_length=16)
    host: str
    port: int = Field(ge=1, le=65535)
    dialect: Literal["standard", "dcm4chee"] = "standard"


class FhirDestination(_Destination):
    """A DiagnosticReport by FHIR R4, created or updated under an identifier of ours."""

    kind: Literal["fhir"]
    url: str
    """Base URL of the FHIR server."""
    bearer_token_file: Path | None = None


DestinationSettings = Annotated[
    DicomWebDestination
    | DicomDestination
    | Hl7Destination
    | ModalityWorklistDestination
    | WebhookDestination
    | WorkitemDestination
    | FhirDestination,
    Field(discriminator="kind"),
]

TAKES_OBJECTS = (DicomWebDestination, DicomDestination)
"""Kinds of destination that get the objects of a report; the others get the result in words."""
