"""Image library of a report (TID 1600): which images of which study in which role were looked at."""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DateContentItem,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TimeContentItem,
    UIDRefContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from plumbline.priors.choice import Role
from plumbline.reports.codes import PIXELS, SOURCE, modality_code, private, study_role_code, time_point_type
from plumbline.reports.content import ReportContent, ReportedStudy, is_image
from plumbline.reports.document_header import study_date, study_time

_ACQUISITION = RelationshipTypeValues.HAS_ACQ_CONTEXT


def image_library(content: ReportContent) -> ContainerContentItem:
    """One Image Library Group a series, the current study's first, each with the role of its study."""
    library = ContainerContentItem(codes.DCM.ImageLibrary, relationship_type=RelationshipTypeValues.CONTAINS)
    library.ContentSequence = ContentSequence(_groups(content.current, None))
    for reference in content.references:
        library.ContentSequence.extend(_groups(reference.study, reference.role))
    return library


def _groups(study: ReportedStudy, role: Role | None) -> list[ContentItem]:
    by_series: dict[str, list[Dataset]] = {}
    for instance in study.evidence:
        if is_image(instance):
            by_series.setdefault(str(instance.SeriesInstanceUID), []).append(instance)
    return [_group(images, role) for images in by_series.values()]


def _group(images: list[Dataset], role: Role | None) -> ContainerContentItem:
    group = ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=RelationshipTypeValues.CONTAINS)
    group.ContentSequence = ContentSequence(list(_descriptors(images[0], role)))
    group.ContentSequence.extend(
        ImageContentItem(
            SOURCE,
            referenced_sop_class_uid=str(image.SOPClassUID),
            referenced_sop_instance_uid=str(image.SOPInstanceUID),
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
        for image in images
    )
    return group


def _descriptors(image: Dataset, role: Role | None) -> Iterator[ContentItem]:
    """TID 1602, common to the images of a series, and the role of the study."""
    yield CodeContentItem(codes.DCM.Modality, modality_code(image.Modality), _ACQUISITION)
    date, time = study_date(image), study_time(image)
    if date:
        yield DateContentItem(codes.DCM.StudyDate, date, _ACQUISITION)
    if time:
        yield TimeContentItem(codes.DCM.StudyTime, time, _ACQUISITION)
    if image.get("FrameOfReferenceUID"):
        yield UIDRefContentItem(codes.DCM.FrameOfReferenceUID, str(image.FrameOfReferenceUID), _ACQUISITION)
    for concept, size in ((codes.DCM.PixelDataRows, image.Rows), (codes.DCM.PixelDataColumns, image.Columns)):
        yield NumContentItem(concept, int(size), PIXELS, relationship_type=_ACQUISITION)
    yield CodeContentItem(private("study-role"), study_role_code(role), _ACQUISITION)
    yield CodeContentItem(codes.DCM.TimePointType, time_point_type(role), _ACQUISITION)
    yield UIDRefContentItem(codes.DCM.ProcedureStudyInstanceUID, str(image.StudyInstanceUID), _ACQUISITION)
