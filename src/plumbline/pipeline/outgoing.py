"""What there is to say of a finished exam to other systems, and to which of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plumbline.exams.study import PatientIdentity, Study
from plumbline.pipeline.outbox import PROVISIONAL_KEY, DeliveryKind, NewDelivery
from plumbline.pipeline.ports import ReportObject
from plumbline.pipeline.rejection import REJECTS
from plumbline.triage.priority import TriageDecision

PRELIMINARY, FINAL, CORRECTED = "preliminary", "final", "corrected"
WITHDRAWN, CANCELLED = "withdrawn", "cancelled"
"""Results that do not hold: one that had been final, and one that never came to more than a preliminary priority."""
TAKES_BACK = frozenset({WITHDRAWN, CANCELLED})
"""Statuses of notices that take back what was told before."""


@dataclass(frozen=True)
class Routing:
    """Destinations of a site by name, and what each kind of them is sent."""

    kinds: Mapping[str, DeliveryKind]
    """Name of each destination, in the order of the settings, with what it takes."""
    public_url: str | None = None
    """Where readers reach the pages, for the link in messages."""

    def link(self, study_instance_uid: str) -> str | None:
        """Address of the page of an exam."""
        return None if self.public_url is None else f"{self.public_url.rstrip('/')}/exams/{study_instance_uid}"


NO_ROUTING = Routing({})
"""A site that sends results nowhere but to its archive and its worklist."""


@dataclass(frozen=True)
class Finished:
    """A finished exam, as far as other systems are told of it."""

    study: Study
    revision: int
    patient_name: str | None
    decision: TriageDecision
    document: Mapping[str, Any]
    objects: Sequence[ReportObject]
    workitem_uid: str
    completed_at: str
    """ISO 8601, with its offset."""
    is_provisional: bool = False
    """Whether it is the first priority, told before the exam was compared."""

    @property
    def status(self) -> str:
        """Result status, as messages are made of it."""
        if self.is_provisional:
            return PRELIMINARY
        return FINAL if self.revision == 1 else CORRECTED


def deliveries(
    finished: Finished,
    destinations: Sequence[str],
    routing: Routing,
    *,
    rejects: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[NewDelivery]:
    """What is owed to each destination because of an exam; objects are there only once it is finished.

    Parameters
    ----------
    rejects
        By destination, what it is to hide of what it was sent before, see ``pipeline.rejection``.
    """
    notice = result_notice(finished, routing)
    stage = PROVISIONAL_KEY if finished.is_provisional else ""
    uid, revision = finished.study.study_instance_uid, finished.revision
    return [
        NewDelivery(
            destination=name,
            kind=routing.kinds[name],
            key=f"{routing.kinds[name].value}:{uid}:{revision}{stage}",
            study_instance_uid=uid,
            revision=revision,
            notice={**notice, REJECTS: rejects[name]} if rejects and name in rejects else notice,
        )
        for name in destinations
        if not (finished.is_provisional and routing.kinds[name] is DeliveryKind.OBJECTS)
    ]


def result_notice(finished: Finished, routing: Routing) -> dict[str, Any]:
    """What messages are made of; it names the patient, as they have to."""
    study, decision = finished.study, finished.decision
    report = next((each for each in finished.objects if each.kind == "sr"), None)
    return {
        "study_instance_uid": study.study_instance_uid,
        "revision": finished.revision,
        "status": finished.status,
        "accession_number": study.accession_number,
        "study_id": study.study_id,
        "description": study.requested_procedure_description or study.description,
        "procedure_codes": [list(code) for code in study.procedure_codes],
        "modality": next(iter(study.modalities), None),
        "performed_at": study.performed_at.isoformat() if study.performed_at else None,
        "completed_at": finished.completed_at,
        "patient": _patient(study.patient, finished.patient_name),
        "priority": decision.priority.value,
        "reasons": list(decision.reasons),
        "findings": [
            {key: finding.get(key) for key in ("check", "level", "status", "reasons")}
            for finding in finished.document.get("findings", [])
        ],
        "link": routing.link(study.study_instance_uid),
        "workitem_uid": finished.workitem_uid,
        "report": None
        if report is None
        else {
            "sop_class_uid": report.sop_class_uid,
            "sop_instance_uid": report.sop_instance_uid,
            "series_instance_uid": report.series_instance_uid,
        },
        "objects": [each.sop_instance_uid for each in finished.objects],
    }


def _patient(patient: PatientIdentity, name: str | None) -> dict[str, Any]:
    return {
        "id": patient.patient_id,
        "issuer": patient.issuer,
        "name": name,
        "birth_date": patient.birth_date.isoformat() if patient.birth_date else None,
        "sex": patient.sex,
    }
