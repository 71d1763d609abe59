"""Results as JSON: the contract's document (design section 4), and what steps leave for the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from plumbline.anatomy.landmarks import Landmark
from plumbline.anatomy.levels import Level
from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.checks.finding import CheckName, Finding, Measurement, Status, TrackedImplant
from plumbline.exams.history import Operation, OverruledFact, PhaseLimits, SurgicalHistory
from plumbline.exams.order import Plan, SourceKind
from plumbline.exams.recognition import ExamKind, Recognition, SeriesRole
from plumbline.exams.surgery_text import Tense
from plumbline.priors.choice import Reference, ReferenceChoice, Role
from plumbline.triage.facts import Facts
from plumbline.triage.priority import Priority, TriageDecision


@dataclass(frozen=True)
class Comparison:
    """What comparing one exam with its references came to.

    ``measured_series`` maps each study that was measured to the Series Instance UID that was used.
    ``warnings`` are sentences about what was left out.
    """

    findings: tuple[Finding, ...]
    numbering: Numbering | None = None
    levels_in_view: tuple[str, ...] = ()
    measured_series: Mapping[str, str] = field(default_factory=dict)
    implant_places: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """Where the measured implant lies in each study, LPS mm, by Study Instance UID."""
    hardware_seen: bool | None = None
    warnings: tuple[str, ...] = ()
    views: tuple[Mapping[str, Any], ...] = ()
    """How a viewer shows the exams in one vertebra's frame, see ``pipeline.views``."""


def result_document(
    *,
    study_instance_uid: str,
    recognition: Recognition,
    comparison: Comparison,
    choice: ReferenceChoice,
    decision: TriageDecision,
    sr_path: str | None,
) -> dict[str, Any]:
    """The JSON contract's document; rejected candidates and missing roles are under ``considered`` and ``missing``."""
    numbering = comparison.numbering
    return {
        "current": {
            "study_instance_uid": study_instance_uid,
            "modality": recognition.modality,
            "projection": recognition.projection,
            "position": recognition.position,
            "kind": recognition.kind.value,
            "levels_in_view": list(comparison.levels_in_view or recognition.levels_in_view),
            "numbering": numbering.as_json() if numbering else {"anchor": None, "confidence": 0.0, "conflict": None},
            "reasons": list(recognition.reasons),
            "best_series": [asdict(best) for best in recognition.best_series],
            "measured_series": comparison.measured_series.get(study_instance_uid),
        },
        "references": [each.as_json() for each in choice.considered if each.role is not None],
        "considered": [each.as_json() for each in choice.considered if each.role is None],
        "missing": {role.value: sentence for role, sentence in choice.missing.items()},
        "findings": [finding.as_json() for finding in comparison.findings],
        "triage": decision_document(decision),
        "report": {"sr": sr_path},
        "warnings": list(comparison.warnings),
        "views": list(comparison.views),
    }


def recognition_document(recognition: Recognition) -> dict[str, Any]:
    """JSON form of a recognition."""
    return {
        "kind": recognition.kind.value,
        "modality": recognition.modality,
        "projection": recognition.projection,
        "position": recognition.position,
        "levels_in_view": list(recognition.levels_in_view),
        "series": [asdict(role) for role in recognition.series],
        "reasons": list(recognition.reasons),
        "regions": list(recognition.regions),
        "own_tense": recognition.own_tense.value,
        "has_contrast": recognition.has_contrast,
    }


def recognition_from_document(document: Mapping[str, Any]) -> Recognition:
    """Inverse of ``recognition_document``."""
    return Recognition(
        kind=ExamKind(document["kind"]),
        modality=document["modality"],
        projection=document["projection"],
        position=document["position"],
        levels_in_view=tuple(document["levels_in_view"]),
        series=tuple(_series_role(role) for role in document["series"]),
        reasons=tuple(document["reasons"]),
        regions=tuple(document["regions"]),
        own_tense=Tense(document["own_tense"]),
        has_contrast=document["has_contrast"],
    )


def _series_role(document: Mapping[str, Any]) -> SeriesRole:
    views = tuple((projection, position) for projection, position in document.get("views", ()))
    return SeriesRole(**{**document, "views": views})


def plan_document(plan: Plan | None) -> dict[str, Any] | None:
    """JSON form of a plan."""
    if plan is None:
        return None
    return {
        "levels": [level.name for level in plan.levels],
        "procedures": list(plan.procedures),
        "side": plan.side,
        "surgery_date": plan.surgery_date.isoformat() if plan.surgery_date else None,
        "source": plan.source.name,
        "text": plan.text,
    }


def plan_from_document(document: Mapping[str, Any] | None) -> Plan | None:
    """Inverse of ``plan_document``."""
    if document is None:
        return None
    on = document["surgery_date"]
    return Plan(
        levels=tuple(Level.parse(name) for name in document["levels"]),
        procedures=tuple(document["procedures"]),
        side=document["side"],
        surgery_date=date.fromisoformat(on) if on else None,
        source=SourceKind[document["source"]],
        text=document["text"],
    )


def history_document(history: SurgicalHistory) -> dict[str, Any]:
    """JSON form of a surgical history, for readers."""
    return {
        "operations": [_operation_document(each) for each in history.operations],
        "planned": [_operation_document(each) for each in history.planned],
        "overruled": [
            {"source": each.source.name, "fact": each.fact, "reason": each.reason} for each in history.overruled
        ],
        "is_denied": history.is_denied,
    }


def history_from_document(document: Mapping[str, Any], limits: PhaseLimits | None = None) -> SurgicalHistory:
    """Inverse of ``history_document``; the limits of the phases are the site's and not stored."""
    return SurgicalHistory(
        operations=tuple(_operation_from_document(each) for each in document["operations"]),
        planned=tuple(_operation_from_document(each) for each in document["planned"]),
        overruled=tuple(
            OverruledFact(SourceKind[each["source"]], each["fact"], each["reason"]) for each in document["overruled"]
        ),
        is_denied=document["is_denied"],
        limits=limits or PhaseLimits(),
    )


def _operation_from_document(document: Mapping[str, Any]) -> Operation:
    earliest, latest = document["earliest"], document["latest"]
    return Operation(
        earliest=date.fromisoformat(earliest) if earliest else None,
        latest=date.fromisoformat(latest) if latest else None,
        levels=tuple(Level.parse(name) for name in document["levels"]),
        procedures=tuple(document["procedures"]),
        source=SourceKind[document["source"]],
        confidence=document["confidence"],
        evidence=document["evidence"],
        side=document["side"],
        doubt=document["doubt"],
    )


def _operation_document(operation: Operation) -> dict[str, Any]:
    return {
        "earliest": operation.earliest.isoformat() if operation.earliest else None,
        "latest": operation.latest.isoformat() if operation.latest else None,
        "levels": [level.name for level in operation.levels],
        "procedures": list(operation.procedures),
        "side": operation.side,
        "source": operation.source.name,
        "confidence": round(operation.confidence, 3),
        "evidence": operation.evidence,
        "doubt": operation.doubt,
    }


def choice_document(choice: ReferenceChoice) -> dict[str, Any]:
    """JSON form of a reference choice."""
    return {
        "considered": [
            {**each.as_json(), "score": each.score, "parts": dict(each.parts)} for each in choice.considered
        ],
        "missing": {role.value: sentence for role, sentence in choice.missing.items()},
        "notes": list(choice.notes),
        "conflicts": list(choice.conflicts),
    }


def choice_from_document(document: Mapping[str, Any]) -> ReferenceChoice:
    """Inverse of ``choice_document``."""
    return ReferenceChoice(
        considered=tuple(
            Reference(
                study_instance_uid=each["study_instance_uid"],
                role=Role(each["role"]) if each["role"] else None,
                comparable=each["comparable"],
                score=each["score"],
                parts=each["parts"],
                reasons=tuple(each["reasons"]),
                is_partial=each["partial"],
            )
            for each in document["considered"]
        ),
        missing={Role(role): sentence for role, sentence in document["missing"].items()},
        notes=tuple(document["notes"]),
        conflicts=tuple(document["conflicts"]),
    )


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """JSON form of a comparison, whole: findings keep their geometry and full precision."""
    numbering = comparison.numbering
    return {
        "findings": [_finding_document(finding) for finding in comparison.findings],
        "numbering": None
        if numbering is None
        else {
            "labellings": [
                {"names": list(each.names), "probability": each.probability} for each in numbering.labellings
            ],
            "anchor": numbering.anchor,
            "conflict": numbering.conflict,
        },
        "levels_in_view": list(comparison.levels_in_view),
        "measured_series": dict(comparison.measured_series),
        "implant_places": {uid: list(point) for uid, point in comparison.implant_places.items()},
        "hardware_seen": comparison.hardware_seen,
        "warnings": list(comparison.warnings),
        "views": list(comparison.views),
    }


def comparison_from_document(document: Mapping[str, Any]) -> Comparison:
    """Inverse of ``comparison_document``."""
    numbering = document["numbering"]
    return Comparison(
        findings=tuple(_finding_from_document(each) for each in document["findings"]),
        numbering=None
        if numbering is None
        else Numbering(
            labellings=tuple(Labelling(tuple(each["names"]), each["probability"]) for each in numbering["labellings"]),
            anchor=numbering["anchor"],
            conflict=numbering["conflict"],
        ),
        levels_in_view=tuple(document["levels_in_view"]),
        measured_series=document["measured_series"],
        implant_places={uid: (x, y, z) for uid, (x, y, z) in document["implant_places"].items()},
        hardware_seen=document["hardware_seen"],
        warnings=tuple(document["warnings"]),
        views=tuple(document.get("views", ())),
    )


def decision_document(decision: TriageDecision) -> dict[str, Any]:
    """JSON form of a triage decision."""
    return {"priority": decision.priority.value, "reasons": list(decision.reasons), "rules": list(decision.rules)}


def decision_from_document(document: Mapping[str, Any]) -> TriageDecision:
    """Inverse of ``decision_document``."""
    return TriageDecision(Priority(document["priority"]), tuple(document["reasons"]), tuple(document.get("rules", ())))


def facts_document(facts: Facts) -> dict[str, Any]:
    """JSON form of what the triage rules saw but for the findings, which the comparison has; sets become lists."""
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in facts.values.items()}


def facts_from_document(document: Mapping[str, Any], findings: Sequence[Finding]) -> Facts:
    """Inverse of ``facts_document``."""
    values = {name: frozenset(value) if isinstance(value, list) else value for name, value in document.items()}
    return Facts(values, tuple(findings))


def _finding_document(finding: Finding) -> dict[str, Any]:
    return {
        **finding.as_json(),
        "measurements": {
            key: {"value": each.value, "uncertainty_95": each.uncertainty_95}
            for key, each in finding.measurements.items()
        },
        "geometry": {name: [list(point) for point in points] for name, points in finding.geometry.items()},
    }


def _finding_from_document(document: Mapping[str, Any]) -> Finding:
    implant = document.get("implant")
    return Finding(
        check=CheckName(document["check"]),
        level=document["level"],
        status=Status(document["status"]),
        reasons=tuple(document["reasons"]),
        measurements={
            key: Measurement(each["value"], each["uncertainty_95"]) for key, each in document["measurements"].items()
        },
        reference=document["reference"],
        sources=tuple(document["sources"]),
        implant=TrackedImplant(**implant) if implant else None,
        geometry=_geometry(document["geometry"]),
        landmarks=tuple(
            Landmark(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in document.get("landmarks", ())
        ),
    )


def _geometry(
    document: Mapping[str, Sequence[Sequence[float]]],
) -> dict[str, tuple[tuple[float, float, float], ...]]:
    return {name: tuple((x, y, z) for x, y, z in points) for name, points in document.items()}
