"""Rejection note: the key object selection by which other archives are told to hide what they were sent.

IHE Imaging Object Change Management (Radiology Technical Framework volume 3, 4.66): a Key Object Selection
Document whose title is the reason, and which refers to each instance that is to be hidden. It lies in the study
of the instances, and its header is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from highdicom.ko import KeyObjectSelection
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage

from plumbline import ALGORITHM_VERSION
from plumbline.errors import InvalidInput
from plumbline.reports.content import ReportingDevice
from plumbline.reports.document_header import UTF_8, carried_header, device_observer, in_zone_of, stamp
from plumbline.reports.identifiers import ObjectKind, derived_uid
from plumbline.reports.references import by_study, series_references

SERIES_NUMBER = 9804
SERIES_DESCRIPTION = "Plumbline rejection note"
_EQUIPMENT = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions")


class RejectionReason(StrEnum):
    """Why instances are to be hidden: document titles of CID 7010 that IHE gives that meaning."""

    SUPERSEDED = "113001"
    """A later object of the same kind takes their place (DCM, "Rejected for Quality Reasons")."""
    WITHDRAWN = "113038"
    """They rest on an order that does not hold (DCM, "Incorrect Modality Worklist Entry")."""

    @property
    def document_title(self) -> Code:
        """Document title."""
        quality, entry = codes.DCM.RejectedForQualityReasons, codes.DCM.IncorrectModalityWorklistEntry
        return quality if self is RejectionReason.SUPERSEDED else entry


@dataclass(frozen=True)
class Rejection:
    """What is rejected, why, and when that was decided.

    Parameters
    ----------
    rejected
        Headers of the instances; all are of one study and made by this system.
    revision
        Revision of the exam by which they do not hold any more.
    words
        The reason for people.
    """

    rejected: Sequence[Dataset]
    reason: RejectionReason
    revision: int
    words: str
    decided_at: datetime
    device: ReportingDevice


def build_rejection_note(rejection: Rejection) -> Dataset:
    """Key Object Selection (TID 2010) of the rejected instances; the same rejection gives the same UID.

    Raises
    ------
    InvalidInput
        If nothing is rejected, or instances of several studies are.
    """
    studies = by_study(rejection.rejected)
    if len(studies) != 1:
        raise InvalidInput("a rejection note is about instances of one study")
    ((study_uid, series),) = studies.items()
    note = Dataset()
    note.file_meta = FileMetaDataset()
    note.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    note.SOPClassUID = KeyObjectSelectionDocumentStorage
    note.update(carried_header(rejection.rejected[0]))
    _add_series(note, rejection, study_uid)
    evidence = Dataset()
    evidence.StudyInstanceUID = study_uid
    evidence.ReferencedSeriesSequence = series_references(series, "ReferencedSOPSequence")
    note.CurrentRequestedProcedureEvidenceSequence = [evidence]
    for element in _selection(rejection)[0]:
        note.add(element)
    stamp(note, in_zone_of(rejection.rejected[0], rejection.decided_at))
    note.SpecificCharacterSet = UTF_8
    return note


def _add_series(note: Dataset, rejection: Rejection, study_uid: str) -> None:
    header = rejection.rejected[0]
    about = " ".join([rejection.reason.value, *sorted(str(each.SOPInstanceUID) for each in rejection.rejected)])
    for keyword, kind in (
        ("SOPInstanceUID", ObjectKind.REJECTION),
        ("SeriesInstanceUID", ObjectKind.REJECTION_SERIES),
    ):
        uid = derived_uid(
            study_uid,
            revision=rejection.revision,
            algorithm_version=ALGORITHM_VERSION,
            kind=kind,
            about=about,
        )
        setattr(note, keyword, UID(uid))
    for keyword in _EQUIPMENT:
        note.add(header[keyword])
    note.StudyInstanceUID = study_uid
    note.SeriesNumber = SERIES_NUMBER
    note.SeriesDescription = SERIES_DESCRIPTION
    note.Modality = "KO"
    note.InstanceNumber = 1
    note.ReferencedPerformedProcedureStepSequence = []
    if "ReferencedRequestSequence" in header:
        note.ReferencedRequestSequence = header.ReferencedRequestSequence


def _selection(rejection: Rejection) -> KeyObjectSelection:
    return KeyObjectSelection(
        document_title=rejection.reason.document_title,
        referenced_objects=list(rejection.rejected),
        observer_device_context=device_observer(rejection.device),
        description=rejection.words,
    )
