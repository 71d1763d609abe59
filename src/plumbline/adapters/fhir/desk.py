"""Resources in and out: stored as they came before they are acknowledged, and what they say applied. No HTTP here."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from plumbline.adapters.fhir.answers import as_stored
from plumbline.adapters.fhir.reading import SiteSystems, id_of_criteria, id_of_new, notice_of, parse
from plumbline.adapters.fhir.refusals import RefusedResource
from plumbline.pipeline.patient_ports import Envelope, MessageIntake

CHANNEL = "fhir"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True)
class Kept:
    """A resource as the server keeps it."""

    resource_id: str
    version: int
    document: dict[str, Any]
    is_new: bool = False


@dataclass(frozen=True)
class FhirDesk:
    """Takes ServiceRequest and Procedure for a site."""

    intake: MessageIntake
    site: SiteSystems

    def create(self, kind: str, body: bytes) -> Kept:
        """Take a new resource; the same one again (by identifier, else by content) is the same resource.

        Raises
        ------
        RefusedResource
            When it cannot be used; it is kept in quarantine.
        """
        try:
            resource = parse(kind, body)
        except RefusedResource as refusal:
            self._set_aside(kind, None, body, refusal)
            raise
        return self._keep(kind, id_of_new(kind, resource, body), body)

    def create_unless_known(self, kind: str, criteria: str, body: bytes) -> Kept:
        """Take a new resource unless one with the identifier is there, which then stays as it is."""
        resource_id = id_of_criteria(kind, criteria)
        return self.read(kind, resource_id) or self.update(kind, resource_id, body)

    def update_by_identifier(self, kind: str, criteria: str, body: bytes) -> Kept:
        """Take a new version of the resource with the identifier, or a new one."""
        return self.update(kind, id_of_criteria(kind, criteria), body)

    def update(self, kind: str, resource_id: str, body: bytes) -> Kept:
        """Take a new version of a resource, or a new one under the id that the client chose."""
        if not _ID.fullmatch(resource_id):
            raise RefusedResource("The id in the address has other characters than R4 allows.", f"{kind}.id")
        return self._keep(kind, resource_id, body)

    def check(self, kind: str, body: bytes) -> None:
        """Raise ``RefusedResource`` where a resource cannot be used; nothing is stored or set aside."""
        notice_of(kind, "", parse(kind, body), self.site)

    def read(self, kind: str, resource_id: str) -> Kept | None:
        """The newest version, None where there is none."""
        found = self.intake.newest_about(_subject(kind, resource_id))
        if found is None:
            return None
        body, version = found
        return Kept(resource_id, version, as_stored(parse(kind, body), resource_id, version))

    def _keep(self, kind: str, resource_id: str, body: bytes) -> Kept:
        before = self.intake.newest_about(_subject(kind, resource_id))
        try:
            resource = parse(kind, body)
            notice = notice_of(kind, resource_id, resource, self.site)
        except RefusedResource as refusal:
            self._set_aside(kind, resource_id, body, refusal)
            raise
        version = before[1] if before else 0
        if before is None or json.loads(before[0]) != json.loads(body):
            self.intake.take_in(_envelope(kind, resource_id, body, version + 1), [notice])
            version += 1
        return Kept(resource_id, version, as_stored(resource, resource_id, version), is_new=before is None)

    def _set_aside(self, kind: str, resource_id: str | None, body: bytes, refusal: RefusedResource) -> None:
        self.intake.set_aside(_envelope(kind, resource_id, body, 0), str(refusal))


def _subject(kind: str, resource_id: str) -> str:
    return f"{kind}/{resource_id}"


def _envelope(kind: str, resource_id: str | None, body: bytes, version: int) -> Envelope:
    """FHIR has no control IDs: a message is told apart by resource, version and content."""
    subject = _subject(kind, resource_id) if resource_id else None
    control_id = f"{subject or hashlib.sha256(body).hexdigest()}/{version}"
    return Envelope(CHANNEL, kind, CHANNEL, control_id, body, subject)
