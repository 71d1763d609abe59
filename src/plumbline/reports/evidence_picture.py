"""Evidence pictures as Secondary Capture images in one new series of the current study.

The pictures come finished; this module only wraps them. They hold no patient data, and their text is in
Image Comments and Derivation Description for viewers that show it.
"""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from plumbline.reports.codes import code_item
from plumbline.reports.content import EvidencePicture, ReportContent
from plumbline.reports.document_header import equipment, finish
from plumbline.reports.identifiers import ObjectKind
from plumbline.reports.references import by_study, series_references, sop_reference

SERIES_NUMBER = 9803
SERIES_DESCRIPTION = "Plumbline evidence pictures"
_DESCRIPTION_LENGTH = 1024
"""Derivation Description (0008,2111) is ST."""


def build_evidence_pictures(content: ReportContent) -> tuple[Dataset, ...]:
    """One Secondary Capture image a picture, in the content's order."""
    return tuple(_secondary_capture(content, i, picture) for i, picture in enumerate(content.pictures))


def picture_reference(content: ReportContent, ordinal: int) -> Dataset:
    """Identification of a picture as evidence of the report, known before it is built."""
    reference = Dataset()
    reference.SOPClassUID = SecondaryCaptureImageStorage
    reference.SOPInstanceUID = content.uid(ObjectKind.PICTURE, ordinal)
    reference.StudyInstanceUID = content.current.study_instance_uid
    reference.SeriesInstanceUID = content.uid(ObjectKind.PICTURE_SERIES)
    return reference


def _secondary_capture(content: ReportContent, ordinal: int, picture: EvidencePicture) -> Dataset:
    image = SCImage(
        pixel_array=np.ascontiguousarray(picture.pixels),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        study_instance_uid=content.current.study_instance_uid,
        series_instance_uid=content.uid(ObjectKind.PICTURE_SERIES),
        series_number=SERIES_NUMBER,
        sop_instance_uid=content.uid(ObjectKind.PICTURE, ordinal),
        instance_number=ordinal + 1,
        series_description=SERIES_DESCRIPTION,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **equipment(content),
    )
    if len(image.PixelData) % 2:
        image.PixelData += b"\0"
    _describe(image, content, picture)
    finish(image, content)
    return image


def _describe(image: Dataset, content: ReportContent, picture: EvidencePicture) -> None:
    # A picture may hold several cuts, so no one orientation is claimed.
    image.PatientOrientation = ""
    image.BodyPartExamined = "SPINE"
    image.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    image.ConversionType = "WSD"
    image.BurnedInAnnotation = "NO"
    image.LossyImageCompression = "00"
    image.ImageComments = f"{picture.caption} ({picture.view})"
    image.DerivationDescription = image.ImageComments[:_DESCRIPTION_LENGTH]
    wanted = set(picture.source_sop_instance_uids)
    sources = [instance for instance in content.evidence if str(instance.SOPInstanceUID) in wanted]
    if sources:
        _refer(image, content.current.study_instance_uid, sources)


def _refer(image: Dataset, study_uid: str, sources: list[Dataset]) -> None:
    """Source Image Sequence, and the Common Instance Reference module that says where the sources lie."""
    image.SourceImageSequence = [_source_image(source) for source in sources]
    studies = by_study(sources)
    own = studies.pop(study_uid, None)
    if own:
        image.ReferencedSeriesSequence = series_references(own, "ReferencedInstanceSequence")
    others = []
    for other_uid, series in studies.items():
        item = Dataset()
        item.StudyInstanceUID = other_uid
        item.ReferencedSeriesSequence = series_references(series, "ReferencedInstanceSequence")
        others.append(item)
    if others:
        image.StudiesContainingOtherReferencedInstancesSequence = others


def _source_image(source: Dataset) -> Dataset:
    item = sop_reference(source)
    item.PurposeOfReferenceCodeSequence = [code_item(codes.cid7202.SourceImageForMontage)]
    return item
