"""DICOM datasets to the exam values of ``exams.study``. Tolerant in reading: what is absent is None."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

from pydicom import Dataset

from plumbline.errors import InvalidInput
from plumbline.exams.identity import contradictable_sex
from plumbline.exams.series_roles import RADIOGRAPH_MODALITIES
from plumbline.exams.study import Instance, PatientIdentity, Series, Study, View


def study_from_headers(headers: Sequence[Dataset]) -> Study:
    """One study from the headers of its instances.

    Raises
    ------
    InvalidInput
        When there is no header, or they are of more than one study or show more than one patient.
    """
    if not headers:
        raise InvalidInput("there are no DICOM instances here")
    uids = {str(header.get("StudyInstanceUID", "")) for header in headers}
    if len(uids) > 1:
        raise InvalidInput(f"these instances belong to {len(uids)} studies", remedy="Give the instances of one study")
    first = headers[0]
    performed_at, has_time = _moment(first, "StudyDate", "StudyTime")
    return Study(
        study_instance_uid=uids.pop(),
        patient=_one_patient(headers),
        series=_series(headers),
        performed_at=performed_at,
        has_time=has_time,
        description=_text(first, "StudyDescription"),
        accession_number=_text(first, "AccessionNumber"),
        study_id=_text(first, "StudyID"),
        requested_procedure_description=_text(first, "RequestedProcedureDescription"),
        reason_for_study=_reasons(headers),
        admitting_diagnoses=tuple(_texts(first, "AdmittingDiagnosesDescription")),
        institution=_text(first, "InstitutionName"),
        procedure_codes=_codes(first),
    )


def _one_patient(headers: Iterable[Dataset]) -> PatientIdentity:
    """Whom all instances are of; what one leaves open another may tell, but none may contradict another.

    Raises
    ------
    InvalidInput
        When they show two patients, as where images were stored into somebody else's study.
    """
    told = [patient_from_header(header) for header in headers]
    first = told[0]
    if len({each.patient_id.strip() for each in told}) > 1:
        raise InvalidInput("these instances of one study carry different patient IDs")
    for read, words in ((_issuer, "issuers of the patient ID"), (_born, "birth dates"), (contradictable_sex, "sexes")):
        if len({read(each) for each in told} - {None}) > 1:
            raise InvalidInput(f"these instances of one study carry different {words}")
    return replace(
        first,
        issuer=next((each.issuer for each in told if each.issuer), None),
        birth_date=next((each.birth_date for each in told if each.birth_date), None),
        sex=next((each.sex for each in told if contradictable_sex(each)), first.sex),
    )


def _issuer(patient: PatientIdentity) -> str | None:
    return (patient.issuer or "").strip() or None


def _born(patient: PatientIdentity) -> date | None:
    return patient.birth_date


def patient_from_header(header: Dataset) -> PatientIdentity:
    """Who a header says it is of."""
    return PatientIdentity(
        patient_id=_text(header, "PatientID") or "",
        issuer=_text(header, "IssuerOfPatientID"),
        birth_date=_date(header, "PatientBirthDate"),
        sex=_text(header, "PatientSex"),
        other_ids=tuple(
            (str(item.PatientID), _text(item, "IssuerOfPatientID"))
            for item in header.get("OtherPatientIDsSequence") or ()
            if _text(item, "PatientID")
        ),
    )


def instance_from_header(header: Dataset) -> Instance:
    """One instance and its image plane; of an enhanced one, what all of its planes share."""
    orientation = _functional(header, "PlaneOrientationSequence")
    measures = _functional(header, "PixelMeasuresSequence")
    return Instance(
        sop_instance_uid=str(header.get("SOPInstanceUID", "")),
        sop_class_uid=str(header.get("SOPClassUID", "")),
        instance_number=_integer(header, "InstanceNumber"),
        image_type=tuple(_texts(header, "ImageType")),
        rows=_integer(header, "Rows"),
        columns=_integer(header, "Columns"),
        number_of_frames=_integer(header, "NumberOfFrames") or 1,
        image_position_lps_mm=_numbers(header, "ImagePositionPatient", 3),  # type: ignore[arg-type]
        image_orientation=_numbers(orientation, "ImageOrientationPatient", 6),
        pixel_spacing_mm=_numbers(measures, "PixelSpacing", 2),  # type: ignore[arg-type]
        detector_spacing_mm=_numbers(header, "ImagerPixelSpacing", 2),  # type: ignore[arg-type]
        transfer_syntax_uid=str(getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID", "")) or None,
        is_colour=(_integer(header, "SamplesPerPixel") or 1) > 1,
        view=_view(header) if _text(header, "Modality") in RADIOGRAPH_MODALITIES else None,
    )


def _view(header: Dataset) -> View:
    return View(
        view_position=_text(header, "ViewPosition"),
        patient_orientation=tuple(_texts(header, "PatientOrientation")),
        code_meaning=_meanings(header, "ViewCodeSequence", "ViewModifierCodeSequence"),
        orientation_code_meaning=_meanings(
            header, "PatientOrientationCodeSequence", "PatientOrientationModifierCodeSequence"
        ),
        positioner_angles_deg=_angles(header),
        processing=_text(header, "AcquisitionDeviceProcessingDescription"),
    )


def _series(headers: Iterable[Dataset]) -> tuple[Series, ...]:
    groups: dict[str, list[Dataset]] = defaultdict(list)
    for header in headers:
        groups[str(header.get("SeriesInstanceUID", ""))].append(header)
    return tuple(_one_series(uid, group) for uid, group in sorted(groups.items()))


def _one_series(uid: str, headers: list[Dataset]) -> Series:
    first = next((each for each in headers if "LOCALIZER" not in _texts(each, "ImageType")), headers[0])
    view = _view(first)
    acquired_at, _ = _moment(first, "AcquisitionDate", "AcquisitionTime")
    return Series(
        series_instance_uid=uid,
        modality=_text(first, "Modality") or "OT",
        instances=tuple(instance_from_header(header) for header in headers),
        number=_integer(first, "SeriesNumber"),
        description=_text(first, "SeriesDescription"),
        protocol_name=_text(first, "ProtocolName"),
        body_part_examined=_text(first, "BodyPartExamined"),
        laterality=_text(first, "Laterality") or _text(first, "ImageLaterality"),
        view_position=view.view_position,
        patient_position=_text(first, "PatientPosition"),
        patient_orientation=view.patient_orientation,
        contrast_agent=_contrast_agent(first),
        slice_thickness_mm=_number(_functional(first, "PixelMeasuresSequence"), "SliceThickness"),
        kernel="\\".join(_texts(_functional(first, "CTReconstructionSequence"), "ConvolutionKernel")) or None,
        kvp=_number(first, "KVP"),
        manufacturer=_text(first, "Manufacturer"),
        model_name=_text(first, "ManufacturerModelName"),
        frame_of_reference_uid=_text(first, "FrameOfReferenceUID"),
        acquired_at=acquired_at,
        view_code_meaning=view.code_meaning,
        orientation_code_meaning=view.orientation_code_meaning,
        positioner_angles_deg=view.positioner_angles_deg,
        sequence_name=_text(first, "SequenceName") or _text(first, "PulseSequenceName"),
        **_mr_sequence(first),
    )


def _mr_sequence(header: Dataset) -> dict[str, Any]:
    """What an MR sequence was set to; an enhanced object (PS3.3 C.8.13.5) says it in functional groups of its own."""
    timing = _functional(header, "MRTimingAndRelatedParametersSequence")
    modifier = _functional(header, "MRModifierSequence")
    return {
        "scanning_sequence": tuple(_texts(header, "ScanningSequence")) or _pulses(header, modifier),
        "echo_time_ms": _number(header, "EchoTime")
        or _number(_functional(header, "MREchoSequence"), "EffectiveEchoTime"),
        "repetition_time_ms": _number(timing, "RepetitionTime"),
        "inversion_time_ms": _number(header, "InversionTime") or _number(modifier, "InversionTimes"),
        "scan_options": (*_texts(header, "ScanOptions"), *_suppressed(modifier)),
        "acquisition_contrast": _text(header, "AcquisitionContrast")
        or _text(_functional(header, "MRImageFrameTypeSequence"), "AcquisitionContrast"),
    }


_PULSES = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}
"""Scanning Sequence (0018,0020) for values of Echo Pulse Sequence (0018,9008)."""


def _pulses(header: Dataset, modifier: Dataset) -> tuple[str, ...]:
    echoes = _PULSES.get(_text(header, "EchoPulseSequence") or "", ())
    return (*echoes, "IR") if _text(modifier, "InversionRecovery") == "YES" else echoes


def _suppressed(modifier: Dataset) -> tuple[str, ...]:
    """Scan Options (0018,0022) for Spectrally Selected Suppression (0018,9025)."""
    suppressed = _text(modifier, "SpectrallySelectedSuppression") or ""
    return ("FS",) if suppressed in ("FAT", "FAT_AND_WATER") else ()


def _contrast_agent(header: Dataset) -> str | None:
    """The agent by its name, or by the code of an enhanced object (PS3.3 C.7.6.4b)."""
    named = _text(header, "ContrastBolusAgent")
    return named or next((_text(item, "CodeMeaning") for item in header.get("ContrastBolusAgentSequence") or ()), None)


def _functional(header: Dataset, sequence: str) -> Dataset:
    """What holds the attributes of a functional group macro: the shared or first frame's item, else the header itself.

    Enhanced objects (PS3.3 C.7.6.16) keep there what single-frame objects have at the top.
    """
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in (header.get(keyword) or ())[:1]:
            for item in (group.get(sequence) or ())[:1]:
                return item
    return header


def _meanings(header: Dataset, sequence: str, modifiers: str) -> str | None:
    """Code meanings of a sequence and of the modifiers within it, in one text."""
    items: list[Dataset] = list(header.get(sequence) or ())
    items += [modifier for item in items for modifier in item.get(modifiers) or ()]
    return " ".join(text for item in items if (text := _text(item, "CodeMeaning"))) or None


def _angles(header: Dataset) -> tuple[float, float] | None:
    primary = _number(header, "PositionerPrimaryAngle")
    return None if primary is None else (primary, _number(header, "PositionerSecondaryAngle") or 0.0)


def _reasons(headers: Sequence[Dataset]) -> tuple[str, ...]:
    """Order text as senders scatter it: reason, requested procedure, comments, request attributes."""
    found: dict[str, None] = {}
    for header in (headers[0], headers[-1]):
        items = [header, *(header.get("RequestAttributesSequence") or ())]
        for item in items:
            for keyword in (
                "ReasonForStudy",
                "ReasonForTheRequestedProcedure",
                "RequestedProcedureComments",
                "ScheduledProcedureStepDescription",
                "AdditionalPatientHistory",
                "ImageComments",
            ):
                found.update(dict.fromkeys(_texts(item, keyword)))
            for code in item.get("ReasonForRequestedProcedureCodeSequence") or ():
                found.update(dict.fromkeys(_texts(code, "CodeMeaning")))
    return tuple(found)


def _codes(header: Dataset) -> tuple[tuple[str, str, str], ...]:
    items = [
        item
        for keyword in ("ProcedureCodeSequence", "RequestedProcedureCodeSequence")
        for item in header.get(keyword) or ()
    ]
    return tuple(
        (_text(item, "CodeValue") or "", _text(item, "CodingSchemeDesignator") or "", _text(item, "CodeMeaning") or "")
        for item in items
    )


def _texts(header: Dataset, keyword: str) -> list[str]:
    value: Any = header.get(keyword)
    if value is None:
        return []
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return [text for text in (str(item).replace("\0", "").strip() for item in values) if text]


def _text(header: Dataset, keyword: str) -> str | None:
    texts = _texts(header, keyword)
    return texts[0] if texts else None


def _number(header: Dataset, keyword: str) -> float | None:
    text = _text(header, keyword)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _integer(header: Dataset, keyword: str) -> int | None:
    number = _number(header, keyword)
    return None if number is None else int(number)


def _numbers(header: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(text) for text in _texts(header, keyword))
    except ValueError:
        return None
    return numbers if len(numbers) == count else None


def _date(header: Dataset, keyword: str) -> date | None:
    text = (_text(header, keyword) or "").replace(".", "").replace("-", "")
    try:
        return datetime.strptime(text[:8], "%Y%m%d").date()  # noqa: DTZ007 (DICOM DA has no zone)
    except ValueError:
        return None


def _moment(header: Dataset, date_keyword: str, time_keyword: str) -> tuple[datetime | None, bool]:
    """Local date and time of the sender; DICOM TM may be cut short or carry a fraction."""
    day = _date(header, date_keyword)
    if day is None:
        return None, False
    digits = (_text(header, time_keyword) or "").replace(":", "").partition(".")[0]
    try:
        hours, minutes, seconds = (int(digits[i : i + 2] or 0) for i in (0, 2, 4))
        return datetime.combine(day, time(hours, minutes, min(seconds, 59))), bool(digits)
    except ValueError:
        return datetime.combine(day, time()), False
