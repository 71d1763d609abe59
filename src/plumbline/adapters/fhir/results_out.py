"""A DiagnosticReport for each result, by FHIR R4 conditional update: created once, then replaced in place."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from fhir.resources.R4B.diagnosticreport import DiagnosticReport

from plumbline.errors import InvalidInput, Unavailable
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.outgoing import WITHDRAWN
from plumbline.pipeline.ports import ReportObject
from plumbline.triage.priority import Priority

DICOM_UID = "urn:dicom:uid"
PRIORITY_EXTENSION = "http://hl7.org/fhir/StructureDefinition/workflow-priority"
_STATUS = {WITHDRAWN: "entered-in-error"}
"""Status of a DiagnosticReport where FHIR has another word than we."""
_TRY_LATER = frozenset({401, 403, 404, 408, 409, 412, 425, 429})


def diagnostic_report(notice: Mapping[str, Any]) -> DiagnosticReport:
    """DiagnosticReport of a result: status, conclusion, priority as an extension, the study it is about."""
    patient = notice["patient"]
    link = notice["link"]
    presented = [{"contentType": "text/html", "url": link}] if link else []
    words = "\n".join(notice["reasons"])
    presented.append({"contentType": "text/plain", "data": base64.b64encode(words.encode()).decode()})
    return DiagnosticReport.model_validate(
        {
            "resourceType": "DiagnosticReport",
            "identifier": [{"system": DICOM_UID, "value": _identifier(notice)}],
            "extension": [
                {"url": PRIORITY_EXTENSION, "valueCodeableConcept": {"text": Priority(notice["priority"]).fhir}}
            ],
            "status": _STATUS.get(notice["status"], notice["status"]),
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}]}],
            "code": {"text": notice["description"] or "Comparison of a postoperative spine exam"},
            "subject": {"identifier": {"value": patient["id"], **_assigner(patient)}},
            "issued": notice["completed_at"],
            "imagingStudy": [{"identifier": {"system": DICOM_UID, "value": f"urn:oid:{notice['study_instance_uid']}"}}],
            "conclusion": words,
            "presentedForm": presented,
        }
    )


def _identifier(notice: Mapping[str, Any]) -> str:
    """The report's own identifier; it is that of the reading, so that a later revision replaces it."""
    return f"urn:oid:{notice['workitem_uid']}"


def _assigner(patient: Mapping[str, Any]) -> dict[str, Any]:
    return {"assigner": {"display": patient["issuer"]}} if patient["issuer"] else {}


class FhirReports:
    """``Destination`` that keeps one DiagnosticReport an exam on a FHIR server."""

    def __init__(self, url: str, *, bearer_token: str | None = None, timeout_s: float = 30.0) -> None:
        headers = {"authorization": f"Bearer {bearer_token}"} if bearer_token else {}
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=timeout_s, headers=headers)

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``."""
        body = diagnostic_report(delivery.notice).model_dump_json(exclude_none=True)
        where = {"identifier": f"{DICOM_UID}|{_identifier(delivery.notice)}"}
        headers = {"content-type": "application/fhir+json"}
        try:
            answer = self._client.put(f"{self._url}/DiagnosticReport", params=where, content=body, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable("the FHIR server does not answer") from error
        if answer.is_success:
            return
        if answer.is_server_error or answer.is_redirect or answer.status_code in _TRY_LATER:
            raise Unavailable(f"the FHIR server answers {answer.status_code}")
        raise InvalidInput(f"the FHIR server refuses with {answer.status_code}")
