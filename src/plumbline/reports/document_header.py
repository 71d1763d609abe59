"""What the published objects share: patient, study, equipment and time, taken from the current study.

Headers come from many scanners, so attributes may be missing or wrong; what the Standard requires is then
present but empty. The library that builds the objects never sees the patient's name, since it logs names
that it finds odd, and its use of the wall clock is overwritten.
"""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import datetime
from time import strptime
from typing import Any

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes

from plumbline.reports.codes import PRIVATE_SCHEME, PRIVATE_SCHEME_NAME
from plumbline.reports.content import ReportContent, ReportingDevice

UTF_8 = "ISO_IR 192"
"""All objects are written in UTF-8: reasons and names need not fit one national repertoire."""

_REQUIRED_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_CARRIED = (
    *_REQUIRED_EMPTY,
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientBirthTime",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "EthnicGroup",
    "PatientComments",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "ProcedureCodeSequence",
    "ReferringPhysicianIdentificationSequence",
    "TimezoneOffsetFromUTC",
)
_UTC_OFFSET = re.compile(r"^[+-]\d{4}$")
_SEXES = ("M", "F", "O")
_REQUEST_ITEM = (
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
    "ReasonForTheRequestedProcedure",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
)


def carried_header(header: Dataset) -> Dataset:
    """Patient and study attributes of an image header, decoded, with the required ones present.

    Parameters
    ----------
    header
        Header of one instance of the current study, in any Specific Character Set.
    """
    carried = Dataset()
    for keyword in _CARRIED:
        if keyword in header:
            carried.add(_decoded(header, keyword))
    for keyword in _REQUIRED_EMPTY:
        if keyword not in carried or carried[keyword].is_empty or isinstance(carried[keyword].value, MultiValue):
            setattr(carried, keyword, "")
    if carried.PatientSex not in _SEXES:
        carried.PatientSex = ""
    return carried


def _decoded(header: Dataset, keyword: str) -> DataElement:
    """Copy of one element, its text free of the header's character set, so that any other can encode it."""
    element = deepcopy(header[keyword])
    _decode_names(element)
    return element


def _decode_names(element: DataElement) -> None:
    """Replace names that carry their own bytes by text; other text is decoded when it is first read."""
    if element.VR == "SQ":
        for item in element.value:
            for nested in item:
                _decode_names(nested)
    elif element.VR == "PN" and element.value:
        names = element.value if isinstance(element.value, MultiValue) else [element.value]
        element.value = [str(name) for name in names]


def study_date(header: Dataset) -> str:
    """Study Date (0008,0020) as YYYYMMDD, empty where it is missing or not a date."""
    return _if_readable(str(header.get("StudyDate") or ""), "%Y%m%d", digits=8)


def study_time(header: Dataset) -> str:
    """Study Time (0008,0030) as HHMMSS, empty where it is missing or not a time; fractions are dropped."""
    text = str(header.get("StudyTime") or "").partition(".")[0].strip()
    return _if_readable(text.ljust(6, "0") if len(text) in {2, 4} else text, "%H%M%S", digits=6)


def _if_readable(text: str, form: str, *, digits: int) -> str:
    if len(text) != digits or not text.isdigit():
        return ""
    try:
        strptime(text, form)
    except ValueError:
        return ""
    return text


def nameless_evidence(header: Dataset) -> Dataset:
    """Stand-in for the first evidence instance that lets highdicom build a document without the patient."""
    stand_in = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"):
        stand_in.add(header[keyword])
    for keyword in _REQUIRED_EMPTY:
        setattr(stand_in, keyword, "")
    return stand_in


def finish(target: Dataset, content: ReportContent) -> None:
    """Give a built object its patient, study, and the content's moment instead of the wall clock's."""
    for element in carried_header(content.current.header):
        target.add(element)
    stamp(target, in_zone_of(content.current.header, content.created_at))
    target.SpecificCharacterSet = UTF_8
    if content.device.station_name:
        target.StationName = content.device.station_name


def in_zone_of(header: Dataset, moment: datetime) -> datetime:
    """The moment in the study's Timezone Offset From UTC (0008,0201), which holds for the whole object.

    A study that does not name its zone has local times, and the moment is taken to be one too.
    """
    offset = str(header.get("TimezoneOffsetFromUTC") or "")
    if moment.tzinfo is None or not _UTC_OFFSET.match(offset):
        return moment
    return moment.astimezone(datetime.strptime(offset, "%z").tzinfo)


def stamp(target: Dataset, moment: datetime) -> None:
    """Set every creation date and time of an object."""
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    for prefix in ("InstanceCreation", "Series", "Content"):
        setattr(target, f"{prefix}Date", date)
        setattr(target, f"{prefix}Time", time)
    for equipment_item in target.get("ContributingEquipmentSequence") or ():
        equipment_item.ContributionDateTime = moment.strftime("%Y%m%d%H%M%S%z")
    if "DateOfSecondaryCapture" in target:
        target.DateOfSecondaryCapture = date
        target.TimeOfSecondaryCapture = time


def equipment(content: ReportContent) -> dict[str, Any]:
    """General Equipment module as highdicom's keyword arguments."""
    device = content.device
    return {
        "manufacturer": device.manufacturer,
        "manufacturer_model_name": device.model,
        "device_serial_number": device.serial_number,
        "software_versions": content.algorithm_version,
    }


def equipment_attributes(content: ReportContent) -> Dataset:
    """General Equipment module as a dataset."""
    attributes = Dataset()
    attributes.Manufacturer = content.device.manufacturer
    attributes.ManufacturerModelName = content.device.model
    attributes.DeviceSerialNumber = content.device.serial_number
    attributes.SoftwareVersions = content.algorithm_version
    return attributes


def device_observer(device: ReportingDevice) -> ObserverContext:
    """TID 1002 and 1004: the device as observer."""
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=device.device_uid,
            name=device.name,
            manufacturer_name=device.manufacturer,
            model_name=device.model,
            serial_number=device.serial_number,
            physical_location=device.station_name,
        ),
    )


def private_coding_scheme() -> CodingSchemeIdentificationItem:
    """Who is responsible for the private codes (PS3.3 table C.12-1)."""
    return CodingSchemeIdentificationItem(
        PRIVATE_SCHEME, name=PRIVATE_SCHEME_NAME, responsible_organization="Plumbline"
    )


def referenced_requests(header: Dataset) -> list[Dataset]:
    """Referenced Request Sequence (0040,A370) of the order that the current study fulfils, or none.

    An image names its order in Request Attributes (0040,0275), some only at the top level.
    """
    requests = header.get("RequestAttributesSequence") or []
    if not requests and not header.get("RequestedProcedureID"):
        return []
    return [_referenced_request(header, request) for request in requests or [header]]


def _referenced_request(header: Dataset, request: Dataset) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = request.get("StudyInstanceUID") or header.StudyInstanceUID
    item.ReferencedStudySequence = []
    item.RequestedProcedureCodeSequence = []
    for keyword in ("AccessionNumber", *_REQUEST_ITEM[:2], *_REQUEST_ITEM[4:]):
        setattr(item, keyword, "")
    for source in (header, request):
        for keyword in ("AccessionNumber", *_REQUEST_ITEM):
            if keyword in source and not source[keyword].is_empty:
                item.add(_decoded(source, keyword))
    return item
