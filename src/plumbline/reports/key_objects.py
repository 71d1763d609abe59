"""Key object selection of the images that a reader should see first: current slices beside the flagged priors'.

A Key Object Selection Document (TID 2010) lies in the current study and may point into others. highdicom's
document class refuses that, so the document's modules are written here and its content tree is highdicom's.
"""

from __future__ import annotations

from highdicom.ko import KeyObjectSelection
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage

from plumbline.errors import InvalidInput
from plumbline.reports.content import ReportContent
from plumbline.reports.document_header import device_observer, equipment_attributes, finish, referenced_requests
from plumbline.reports.identifiers import ObjectKind
from plumbline.reports.references import by_study, series_references

SERIES_NUMBER = 9802
SERIES_DESCRIPTION = "Plumbline key images"


def build_key_objects(content: ReportContent) -> Dataset:
    """Key Object Selection "Of Interest" of the content's key images, in their order.

    Raises
    ------
    InvalidInput
        If the content names no key image.
    """
    if not content.key_images:
        raise InvalidInput("there is no key image to select", where=content.current.study_instance_uid)
    chosen = _chosen(content)
    document = Dataset()
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.SOPClassUID = KeyObjectSelectionDocumentStorage
    document.SOPInstanceUID = UID(content.uid(ObjectKind.KEY_OBJECTS))
    _add_series(document, content)
    document.update(equipment_attributes(content))
    document.CurrentRequestedProcedureEvidenceSequence = _evidence(chosen)
    requests = referenced_requests(content.current.header)
    if requests:
        document.ReferencedRequestSequence = requests
    for element in _selection(content, chosen)[0]:
        document.add(element)
    finish(document, content)
    return document


def _chosen(content: ReportContent) -> list[Dataset]:
    headers = {str(instance.SOPInstanceUID): instance for instance in content.selectable}
    uids = dict.fromkeys(image.sop_instance_uid for image in content.key_images)
    return [headers[uid] for uid in uids]


def _add_series(document: Dataset, content: ReportContent) -> None:
    document.StudyInstanceUID = content.current.study_instance_uid
    document.SeriesInstanceUID = content.uid(ObjectKind.KEY_OBJECT_SERIES)
    document.SeriesNumber = SERIES_NUMBER
    document.SeriesDescription = SERIES_DESCRIPTION
    document.Modality = "KO"
    document.InstanceNumber = 1
    document.ReferencedPerformedProcedureStepSequence = []


def _selection(content: ReportContent, chosen: list[Dataset]) -> KeyObjectSelection:
    place = f"Revision {content.revision}, in the place of earlier selections of this study"
    reasons = dict.fromkeys((*([place] if content.revision > 1 else ()), *(one.reason for one in content.key_images)))
    return KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=chosen,
        observer_device_context=device_observer(content.device),
        description="\n".join(reasons),
    )


def _evidence(chosen: list[Dataset]) -> list[Dataset]:
    """Hierarchical SOP Instance Reference macro (PS3.3 table C.17-3) over all studies."""
    items = []
    for study_uid, series in by_study(chosen).items():
        item = Dataset()
        item.StudyInstanceUID = study_uid
        item.ReferencedSeriesSequence = series_references(series, "ReferencedSOPSequence")
        items.append(item)
    return items
