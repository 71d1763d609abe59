"""One Modality Worklist file an exam, in the folder that Orthanc's worklist plugin serves (PS3.4 annex K).

For sites that read from a Modality Worklist: the requested procedure is the reading, its priority is ours. A file
is replaced in one step, so that the plugin never reads half of one, and a repeat writes the same file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from plumbline.errors import Unavailable
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.outgoing import TAKES_BACK
from plumbline.pipeline.ports import ReportObject
from plumbline.triage.priority import Priority

MODALITY_WORKLIST_FIND = UID("1.2.840.10008.5.1.4.31")
SUFFIX = ".wl"
_LONGEST_DESCRIPTION = 64


class WorklistFiles:
    """``Destination`` that keeps a worklist file for each exam."""

    def __init__(self, directory: Path, station_ae_title: str) -> None:
        self._directory = directory
        self._station = station_ae_title

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``; the file of a reading that was taken back is removed."""
        target = self._directory / f"{delivery.study_instance_uid}{SUFFIX}"
        try:
            if delivery.notice["status"] in TAKES_BACK:
                target.unlink(missing_ok=True)
            else:
                self._write(target, worklist_item(delivery.notice, self._station))
        except OSError as error:
            raise Unavailable(
                f"the worklist file cannot be written ({error.strerror})", where=str(self._directory)
            ) from error

    def _write(self, target: Path, dataset: Dataset) -> None:
        draft = target.with_suffix(".partial")
        self._directory.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            dataset.save_as(file, enforce_file_format=True)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)


def worklist_item(notice: Any, station_ae_title: str) -> Dataset:
    """Modality Worklist item of a reading (PS3.4 table K.6-1)."""
    patient = notice["patient"]
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    item.AccessionNumber = notice["accession_number"] or ""
    item.ReferringPhysicianName = ""
    item.PatientName = patient["name"] or ""
    item.PatientID = patient["id"] or ""
    if patient["issuer"]:
        item.IssuerOfPatientID = patient["issuer"]
    item.PatientBirthDate = (patient["birth_date"] or "").replace("-", "")
    item.PatientSex = patient["sex"] or ""
    item.StudyInstanceUID = notice["study_instance_uid"]
    item.RequestedProcedureID = notice["study_id"] or notice["accession_number"] or "READING"
    item.RequestedProcedureDescription = (notice["description"] or "Reading")[:_LONGEST_DESCRIPTION]
    item.RequestedProcedurePriority = Priority(notice["priority"]).modality_worklist
    item.ScheduledProcedureStepSequence = [_step(notice, station_ae_title)]
    item.file_meta = FileMetaDataset()
    item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    item.file_meta.MediaStorageSOPClassUID = MODALITY_WORKLIST_FIND
    item.file_meta.MediaStorageSOPInstanceUID = UID(notice["workitem_uid"])
    return item


def _step(notice: Any, station_ae_title: str) -> Dataset:
    scheduled_at = datetime.fromisoformat(notice["completed_at"])
    step = Dataset()
    step.ScheduledStationAETitle = station_ae_title
    step.ScheduledProcedureStepStartDate = f"{scheduled_at:%Y%m%d}"
    step.ScheduledProcedureStepStartTime = f"{scheduled_at:%H%M%S}"
    step.Modality = notice["modality"] or "OT"
    step.ScheduledPerformingPhysicianName = ""
    words = "; ".join(notice["reasons"])
    step.ScheduledProcedureStepDescription = f"{notice['priority']}: {words}".replace("\\", "/")[:_LONGEST_DESCRIPTION]
    step.ScheduledProcedureStepID = "READING"
    return step
