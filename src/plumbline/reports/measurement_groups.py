"""One finding as a Measurement and Qualitative Evaluation Group (TID 1501)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DateContentItem,
    FindingSite,
    GraphicTypeValues,
    GraphicTypeValues3D,
    ImageContentItem,
    LongitudinalTemporalOffsetFromEvent,
    NumContentItem,
    PnameContentItem,
    RelationshipTypeValues,
    Scoord3DContentItem,
    ScoordContentItem,
    TextContentItem,
    TimePointContext,
    TrackingIdentifier,
    UIDRefContentItem,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from plumbline.checks.finding import Finding, Measurement
from plumbline.priors.choice import Role
from plumbline.reports.codes import (
    coordinate_purpose,
    finding_code,
    implant_code,
    landmark_code,
    measurement_concept,
    presence_code,
    private,
    site_code,
    status_code,
    study_role_code,
    time_point_type,
)
from plumbline.reports.content import ReferenceStudy, ReportContent, ReportedStudy
from plumbline.reports.document_header import study_date
from plumbline.reports.evidence_picture import picture_reference
from plumbline.reports.identifiers import ObjectKind
from plumbline.reports.wording import UNCERTAINTY_INTERVAL, citation

ALGORITHM_NAME = "Plumbline"
CURRENT_TIME_POINT = "current"

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT
_LONGEST_NAME = 64
"""Characters of a Person Name (PS3.5 6.2)."""
_MODIFIER = RelationshipTypeValues.HAS_CONCEPT_MOD
_PROPERTY = RelationshipTypeValues.HAS_PROPERTIES
_DECIMALS = 3


def measurement_group(content: ReportContent, ordinal: int) -> ContainerContentItem:
    """The group of the finding at this index, its items in the order of the template.

    Its Observation UID lets an assessment by a reader point at this one finding.
    """
    finding = content.findings[ordinal]
    group = ContainerContentItem(codes.DCM.MeasurementGroup, relationship_type=_CONTAINS)
    group.add_new("ObservationUID", "UI", content.uid(ObjectKind.OBSERVATION, ordinal))
    group.ContentSequence = ContentSequence([*_observers(finding), *_identity(content, finding)])
    group.ContentSequence.extend(_time_point(content.current, None))
    group.ContentSequence.append(FindingSite(site_code(finding.level)))
    group.ContentSequence.extend(algorithm_identification(finding.check.value, content.algorithm_version))
    group.ContentSequence.extend(_measurements(finding))
    group.ContentSequence.extend(_evaluations(content, finding))
    group.ContentSequence.extend(_coordinates(content, finding))
    group.ContentSequence.extend(_landmarks(content, finding))
    group.ContentSequence.extend(_pictures(content, ordinal))
    group.ContentSequence.extend(_texts(finding))
    return group


def algorithm_identification(check: str | None, version: str) -> AlgorithmIdentification:
    """TID 4019 of one check, or of the whole system for None."""
    name = ALGORITHM_NAME if check is None else f"{ALGORITHM_NAME} {check}"
    return AlgorithmIdentification(name=name, version=version, manufacturer=ALGORITHM_NAME)


def _identity(content: ReportContent, finding: Finding) -> Iterator[ContentItem]:
    label = finding.implant.tracking_identifier if finding.implant else f"{finding.check.value} {finding.level or ''}"
    yield from TrackingIdentifier(uid=content.tracking_uid(finding), identifier=label.strip())
    yield CodeContentItem(codes.DCM.Finding, finding_code(finding.check), _CONTAINS)


def _observers(finding: Finding) -> Iterator[ContentItem]:
    """TID 1003 of each person on whose landmarks the finding rests; the document's own observer is the device."""
    for author in sorted({each.author for each in finding.landmarks}):
        yield CodeContentItem(codes.DCM.ObserverType, codes.DCM.Person, _CONTEXT)
        name = f"{author[: _LONGEST_NAME - 1]}^"  # one component, as readers give their names
        yield PnameContentItem(codes.DCM.PersonObserverName, name, _CONTEXT)


def _time_point(study: ReportedStudy, role: Role | None) -> TimePointContext:
    """TID 1502. The order counts references before the current study in their usual sequence in time."""
    days = study.days_since_surgery
    return TimePointContext(
        time_point=CURRENT_TIME_POINT if role is None else role.value,
        time_point_type=time_point_type(role),
        time_point_order=_TIME_POINT_ORDER.index(role) + 1,
        subject_time_point_identifier=study.study_instance_uid,
        temporal_offset_from_event=None if days is None else _since_surgery(days),
    )


_TIME_POINT_ORDER = (Role.PREOPERATIVE, Role.BASELINE, Role.PRIOR, None)


def _since_surgery(days: int) -> LongitudinalTemporalOffsetFromEvent:
    return LongitudinalTemporalOffsetFromEvent(days, codes.UCUM.Day, codes.SCT.SurgicalProcedure)


def _measurements(finding: Finding) -> Iterator[ContentItem]:
    """A number each; a value that is not a number is told in words by :func:`_texts`."""
    for key, measurement in finding.measurements.items():
        if math.isfinite(measurement.value):
            yield _measurement(key, measurement)


def _measurement(key: str, measurement: Measurement) -> NumContentItem:
    """TID 300 with the concept's modifiers and its uncertainty."""
    concept = measurement_concept(key)
    item = _number(concept.name, measurement.value, concept.unit, _CONTAINS)
    children: list[ContentItem] = [CodeContentItem(name, value, _MODIFIER) for name, value in concept.modifiers]
    if math.isfinite(measurement.uncertainty_95):
        children.append(_uncertainty(measurement.uncertainty_95, concept.unit))
    if children:
        item.ContentSequence = ContentSequence(children)
    return item


def _uncertainty(half_width: float, unit: Code) -> TextContentItem:
    """Upper and lower range of uncertainty (CID 225) below an item that says of which interval.

    TID 310 would hang the ranges on the measurement itself. They lie one item deeper for two reasons: the
    template cannot say which interval is meant, and PixelMed's validator takes every number directly below
    a measurement for one that it is inferred from, and every code for a modifier of its concept.
    """
    interval = TextContentItem(private("uncertainty"), UNCERTAINTY_INTERVAL, _PROPERTY)
    bounds = (codes.SCT.RangeOfUpperMeasurementUncertainty, codes.SCT.RangeOfLowerMeasurementUncertainty)
    interval.ContentSequence = ContentSequence([_number(bound, half_width, unit, _PROPERTY) for bound in bounds])
    return interval


def _number(name: Code, value: float, unit: Code, relationship: RelationshipTypeValues) -> NumContentItem:
    return NumContentItem(name, round(float(value), _DECIMALS), unit, relationship_type=relationship)


def _evaluations(content: ReportContent, finding: Finding) -> Iterator[ContentItem]:
    yield CodeContentItem(private("status"), status_code(finding.status), _CONTAINS)
    yield CodeContentItem(codes.DCM.PresenceOfProperty, presence_code(finding.status), _CONTAINS)
    if finding.implant is not None:
        yield CodeContentItem(codes.DCM.ImplantType, implant_code(finding.implant.kind), _CONTAINS)
    if finding.reference is not None:
        yield _compared_with(Role(finding.reference), content.reference(finding.reference))


def _compared_with(role: Role, reference: ReferenceStudy | None) -> CodeContentItem:
    """The reference's role with its own time point context.

    A group may hold one TID 1502 only, the current study's; the reference's hangs on this item.
    """
    item = CodeContentItem(private("compared-with"), study_role_code(role), _CONTAINS)
    if reference is None:
        return item
    children: ContentSequence = ContentSequence(_time_point(reference.study, role))
    date = study_date(reference.study.header)
    children.append(
        UIDRefContentItem(codes.DCM.ProcedureStudyInstanceUID, reference.study.study_instance_uid, _CONTEXT)
    )
    if date:
        children.append(DateContentItem(codes.DCM.StudyDate, date, _CONTEXT))
    item.ContentSequence = children
    return item


def _coordinates(content: ReportContent, finding: Finding) -> Iterator[ContentItem]:
    """SCOORD3D items in the current study's Frame of Reference, for viewers to draw.

    One point is a POINT, more are a POLYLINE. Without a Frame of Reference there is nothing to draw in.
    """
    frame_of_reference_uid = content.current.frame_of_reference_uid
    if frame_of_reference_uid is None:
        return
    for name, points_lps_mm in finding.geometry.items():
        points = np.asarray(points_lps_mm, dtype=np.float32).reshape(-1, 3)
        if not len(points) or not np.isfinite(points).all():
            continue
        yield Scoord3DContentItem(
            coordinate_purpose(name),
            GraphicTypeValues3D.POINT if len(points) == 1 else GraphicTypeValues3D.POLYLINE,
            points,
            frame_of_reference_uid,
            relationship_type=_CONTAINS,
        )


def _landmarks(content: ReportContent, finding: Finding) -> Iterator[ContentItem]:
    """SCOORD items: each point that a reader set, on the image on which it was set."""
    images = {str(instance.SOPInstanceUID): instance for instance in content.current.evidence}
    for each in finding.landmarks:
        image = images.get(each.sop_instance_uid)
        if image is None:
            continue
        point = ScoordContentItem(
            landmark_code(each.name),
            GraphicTypeValues.POINT,
            np.array([[each.column, each.row]], dtype=np.float32),
            relationship_type=_CONTAINS,
        )
        selected = RelationshipTypeValues.SELECTED_FROM
        source = ImageContentItem(
            codes.DCM.SourceImage, image.SOPClassUID, image.SOPInstanceUID, relationship_type=selected
        )
        point.ContentSequence = ContentSequence([source])
        yield point


def _pictures(content: ReportContent, ordinal: int) -> Iterator[ContentItem]:
    for i, picture in enumerate(content.pictures):
        if ordinal in picture.findings:
            reference = picture_reference(content, i)
            yield ImageContentItem(
                codes.DCM.IllustrationOfROI,
                reference.SOPClassUID,
                reference.SOPInstanceUID,
                relationship_type=_CONTAINS,
            )


def _texts(finding: Finding) -> Iterator[ContentItem]:
    for reason in filter(None, finding.reasons):
        yield TextContentItem(codes.DCM.Comment, reason, _CONTAINS)
    for key, measurement in finding.measurements.items():
        if not math.isfinite(measurement.value):
            yield TextContentItem(private("unmeasured"), measurement_concept(key).name.meaning, _CONTAINS)
    for source in finding.sources:
        yield TextContentItem(private("source"), citation(source), _CONTAINS)
