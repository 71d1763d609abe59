"""What is answered in FHIR R4: resources as stored, OperationOutcome, and what this server can do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome

from plumbline.adapters.fhir.reading import MODELS, Resource

FHIR_VERSION = "4.0.1"
FHIR_JSON = "application/fhir+json"


def as_stored(resource: Resource, resource_id: str, version: int) -> dict[str, Any]:
    """A resource with the id and version that the server gives it; everything else as it was sent."""
    document = resource.model_dump(mode="json", exclude_none=True)
    meta = {**document.get("meta", {}), "versionId": str(version)}
    return {"resourceType": resource.get_resource_type(), **document, "id": resource_id, "meta": meta}


def outcome(issue: str, sentence: str, path: str | None = None) -> dict[str, Any]:
    """An OperationOutcome with one error."""
    told: dict[str, Any] = {"severity": "error", "code": issue, "diagnostics": sentence}
    if path:
        told["expression"] = [path]
    return _checked(OperationOutcome, {"issue": [told]})


def capabilities(*, software_version: str, at: datetime) -> dict[str, Any]:
    """The CapabilityStatement: two resources, to be created, replaced and read by id. No search."""
    interactions = [{"code": code} for code in ("create", "update", "read")]
    resources = [
        {
            "type": kind,
            "interaction": interactions,
            "versioning": "versioned",
            "updateCreate": True,
            "conditionalCreate": True,
            "conditionalUpdate": True,
            "readHistory": False,
        }
        for kind in MODELS
    ]
    return _checked(
        CapabilityStatement,
        {
            "status": "active",
            "date": at.isoformat(),
            "kind": "instance",
            "fhirVersion": FHIR_VERSION,
            "format": ["json"],
            "software": {"name": "Plumbline", "version": software_version},
            "implementation": {"description": "Takes orders and operations of spine patients."},
            "rest": [
                {
                    "mode": "server",
                    "resource": resources,
                    "interaction": [{"code": "transaction"}, {"code": "batch"}],
                }
            ],
        },
    )


def _checked(model: Any, document: dict[str, Any]) -> dict[str, Any]:
    """A document that is valid R4."""
    resource = model.model_validate(document)
    return {"resourceType": resource.get_resource_type(), **resource.model_dump(mode="json", exclude_none=True)}
