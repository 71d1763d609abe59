"""Reading findings back out of structured reports: this system's own in full, others' as far as they go.

Strict in writing, tolerant in reading: an item that is missing or odd makes a finding poorer, never an
exception; what was not understood is said in :func:`survey_report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from plumbline.anatomy.levels import levels_between, usual_spine
from plumbline.checks.finding import CheckName, Status
from plumbline.errors import InvalidInput
from plumbline.priors.choice import Role
from plumbline.reports.codes import (
    PRIORITY,
    PRIVATE_SCHEME,
    check_of_finding,
    measurement_key,
    pair,
    private,
    role_of_code,
    site_code,
)

CodePair = tuple[str, str]
_NO_CODE: CodePair = ("", "")
_UPPER = pair(codes.SCT.RangeOfUpperMeasurementUncertainty)
_GROUP = pair(codes.DCM.MeasurementGroup)


@dataclass(frozen=True, slots=True)
class ReadMeasurement:
    """One number of a report: its concept's meaning, value, half-width of the 95 % interval if given, UCUM unit."""

    meaning: str
    value: float
    uncertainty_95: float | None
    unit: str


@dataclass(frozen=True)
class ReadFinding:
    """One measurement group of a report.

    ``check``, ``status`` and ``level`` are None where the group is not this system's. Measurements of
    this system are keyed as in the contract, others' by ``SCHEME:VALUE`` of their concept.
    ``coordinates_lps_mm`` are the SCOORD3D points, one tuple an item, in the Frame of Reference named.
    """

    tracking_uid: str | None
    tracking_identifier: str | None
    finding: str | None
    check: CheckName | None
    level: str | None
    status: Status | None
    measurements: Mapping[str, ReadMeasurement] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    reference: Role | None = None
    reference_study_uid: str | None = None
    algorithm_version: str | None = None
    coordinates_lps_mm: tuple[tuple[tuple[float, ...], ...], ...] = ()
    frame_of_reference_uid: str | None = None


@dataclass(frozen=True)
class ReportSurvey:
    """What a structured report is and how much of it was understood."""

    title: str
    is_own: bool
    findings: tuple[ReadFinding, ...]
    notes: tuple[str, ...]
    priority: str | None = None


def read_report(report: Dataset) -> tuple[ReadFinding, ...]:
    """Findings of a structured report, in its order; empty where it has no measurement groups.

    Raises
    ------
    InvalidInput
        If the object is not a structured report.
    """
    if "ContentSequence" not in report or report.get("ValueType") != "CONTAINER":
        raise InvalidInput("it is not a structured report", where=str(report.get("SOPInstanceUID") or ""))
    return tuple(_finding(group) for group in _measurement_groups(report))


def survey_report(report: Dataset) -> ReportSurvey:
    """Findings of a structured report with notes on what was and what was not understood.

    Raises
    ------
    InvalidInput
        If the object is not a structured report.
    """
    findings = read_report(report)
    title = _meaning(report.get("ConceptNameCodeSequence"))
    is_own = any(_name(item) == pair(private("assistive")) for item in _descendants(report))
    priorities = [item for item in _descendants(report) if _name(item) == pair(PRIORITY)]
    return ReportSurvey(
        title=title,
        is_own=is_own,
        findings=findings,
        notes=tuple(_notes(title, findings, is_own)),
        priority=_value(priorities[0])[0] if priorities and is_own else None,
    )


def _notes(title: str, findings: tuple[ReadFinding, ...], is_own: bool) -> Iterator[str]:
    if not is_own:
        yield f'"{title}" was written by another system.'
    if not findings:
        yield "It has no measurement groups."
    unknown = sum(finding.check is None for finding in findings)
    if unknown:
        yield f"{unknown} of {len(findings)} groups are not of a check known here; their numbers are kept by code."
    untracked = sum(finding.tracking_uid is None for finding in findings)
    if untracked:
        yield f"{untracked} of {len(findings)} groups have no tracking UID."


def _measurement_groups(item: Dataset) -> Iterator[Dataset]:
    for child in _children(item):
        if child.get("ValueType") == "CONTAINER" and _name(child) == _GROUP:
            yield child
        else:
            yield from _measurement_groups(child)


def _finding(group: Dataset) -> ReadFinding:
    found = _value(_child(group, codes.DCM.Finding))
    comparison = _child(group, private("compared-with"))
    coordinates = [item for item in _children(group) if item.get("ValueType") == "SCOORD3D"]
    study = _child(comparison, codes.DCM.ProcedureStudyInstanceUID)
    status = _status(group)
    check = None if status is None else check_of_finding(found)
    return ReadFinding(
        tracking_uid=_text(_child(group, codes.DCM.TrackingUniqueIdentifier), "UID"),
        tracking_identifier=_text(_child(group, codes.DCM.TrackingIdentifier), "TextValue"),
        finding=_meaning(_child(group, codes.DCM.Finding).get("ConceptCodeSequence")) or None,
        check=check,
        level=_level(_child(group, codes.SCT.FindingSite)),
        status=status,
        measurements=_by_key(_measurements(group, is_own=check is not None)),
        reasons=tuple(_reasons(group)),
        reference=role_of_code(_value(comparison)),
        reference_study_uid=_text(study, "UID"),
        algorithm_version=_text(_child(group, codes.DCM.AlgorithmVersion), "TextValue"),
        coordinates_lps_mm=tuple(_points(item) for item in coordinates),
        frame_of_reference_uid=_text(coordinates[0], "ReferencedFrameOfReferenceUID") if coordinates else None,
    )


def _status(group: Dataset) -> Status | None:
    value, scheme = _value(_child(group, private("status")))
    return Status(value) if scheme == PRIVATE_SCHEME and value in set(Status) else None


def _level(site: Dataset) -> str | None:
    """Name of a level or vertebra from its code; a private site is named by its code value."""
    value, scheme = _value(site)
    if scheme == PRIVATE_SCHEME:
        return value
    return _LEVEL_NAMES.get((value, scheme))


def _level_names() -> dict[CodePair, str]:
    spine = usual_spine()
    names = [str(level) for level in levels_between(spine[0], spine[-1])] + [str(vertebra) for vertebra in spine]
    return {pair(site_code(name)): name for name in names}


_LEVEL_NAMES = _level_names()


def _measurements(group: Dataset, *, is_own: bool) -> Iterator[tuple[str, ReadMeasurement]]:
    for item in _children(group):
        number = _number(item)
        if item.get("ValueType") != "NUM" or item.get("RelationshipType") != "CONTAINS" or number is None:
            continue
        bound = next((below for below in _descendants(item) if _name(below) == _UPPER), Dataset())
        meaning = _meaning(item.get("ConceptNameCodeSequence"))
        yield _key(item, is_own=is_own), ReadMeasurement(meaning, number, _number(bound), _unit(item))


def _key(item: Dataset, *, is_own: bool) -> str:
    """Contract key of an own measurement; another system's is known by its concept alone."""
    name = _name(item)
    modifiers = {_name(child): _value(child) for child in _children(item) if child.get("ValueType") == "CODE"}
    key = measurement_key(name, modifiers, _unit(item)) if is_own else None
    return key or f"{name[1]}:{name[0]}"


def _by_key(measurements: Iterator[tuple[str, ReadMeasurement]]) -> dict[str, ReadMeasurement]:
    """By key; further ones of the same key, which only others' reports have, are numbered from 2."""
    kept: dict[str, ReadMeasurement] = {}
    for key, measurement in measurements:
        count = sum(known.partition("#")[0] == key for known in kept)
        kept[f"{key}#{count + 1}" if count else key] = measurement
    return kept


def _reasons(group: Dataset) -> Iterator[str]:
    for item in _children(group):
        if item.get("ValueType") == "TEXT" and _name(item) == pair(codes.DCM.Comment):
            yield str(item.get("TextValue") or "")


def _points(item: Dataset) -> tuple[tuple[float, ...], ...]:
    data = item.get("GraphicData")
    flat = [float(value) for value in data] if isinstance(data, MultiValue | list) else []
    return tuple(tuple(flat[i : i + 3]) for i in range(0, len(flat) - 2, 3))


# --- Content items, tolerant of anything missing ----------------------------------------------------------


def _children(item: Dataset) -> list[Dataset]:
    return list(_items(item.get("ContentSequence")))


def _descendants(item: Dataset) -> Iterator[Dataset]:
    for child in _children(item):
        yield child
        yield from _descendants(child)


def _child(item: Dataset, concept: Code) -> Dataset:
    """First child with this concept name, or an empty item."""
    return next((child for child in _children(item) if _name(child) == pair(concept)), Dataset())


def _name(item: Dataset) -> CodePair:
    return _code(item.get("ConceptNameCodeSequence"))


def _value(item: Dataset) -> CodePair:
    return _code(item.get("ConceptCodeSequence"))


def _items(sequence: object) -> Sequence:
    """The items of a sequence; none where it is missing or something else stands in its place."""
    return sequence if isinstance(sequence, Sequence) else Sequence()


def _code(sequence: object) -> CodePair:
    """(value, scheme) of a code sequence."""
    item = next(iter(_items(sequence)), Dataset())
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    return (str(value), str(item.get("CodingSchemeDesignator") or ""))


def _meaning(sequence: object) -> str:
    return str(next(iter(_items(sequence)), Dataset()).get("CodeMeaning") or "")


def _text(item: Dataset, keyword: str) -> str | None:
    value = item.get(keyword)
    return str(value) if value else None


def _number(item: Dataset) -> float | None:
    value = _measured(item).get("NumericValue")
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _unit(item: Dataset) -> str:
    return _code(_measured(item).get("MeasurementUnitsCodeSequence"))[0]


def _measured(item: Dataset) -> Dataset:
    return next(iter(_items(item.get("MeasuredValueSequence"))), Dataset())
