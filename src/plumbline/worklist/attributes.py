"""The attributes of a Unified Procedure Step and what each request must, may and must not say of them.

The tables below are PS3.4 table CC.2.5-3 in its own shape: nesting by ``>``, then tag, VR, keyword, the
requirement types (SCU/SCP) of N-CREATE and N-SET, the final-state code, and the macro that the items of a
sequence follow. ``-`` is "not allowed". Attributes of the IOD that are optional everywhere are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FinalCode(StrEnum):
    """When an attribute has to have a value before the state becomes final (PS3.4 table CC.2.5-1)."""

    ALWAYS = "R"
    CONDITIONAL = "RC"
    """Required where it applies; whether it does cannot be seen in the dataset."""
    COMPLETED = "P"
    CANCELED = "X"
    OPTIONAL = "O"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Requirement types of one request for its user and its provider, each ``1``, ``1C``, ``2``, ``2C`` or ``3``."""

    user: str
    provider: str

    @classmethod
    def parse(cls, text: str) -> Requirement | None:
        """Read ``2/1``; ``-`` is None, not allowed. A side that may not give it is written ``-/1``."""
        user, separator, provider = text.partition("/")
        return cls(user, provider) if separator else None


@dataclass(frozen=True)
class Attribute:
    """One row of the table with the rows of its items."""

    tag: str
    vr: str
    keyword: str
    create: Requirement | None
    update: Requirement | None
    final: FinalCode
    items: Mapping[str, Attribute] = field(default_factory=dict)


_UPS = """
   00081195 UI TransactionUID                                 2/2   -     O
   00080005 CS SpecificCharacterSet                           1C/1C 1C/1C RC
   00080016 UI SOPClassUID                                    3/1   -     R
   00080018 UI SOPInstanceUID                                 3/1   -     R
   00741200 CS ScheduledProcedureStepPriority                 1/1   3/1   R
   00404010 DT ScheduledProcedureStepModificationDateTime     -/1   -/1   R
   00741204 LO ProcedureStepLabel                             1/1   3/1   R
   00741202 LO WorklistLabel                                  2/1   3/1   R
   00741210 SQ ScheduledProcessingParametersSequence          2/2   3/2   O
   00404025 SQ ScheduledStationNameCodeSequence               2/2   3/2   O  code
   00404026 SQ ScheduledStationClassCodeSequence              2/2   3/2   O  code
   00404027 SQ ScheduledStationGeographicLocationCodeSequence 2/2   3/2   O  code
   00404034 SQ ScheduledHumanPerformersSequence               2C/2C 3/2   RC
>  00404009 SQ HumanPerformerCodeSequence                     1/1   1/1   RC code
>  00404037 PN HumanPerformerName                             1/1   1/1   RC
>  00404036 LO HumanPerformerOrganization                     1/1   1/1   O
   00404005 DT ScheduledProcedureStepStartDateTime            1/1   3/1   R
   00404011 DT ExpectedCompletionDateTime                     3/1   3/1   O
   00404008 DT ScheduledProcedureStepExpirationDateTime       3/3   3/3   O
   00404018 SQ ScheduledWorkitemCodeSequence                  2/2   3/1   O  code
   00400400 LT CommentsOnTheScheduledProcedureStep            2/2   3/1   O
   00404041 CS InputReadinessState                            1/1   3/1   R
   00404021 SQ InputInformationSequence                       2/2   3/2   O  access
   0020000D UI StudyInstanceUID                               1C/2  3/2   O
   00404070 SQ OutputDestinationSequence                      3/3   3/3   O
   00100010 PN PatientName                                    2/2   -     O
   00100020 LO PatientID                                      1C/2  -     O
   00100021 LO IssuerOfPatientID                              2/2   -     O
   00100024 SQ IssuerOfPatientIDQualifiersSequence            2/2   -     O
   00101002 SQ OtherPatientIDsSequence                        2/2   3/3   O
   00100030 DA PatientBirthDate                               2/2   -     O
   00100040 CS PatientSex                                     2/2   -     O
   00101100 SQ ReferencedPatientPhotoSequence                 3/3   3/3   O  access
   00380010 LO AdmissionID                                    2/2   -     O
   00380014 SQ IssuerOfAdmissionIDSequence                    2/2   -     O
   00081080 LO AdmittingDiagnosesDescription                  2/2   -     O
   00081084 SQ AdmittingDiagnosesCodeSequence                 2/2   -     O  code
   0040A370 SQ ReferencedRequestSequence                      2/2   -     O
>  0020000D UI StudyInstanceUID                               1/1   -     O
>  00080050 SH AccessionNumber                                2/2   -     O
>  00080051 SQ IssuerOfAccessionNumberSequence                2/2   -     O
>  00402016 LO PlacerOrderNumberImagingServiceRequest         3/1   -     O
>  00400026 SQ OrderPlacerIdentifierSequence                  2/2   -     O
>  00402017 LO FillerOrderNumberImagingServiceRequest         3/1   -     O
>  00400027 SQ OrderFillerIdentifierSequence                  2/2   -     O
>  00401001 SH RequestedProcedureID                           2/2   -     O
>  00321060 LO RequestedProcedureDescription                  2/2   -     O
>  00321064 SQ RequestedProcedureCodeSequence                 2/2   -     O  code
>  00401002 LO ReasonForTheRequestedProcedure                 3/3   -     O
>  0040100A SQ ReasonForRequestedProcedureCodeSequence        3/3   -     O  code
>  00321032 PN RequestingPhysician                            3/3   -     O
>  00321033 LO RequestingService                              3/1   -     O
>  00080090 PN ReferringPhysicianName                         3/3   -     O
   00741224 SQ ReplacedProcedureStepSequence                  1C/1C -     O
>  00081150 UI ReferencedSOPClassUID                          1/1   -     O
>  00081155 UI ReferencedSOPInstanceUID                       1/1   -     O
   00102000 LO MedicalAlerts                                  3/2   3/2   O
   001021C0 US PregnancyStatus                                3/2   3/2   O
   00380050 LO SpecialNeeds                                   3/2   3/2   O
   00741000 CS ProcedureStepState                             1/1   -     R
   00741002 SQ ProcedureStepProgressInformationSequence       2/2   3/2   X
>  00741004 DS ProcedureStepProgress                          -     3/1   O
>  00741006 ST ProcedureStepProgressDescription               -     3/1   O
>  00741007 SQ ProcedureStepProgressParametersSequence        -     3/3   O
>  00741008 SQ ProcedureStepCommunicationsURISequence         -     3/1   O
>  00404052 DT ProcedureStepCancellationDateTime              -     3/1   X
>  00741238 LT ReasonForCancellation                          -     3/1   O
>  0074100E SQ ProcedureStepDiscontinuationReasonCodeSequence -     3/1   X  code
   00741216 SQ UnifiedProcedureStepPerformedProcedureSequence 2/2   3/2   P
>  00404035 SQ ActualHumanPerformersSequence                  -     3/1   RC
>> 00404009 SQ HumanPerformerCodeSequence                     -     3/1   RC code
>> 00404037 PN HumanPerformerName                             -     3/1   RC
>> 00404036 LO HumanPerformerOrganization                     -     3/1   O
>  00404028 SQ PerformedStationNameCodeSequence               -     3/2   P  code
>  00404029 SQ PerformedStationClassCodeSequence              -     3/2   O  code
>  00404030 SQ PerformedStationGeographicLocationCodeSequence -     3/2   O  code
>  00404050 DT PerformedProcedureStepStartDateTime            -     3/1   P
>  00400254 LO PerformedProcedureStepDescription              -     3/1   O
>  00400280 ST CommentsOnThePerformedProcedureStep            -     3/1   O
>  00404019 SQ PerformedWorkitemCodeSequence                  -     3/1   P  code
>  00741212 SQ PerformedProcessingParametersSequence          -     3/1   O
>  00404051 DT PerformedProcedureStepEndDateTime              -     3/1   P
>  00404033 SQ OutputInformationSequence                      -     2/2   P  access
"""

_CODE_MACRO = """
   00080100 SH CodeValue                                      1C/1C 1C/1C O
   00080102 SH CodingSchemeDesignator                         1C/1C 1C/1C O
   00080104 LO CodeMeaning                                    1/1   1/1   O
   00080119 UC LongCodeValue                                  1C/1C 1C/1C O
   00080120 UR URNCodeValue                                   1C/1C 1C/1C O
"""

_ACCESS_MACRO = """
   0040E020 CS TypeOfInstances                                1/1   1/1   O
   0020000D UI StudyInstanceUID                               1C/1  1C/1  O
   0020000E UI SeriesInstanceUID                              1C/1  1C/1  O
   00081199 SQ ReferencedSOPSequence                          1/1   1/1   O
>  00081150 UI ReferencedSOPClassUID                          1/1   1/1   O
>  00081155 UI ReferencedSOPInstanceUID                       1/1   1/1   O
   0040E021 SQ DICOMRetrievalSequence                         1C/1  1C/1  O
>  00080054 AE RetrieveAETitle                                1/1   1/1   O
   0040E022 SQ DICOMMediaRetrievalSequence                    1C/1  1C/1  O
   0040E023 SQ WADORetrievalSequence                          1C/1  1C/1  O
>  0040E010 UR RetrieveURI                                    1/1   1/1   O
   0040E024 SQ XDSRetrievalSequence                           1C/1  1C/1  O
   0040E025 SQ WADORSRetrievalSequence                        1C/1  1C/1  O
>  00081190 UR RetrieveURL                                    1/1   1/1   O
"""


def _parse(table: str, macros: Mapping[str, Mapping[str, Attribute]]) -> dict[str, Attribute]:
    """Rows of a table by tag, each with the rows nested below it."""
    top: dict[str, Attribute] = {}
    open_levels = [top]
    for line in table.strip("\n").splitlines():
        marks, tag, vr, keyword, create, update, final, *macro = _cells(line)
        nested: dict[str, Attribute] = dict(macros[macro[0]]) if macro else {}
        row = Attribute(
            tag, vr, keyword, Requirement.parse(create), Requirement.parse(update), FinalCode(final), nested
        )
        depth = len(marks)
        open_levels[depth][tag] = row
        open_levels[depth + 1 :] = [nested]
    return top


def _cells(line: str) -> list[str]:
    cells = line.split()
    return cells if cells[0].startswith(">") else ["", *cells]


_CODE = _parse(_CODE_MACRO, {})
UPS_ATTRIBUTES: Mapping[str, Attribute] = _parse(
    _UPS, {"code": _CODE, "access": _parse(_ACCESS_MACRO, {"code": _CODE})}
)
"""Top-level attributes of a UPS by tag."""


def every_attribute(rows: Mapping[str, Attribute] = UPS_ATTRIBUTES) -> Iterator[Attribute]:
    """All rows, nested ones after the sequence they belong to."""
    for row in rows.values():
        yield row
        yield from every_attribute(row.items)


TAG_OF_KEYWORD: Mapping[str, str] = {row.keyword: row.tag for row in every_attribute()}
"""Tag of every keyword in the tables."""

VR_OF_TAG: Mapping[str, str] = {row.tag: row.vr for row in every_attribute()}
"""VR of every tag in the tables."""

_RETURNED = """
SpecificCharacterSet SOPClassUID SOPInstanceUID ScheduledProcedureStepPriority ProcedureStepLabel WorklistLabel
ScheduledProcessingParametersSequence ScheduledStationNameCodeSequence ScheduledStationClassCodeSequence
ScheduledStationGeographicLocationCodeSequence ScheduledHumanPerformersSequence
ScheduledProcedureStepStartDateTime ExpectedCompletionDateTime ScheduledWorkitemCodeSequence
CommentsOnTheScheduledProcedureStep InputReadinessState InputInformationSequence StudyInstanceUID PatientName
PatientID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence OtherPatientIDsSequence PatientBirthDate PatientSex
AdmissionID IssuerOfAdmissionIDSequence AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence
ReferencedRequestSequence MedicalAlerts PregnancyStatus SpecialNeeds ProcedureStepState
ProcedureStepProgressInformationSequence
"""

RETURNED_BY_SEARCH: frozenset[str] = frozenset(TAG_OF_KEYWORD[keyword] for keyword in _RETURNED.split())
"""Attributes that every search result carries: return keys of type 1 and 2, and our reasons (0040,0400)."""
