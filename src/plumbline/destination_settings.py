"""Settings of the systems that results are sent to, one kind of destination each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline.settings_values import AeTitle, BaseUrl, Host, HttpUrl


class _Destination(BaseModel):
    """What every destination has."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """What routing rules, metrics and operators call it."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for an answer; what comes to nothing is tried again later."""


class DicomWebDestination(_Destination):
    """Objects by STOW-RS."""

    kind: Literal["dicomweb"]
    """Objects by STOW-RS."""
    url: BaseUrl
    """Base URL of the DICOMweb service, without ``/studies``."""
    username: str | None = None
    """Who we are there, by HTTP basic authentication."""
    password_file: Path | None = None
    """File with the password of ``username``."""


class DicomDestination(_Destination):
    """Objects by C-STORE, with storage commitment where it is asked for."""

    kind: Literal["dicom"]
    """Objects by C-STORE."""
    ae_title: AeTitle
    """Its AE Title."""
    host: Host
    """Its address or name."""
    port: int = Field(ge=1, le=65535)
    """Its port."""
    wants_commitment: bool = False
    """Whether the delivery counts only once the destination has taken over responsibility (PS3.4 J)."""
    commitment_wait_s: float = Field(default=30.0, gt=0)
    """How long its report is awaited before the objects are sent again."""


class Hl7Destination(_Destination):
    """Results by ORU^R01 over MLLP."""

    kind: Literal["hl7"]
    """Results by ORU^R01 over MLLP."""
    host: Host
    """Its address or name."""
    port: int = Field(ge=1, le=65535)
    """Its port."""
    receiving_application: str = ""
    """MSH-5; empty where the receiver does not look at it."""
    receiving_facility: str = ""
    """MSH-6; likewise."""


class ModalityWorklistDestination(_Destination):
    """Worklist files for Orthanc's plugin, one an exam."""

    kind: Literal["modality-worklist"]
    """A worklist file an exam."""
    directory: Path
    """Folder that the plugin reads."""
    station_ae_title: AeTitle = "READING"
    """Scheduled Station AE Title (0040,0001): who asks the worklist for readings."""


class WebhookDestination(_Destination):
    """Results as signed JSON by HTTP POST."""

    kind: Literal["webhook"]
    """Results as signed JSON."""
    url: HttpUrl
    """Where results are posted."""
    secret_file: Path
    """File with the secret that signs them, by the Standard Webhooks scheme."""


class WorkitemDestination(_Destination):
    """The reading workitem at a foreign manager, by UPS Push."""

    kind: Literal["ups"]
    """The reading workitem by UPS Push."""
    ae_title: AeTitle
    """Its AE Title."""
    host: Host
    """Its address or name."""
    port: int = Field(ge=1, le=65535)
    """Its port."""
    dialect: Literal["standard", "dcm4chee"] = "standard"
    """Whose reading of the Standard it follows."""
    is_followed: bool = False
    """Whether what becomes of the reading there is taken over here: claimed, completed or cancelled there, so here. The
    manager has to be one of ``listener.peers`` and to know where our listener is."""


class FhirDestination(_Destination):
    """A DiagnosticReport by FHIR R4, created or updated under an identifier of ours."""

    kind: Literal["fhir"]
    """A DiagnosticReport."""
    url: BaseUrl
    """Base URL of the FHIR server."""
    bearer_token_file: Path | None = None
    """File with a bearer token; null where the server asks for none."""


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
