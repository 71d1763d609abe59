"""ServiceRequest and Procedure of FHIR R4 (R4B) as plain values; the patient by identifier and system.

A ServiceRequest is an order like one of HL7 v2 and counts as much. A Procedure that was done is an operative
record and counts more.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.procedure import Procedure
from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import ValidationError

from plumbline.adapters.fhir.refusals import RefusedResource
from plumbline.exams.coded_text import words_of_code
from plumbline.exams.facts import SourceKind
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.order import Order, order_from_text
from plumbline.exams.study import PatientIdentity

Resource = ServiceRequest | Procedure
MODELS: Mapping[str, type[ServiceRequest] | type[Procedure]] = {
    "ServiceRequest": ServiceRequest,
    "Procedure": Procedure,
}

PRIORITY = {"routine": "ROUTINE", "urgent": "URGENT", "asap": "URGENT", "stat": "STAT"}
"""Request.priority to the priorities of design section 4; "as soon as possible" is HL7's A, urgent."""
STATUS_OF_REQUEST = {
    **dict.fromkeys(("active", "on-hold", "completed", "unknown"), OrderStatus.ACTIVE),
    **dict.fromkeys(("draft", "revoked", "entered-in-error"), OrderStatus.CANCELLED),
}
"""Request status; a draft does not count yet, which is stored as one that does not count any more."""
NO_ORDER = frozenset({"proposal", "plan", "directive", "option"})
"""Request.intent of what nobody has ordered."""
STATUS_OF_PROCEDURE = {
    **dict.fromkeys(("preparation", "in-progress", "on-hold", "stopped", "completed", "unknown"), OrderStatus.ACTIVE),
    **dict.fromkeys(("not-done", "entered-in-error"), OrderStatus.CANCELLED),
}
DONE = frozenset({"completed", "stopped"})
"""Event status of what was done, if perhaps not to its end."""
SURGICAL_PROCEDURE = "387713003"
"""SNOMED CT code of ServiceRequest.category for operations."""
ACCESSION_TYPE = "ACSN"
"""Identifier type of table 0203 for accession numbers."""
STUDY_UID_SYSTEM, OID = "urn:dicom:uid", "urn:oid:"
SEX = {"male": "M", "female": "F", "other": "O"}

_Value = TypeVar("_Value")
_NAMESPACE = uuid.UUID("4f2c9a51-6f0c-5d86-9b8c-0b6f3f7f3f0e")


@dataclass(frozen=True)
class SiteSystems:
    """Which issuer of patient IDs an identifier system is."""

    issuers: Mapping[str, str] = field(default_factory=dict)
    default_issuer: str | None = None


def parse(kind: str, body: bytes) -> Resource:
    """A resource of a kind, validated against R4.

    Raises
    ------
    RefusedResource
        With the path of the first element that is wrong.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise RefusedResource("The body is not JSON.", kind, "structure") from error
    if not isinstance(document, dict) or document.get("resourceType") != kind:
        raise RefusedResource(f"The body is not a resource of type {kind}.", f"{kind}.resourceType", "structure")
    try:
        return MODELS[kind].model_validate(document)
    except ValidationError as error:
        raise _refusal(kind, error) from error


def _refusal(kind: str, error: ValidationError) -> RefusedResource:
    """The first fault; the library's own words only where they cannot quote what was sent."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = ".".join([kind, *(str(part) for part in first["loc"])])
    fault = first["type"]
    if "missing" in fault:
        return RefusedResource("This element is required.", path, "required")
    if fault == "extra_forbidden":
        return RefusedResource("R4 has no such element.", path, "structure")
    return RefusedResource("This element does not have the form that R4 asks for.", path, "value")


def id_of_new(kind: str, resource: Resource, body: bytes) -> str:
    """Id of a resource that was posted: of its first identifier, else of its content, so a repeat is the same."""
    first = next((each for each in resource.identifier or () if each.value), None)
    if first is not None:
        return id_of_identifier(kind, first.system and str(first.system), str(first.value))
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{body.hex()}"))


def id_of_identifier(kind: str, system: str | None, value: str) -> str:
    """Id of the resource that has this identifier as its first, or that a client means by it."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{f'{system}|{value}'.encode().hex()}"))


def id_of_criteria(kind: str, criteria: str) -> str:
    """Id of the resource that a conditional request means (FHIR R4, http.html#ccreate and #cond-update).

    Raises
    ------
    RefusedResource
        When it asks for anything else than one identifier: resources are found by nothing else here.
    """
    asked = parse_qsl(criteria.removeprefix("?"), keep_blank_values=True)
    if len(asked) != 1 or asked[0][0] != "identifier" or not asked[0][1].rpartition("|")[2]:
        sentence = "Only identifier=SYSTEM|VALUE is understood as the condition."
        raise RefusedResource(sentence, f"{kind}.identifier", "not-supported")
    system, _, value = asked[0][1].rpartition("|")
    return id_of_identifier(kind, system or None, value)


def notice_of(kind: str, resource_id: str, resource: Resource, site: SiteSystems) -> OrderNotice:
    """What a resource says.

    Raises
    ------
    RefusedResource
        When the patient cannot be told, or a code is not one of R4's.
    """
    who = _patient(kind, resource, site)
    key = f"fhir:{kind}/{resource_id}"
    if isinstance(resource, Procedure):
        return _procedure_notice(key, resource, who)
    return _request_notice(key, resource, who)


def _request_notice(key: str, request: ServiceRequest, who: PatientIdentity) -> OrderNotice:
    status = _coded(STATUS_OF_REQUEST, request.status, "ServiceRequest.status")
    planned_on = _day(request.occurrenceDateTime) or _day_of_period(request.occurrencePeriod)
    indication = [*_texts(request.reasonCode)]
    texts = [*_texts([request.code]), *_texts(request.orderDetail), *_texts(request.bodySite), *indication]
    order = _order([*texts, *_notes(request)], SourceKind.ORDER, planned_on or _day(request.authoredOn))
    priority = _coded(PRIORITY, request.priority, "ServiceRequest.priority") if request.priority else None
    categories = {coding.code for concept in request.category or () for coding in concept.coding or ()}
    is_operation = SURGICAL_PROCEDURE in categories
    return OrderNotice(
        order_key=key,
        status=OrderStatus.CANCELLED if request.intent in NO_ORDER else status,
        patient=who,
        order=replace(
            _dated(order, planned_on) if is_operation else order,
            indication="; ".join(indication) or None,
            priority=priority,
            accession_number=_accession(request.identifier),
        ),
        study_instance_uid=_study_uid(request.identifier),
        planned_on=planned_on,
        is_operation=is_operation,
    )


def _procedure_notice(key: str, procedure: Procedure, who: PatientIdentity) -> OrderNotice:
    status = _coded(STATUS_OF_PROCEDURE, procedure.status, "Procedure.status")
    on = _day(procedure.performedDateTime) or _day_of_period(procedure.performedPeriod)
    source = SourceKind.OPERATIVE_RECORD if procedure.status in DONE else SourceKind.ORDER
    texts = [*_texts([procedure.code]), *_texts(procedure.bodySite), *_texts(procedure.reasonCode)]
    order = _order([*texts, *_notes(procedure)], source, on)
    return OrderNotice(key, status, who, _dated(order, on), planned_on=on, is_operation=True)


def _order(texts: Iterable[str], source: SourceKind, on: date | None) -> Order:
    return order_from_text("\n".join(dict.fromkeys(texts)), source=source, reference_date=on)


def _dated(order: Order, on: date | None) -> Order:
    """An operation's day is that of its resource, whatever other days its text names."""
    if order.plan is None or on is None:
        return order
    return replace(order, plan=replace(order.plan, surgery_date=on))


def _coded(table: Mapping[str, _Value], code: str | None, path: str) -> _Value:
    if code is None or code not in table:
        raise RefusedResource(f"The code is not one of {', '.join(table)}.", path, "code-invalid")
    return table[code]


def _texts(concepts: Iterable[CodeableConcept | None] | None) -> Iterator[str]:
    """Words of coded concepts: their text, else the display of a coding, else its code."""
    for concept in concepts or ():
        if concept is None:
            continue
        codings = concept.coding or ()
        meant = (words_of_code(each.code or "", str(each.system or "")) for each in codings)
        told = [concept.text, *(each.display for each in codings), *meant, *(each.code for each in codings)]
        if text := next((each for each in told if each), None):
            yield text


def _notes(resource: Resource) -> Iterator[str]:
    for note in resource.note or ():
        if note.text:
            yield note.text


def _patient(kind: str, resource: Resource, site: SiteSystems) -> PatientIdentity:
    """The subject: its identifier, and what a contained Patient adds.

    Of several identifiers those of systems that the site does not know (an insurance's, a nation's) are passed over.
    """
    subject = resource.subject
    if subject is None:
        raise RefusedResource("This element is required.", f"{kind}.subject", "required")
    contained = _contained_patient(resource, subject.reference)
    identifiers = [subject.identifier, *((contained.identifier or ()) if contained else ())]
    told = [each for each in identifiers if each is not None and each.value]
    known = [each for each in told if not each.system or each.system in site.issuers]
    pairs = dict.fromkeys((each.value.strip(), _issuer(each, kind, site)) for each in known or told)
    if not pairs:
        raise RefusedResource(
            "The patient cannot be told: give subject.identifier with system and value, or a contained Patient.",
            f"{kind}.subject",
            "business-rule",
        )
    (patient_id, issuer), *others = pairs
    return PatientIdentity(
        patient_id=patient_id,
        issuer=issuer,
        birth_date=_day(contained.birthDate) if contained else None,
        sex=SEX.get(contained.gender or "") if contained else None,
        other_ids=tuple(others),
    )


def _contained_patient(resource: Resource, reference: str | None) -> Patient | None:
    if not reference or not reference.startswith("#"):
        return None
    held = (each for each in resource.contained or () if isinstance(each, Patient))
    return next((each for each in held if each.id == reference.removeprefix("#")), None)


def _issuer(identifier: Identifier, kind: str, site: SiteSystems) -> str | None:
    if not identifier.system:
        return site.default_issuer
    issuer = site.issuers.get(identifier.system)
    if issuer is None:
        raise RefusedResource(
            "This site does not know whose patient IDs have this system; name it in the setting site.issuers.",
            f"{kind}.subject.identifier.system",
            "business-rule",
        )
    return issuer


def _accession(identifiers: Iterable[Identifier] | None) -> str | None:
    for each in identifiers or ():
        codings = (each.type.coding or ()) if each.type else ()
        if any(coding.code == ACCESSION_TYPE for coding in codings):
            return each.value
    return None


def _study_uid(identifiers: Iterable[Identifier] | None) -> str | None:
    named = (each.value or "" for each in identifiers or () if each.system == STUDY_UID_SYSTEM)
    return next((value.removeprefix(OID) for value in named if value), None)


def _day_of_period(period: Any) -> date | None:
    return _day(period.start) if period is not None else None


def _day(value: Any) -> date | None:
    """A day; a partial date such as 2026-03 names none."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else None
