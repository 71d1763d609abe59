"""Tags that the worklist speaks of by name, as the DICOM JSON Model spells them."""

from __future__ import annotations

from typing import Final

from plumbline.worklist.attributes import TAG_OF_KEYWORD

UPS_PUSH_SOP_CLASS: Final = "1.2.840.10008.5.1.4.34.6.1"
"""SOP Class UID of every workitem, whatever class it is reached through (PS3.4 CC.3.1)."""

TRANSACTION_UID: Final = TAG_OF_KEYWORD["TransactionUID"]
SOP_CLASS_UID: Final = TAG_OF_KEYWORD["SOPClassUID"]
SOP_INSTANCE_UID: Final = TAG_OF_KEYWORD["SOPInstanceUID"]
SPECIFIC_CHARACTER_SET: Final = TAG_OF_KEYWORD["SpecificCharacterSet"]
PATIENT_NAME: Final = TAG_OF_KEYWORD["PatientName"]
PATIENT_ID: Final = TAG_OF_KEYWORD["PatientID"]
ISSUER_OF_PATIENT_ID: Final = TAG_OF_KEYWORD["IssuerOfPatientID"]
PATIENT_BIRTH_DATE: Final = TAG_OF_KEYWORD["PatientBirthDate"]
PATIENT_SEX: Final = TAG_OF_KEYWORD["PatientSex"]
STUDY_INSTANCE_UID: Final = TAG_OF_KEYWORD["StudyInstanceUID"]
SERIES_INSTANCE_UID: Final = TAG_OF_KEYWORD["SeriesInstanceUID"]
ACCESSION_NUMBER: Final = TAG_OF_KEYWORD["AccessionNumber"]
REFERENCED_REQUEST_SEQUENCE: Final = TAG_OF_KEYWORD["ReferencedRequestSequence"]
STATE: Final = TAG_OF_KEYWORD["ProcedureStepState"]
PRIORITY: Final = TAG_OF_KEYWORD["ScheduledProcedureStepPriority"]
LABEL: Final = TAG_OF_KEYWORD["ProcedureStepLabel"]
WORKLIST_LABEL: Final = TAG_OF_KEYWORD["WorklistLabel"]
COMMENTS: Final = TAG_OF_KEYWORD["CommentsOnTheScheduledProcedureStep"]
READINESS: Final = TAG_OF_KEYWORD["InputReadinessState"]
START: Final = TAG_OF_KEYWORD["ScheduledProcedureStepStartDateTime"]
EXPECTED_COMPLETION: Final = TAG_OF_KEYWORD["ExpectedCompletionDateTime"]
MODIFIED: Final = TAG_OF_KEYWORD["ScheduledProcedureStepModificationDateTime"]
WORKITEM_CODE: Final = TAG_OF_KEYWORD["ScheduledWorkitemCodeSequence"]
CODE_VALUE: Final = TAG_OF_KEYWORD["CodeValue"]
INPUTS: Final = TAG_OF_KEYWORD["InputInformationSequence"]
OUTPUTS: Final = TAG_OF_KEYWORD["OutputInformationSequence"]
PERFORMED: Final = TAG_OF_KEYWORD["UnifiedProcedureStepPerformedProcedureSequence"]
REPLACED_PROCEDURE_STEP: Final = TAG_OF_KEYWORD["ReplacedProcedureStepSequence"]
PROGRESS_INFORMATION: Final = TAG_OF_KEYWORD["ProcedureStepProgressInformationSequence"]
CANCELLATION_TIME: Final = TAG_OF_KEYWORD["ProcedureStepCancellationDateTime"]
REASON_FOR_CANCELLATION: Final = TAG_OF_KEYWORD["ReasonForCancellation"]
DISCONTINUATION_REASON: Final = TAG_OF_KEYWORD["ProcedureStepDiscontinuationReasonCodeSequence"]
REFERENCED_SOP_SEQUENCE: Final = TAG_OF_KEYWORD["ReferencedSOPSequence"]
ACTUAL_PERFORMERS: Final = TAG_OF_KEYWORD["ActualHumanPerformersSequence"]
STATION_NAMES: Final = TAG_OF_KEYWORD["ScheduledStationNameCodeSequence"]
PERFORMER_NAME: Final = TAG_OF_KEYWORD["HumanPerformerName"]
