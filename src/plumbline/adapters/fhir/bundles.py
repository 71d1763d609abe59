"""Bundles of orders and operations: a record system sends them together with the patient that they are about.

Entries other than ServiceRequest, Procedure and Patient are passed over; a patient is no resource of this server,
but tells whose the others are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from plumbline.adapters.fhir.desk import FhirDesk, Kept
from plumbline.adapters.fhir.reading import MODELS
from plumbline.adapters.fhir.refusals import RefusedResource

TRANSACTION, BATCH = "transaction", "batch"
Json = dict[str, Any]
_SUBJECT = "subject"
"""Id under which the patient of another entry is contained in the resource that is about it."""


@dataclass(frozen=True)
class Asked:
    """One entry that is taken: a resource and how it is to be stored."""

    kind: str
    method: str
    address: str
    """``request.url`` of the entry."""
    condition: str | None
    """``request.ifNoneExist``."""
    body: bytes

    def take(self, desk: FhirDesk) -> Kept:
        """Store it as its request asks; raise ``RefusedResource`` where it cannot be used."""
        target, _, criteria = self.address.partition("?")
        if self.method == "PUT" and criteria:
            return desk.update_by_identifier(self.kind, criteria, self.body)
        if self.method == "PUT":
            return desk.update(self.kind, target.rpartition("/")[2], self.body)
        if self.condition:
            return desk.create_unless_known(self.kind, self.condition, self.body)
        return desk.create(self.kind, self.body)

    def check(self, desk: FhirDesk) -> None:
        """Raise ``RefusedResource`` where it cannot be used, without storing anything."""
        desk.check(self.kind, self.body)


def is_transaction(document: Mapping[str, Any]) -> bool:
    """Whether all entries are to be taken or none."""
    return document["type"] == TRANSACTION


def read_bundle(body: bytes) -> dict[str, Any]:
    """A Bundle of requests, validated against R4.

    Raises
    ------
    RefusedResource
        When it is none, or holds no requests.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise RefusedResource("The body is not JSON.", "Bundle", "structure") from error
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        raise RefusedResource("The body is not a resource of type Bundle.", "Bundle.resourceType", "structure")
    try:
        Bundle.model_validate({**document, "entry": []})
    except ValidationError as error:
        raise RefusedResource("The Bundle does not have the form that R4 asks for.", "Bundle", "value") from error
    if document.get("type") not in (TRANSACTION, BATCH):
        raise RefusedResource("Only a transaction or a batch is taken.", "Bundle.type", "not-supported")
    return document


def entries_of(document: Mapping[str, Any]) -> Iterator[Asked | None]:
    """Each entry in its order; None for one that is passed over.

    Raises
    ------
    RefusedResource
        For an entry that asks for anything but POST or PUT of a resource that is taken here.
    """
    entries = document.get("entry") or []
    if not all(_is_entry(entry) for entry in entries):
        raise RefusedResource("An entry is no object.", "Bundle.entry", "structure")
    patients = dict(_patients(entries))
    for number, entry in enumerate(entries):
        resource: Json = entry.get("resource") or {}
        request: Json = entry.get("request") or {}
        kind, method = str(resource.get("resourceType")), request.get("method")
        if kind not in MODELS:
            yield None
            continue
        if method not in ("POST", "PUT"):
            where = f"Bundle.entry[{number}].request.method"
            raise RefusedResource("Only POST and PUT are understood here.", where, "not-supported")
        body = json.dumps(_with_subject(resource, patients)).encode()
        yield Asked(kind, method, str(request.get("url") or kind), request.get("ifNoneExist"), body)


def _is_entry(entry: Any) -> bool:
    parts = ("resource", "request")
    return isinstance(entry, dict) and all(isinstance(entry.get(part) or {}, dict) for part in parts)


def _patients(entries: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Patients by the ways in which others of the Bundle refer to them."""
    for entry in entries:
        resource = entry.get("resource") or {}
        if resource.get("resourceType") == "Patient":
            names = (entry.get("fullUrl"), f"Patient/{resource['id']}" if resource.get("id") else None)
            yield from ((name, resource) for name in names if name)


def _with_subject(resource: dict[str, Any], patients: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The resource with its patient inside, where that is another entry of the Bundle."""
    subject: Any = resource.get("subject")
    patient = patients.get(subject.get("reference", "")) if isinstance(subject, dict) else None
    if patient is None:
        return resource
    contained = [*(resource.get("contained") or ()), {**patient, "id": _SUBJECT}]
    return {**resource, "contained": contained, "subject": {**subject, "reference": f"#{_SUBJECT}"}}
