"""The structured report of one exam: Comprehensive 3D SR after TID 1500, stored in the current study.

Design section 4, "Structured report". Everything in it comes from :class:`ReportContent`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    LanguageOfContentItemAndDescendants,
    ObservationContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from plumbline.anatomy.levels import usual_spine
from plumbline.anatomy.numbering import Numbering
from plumbline.checks.finding import Status
from plumbline.reports.codes import (
    ENGLISH,
    PRIORITY,
    QUALITATIVE_EVALUATIONS,
    priority_code,
    private,
    procedure_code,
)
from plumbline.reports.content import ReportContent
from plumbline.reports.document_header import (
    device_observer,
    equipment,
    finish,
    nameless_evidence,
    private_coding_scheme,
    referenced_requests,
    study_date,
)
from plumbline.reports.evidence_picture import picture_reference
from plumbline.reports.identifiers import ObjectKind
from plumbline.reports.image_library import image_library
from plumbline.reports.measurement_groups import algorithm_identification, measurement_group
from plumbline.reports.wording import (
    ASSISTIVE,
    NO_FINDINGS,
    missing_reference_sentence,
    numbering_sentences,
    reference_sentence,
)

SERIES_NUMBER = 9801
SERIES_DESCRIPTION = "Plumbline comparison report"
_CONTAINS = RelationshipTypeValues.CONTAINS


def build_structured_report(content: ReportContent) -> Dataset:
    """The SR of an exam, ready to be written as a DICOM file.

    It is UNVERIFIED and PRELIMINARY, because no person has seen it, and PARTIAL when a check failed.
    """
    header = content.current.header
    report = Comprehensive3DSR(
        evidence=_evidence(content),
        content=_root(content),
        series_instance_uid=content.uid(ObjectKind.REPORT_SERIES),
        series_number=SERIES_NUMBER,
        sop_instance_uid=content.uid(ObjectKind.REPORT),
        instance_number=1,
        series_description=SERIES_DESCRIPTION,
        is_complete=content.is_complete,
        is_final=False,
        is_verified=False,
        requested_procedures=referenced_requests(header) or None,
        previous_versions=_predecessors(content),
        coding_schemes=[private_coding_scheme()],
        specific_character_set=None,
        **equipment(content),
    )
    if not content.is_complete:
        report.CompletionFlagDescription = "Not all algorithms succeeded"
    finish(report, content)
    return report


def _evidence(content: ReportContent) -> list[Dataset]:
    """All instances that were read, and the pictures that are published with the report."""
    pictures = [picture_reference(content, i) for i in range(len(content.pictures))]
    return [nameless_evidence(content.current.header), *content.evidence, *pictures]


def _predecessors(content: ReportContent) -> list[Dataset] | None:
    if content.predecessor is None:
        return None
    predecessor = Dataset()
    predecessor.SOPClassUID = Comprehensive3DSRStorage
    predecessor.SOPInstanceUID = content.predecessor.sop_instance_uid
    predecessor.StudyInstanceUID = content.current.study_instance_uid
    predecessor.SeriesInstanceUID = content.predecessor.series_instance_uid
    return [predecessor]


def _root(content: ReportContent) -> ContainerContentItem:
    """TID 1500, its items in the order of the template."""
    root = ContainerContentItem(codes.DCM.ImagingMeasurementReport, template_id="1500")
    root.ContentSequence = ContentSequence()
    root.ContentSequence.extend(LanguageOfContentItemAndDescendants(CodedConcept.from_code(ENGLISH)))
    root.ContentSequence.extend(ObservationContext(observer_device_context=device_observer(content.device)))
    root.ContentSequence.append(
        CodeContentItem(
            codes.DCM.ProcedureReported,
            procedure_code(content.current.header.Modality),
            RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
    )
    root.ContentSequence.append(image_library(content))
    root.ContentSequence.append(_imaging_measurements(content))
    root.ContentSequence.append(_qualitative_evaluations(content))
    return root


def _imaging_measurements(content: ReportContent) -> ContainerContentItem:
    """One group a finding. Present without findings too, since viewers look for it."""
    container = ContainerContentItem(codes.DCM.ImagingMeasurements, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(algorithm_identification(None, content.algorithm_version))
    container.ContentSequence.extend(measurement_group(content, i) for i in range(len(content.findings)))
    return container


def _qualitative_evaluations(content: ReportContent) -> ContainerContentItem:
    """What holds for the whole exam: success of the analysis, priority, references, numbering, warnings."""
    container = ContainerContentItem(QUALITATIVE_EVALUATIONS, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(list(_evaluations(content)))
    container.ContentSequence.extend(
        TextContentItem(private(concept), text, _CONTAINS) for concept, text in _statements(content) if text
    )
    return container


def _evaluations(content: ReportContent) -> Iterator[ContentItem]:
    yield CodeContentItem(codes.DCM.CADProcessingAndFindingsSummary, _summary(content), _CONTAINS)
    yield CodeContentItem(PRIORITY, priority_code(content.triage.priority), _CONTAINS)
    if content.numbering is not None and has_unusual_count(content.numbering):
        yield CodeContentItem(codes.DCM.Finding, private("transitional"), _CONTAINS)


def has_unusual_count(numbering: Numbering) -> bool:
    """Whether the most probable names tell of another count than 12 thoracic and 5 lumbar vertebrae."""
    names = numbering.best.names if numbering.best else ()
    usual = [str(vertebra) for vertebra in usual_spine()]
    neighbours = set(pairwise(usual))
    return any(pair not in neighbours for pair in pairwise(names))


def _summary(content: ReportContent) -> Code:
    """CAD Processing and Findings Summary (CID 6047)."""
    has_findings = any(finding.status is Status.POSITIVE for finding in content.findings)
    summaries = codes.cid6047
    if content.is_complete:
        if has_findings:
            return summaries.AllAlgorithmsSucceededWithFindings
        return summaries.AllAlgorithmsSucceededWithoutFindings
    if content.findings and all(finding.status is Status.FAILED for finding in content.findings):
        return summaries.NoAlgorithmsSucceededWithoutFindings
    if has_findings:
        return summaries.NotAllAlgorithmsSucceededWithFindings
    return summaries.NotAllAlgorithmsSucceededWithoutFindings


def _statements(content: ReportContent) -> Iterator[tuple[str, str]]:
    """(private concept, text) of everything said in words about the whole exam."""
    yield "assistive", ASSISTIVE
    for reason in content.triage.reasons:
        yield "triage-reason", reason
    for rule in content.triage.rules:
        yield "rule", rule
    for reference in content.references:
        study = reference.study
        date = study_date(study.header)
        yield "reference-used", reference_sentence(reference.role, reference.reference, date, study.days_since_surgery)
    for role, reason in content.missing_references.items():
        yield "reference-none", missing_reference_sentence(role, reason)
    if content.numbering is not None:
        for sentence in numbering_sentences(content.numbering, content.levels_in_view):
            yield "numbering", sentence
    if not content.findings:
        yield "warning", NO_FINDINGS
    for warning in content.warnings:
        yield "warning", warning
