"""Every code that the reports use: standard ones, and scheme ``99PLUMBLINE`` where no standard code exists.

The tables here are the only place where a code is written down; the conformance statement is generated
from :func:`code_table`. Clinical meaning lives in ``checks``, wording in ``reports.wording``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from plumbline.anatomy.landmarks import NAMES
from plumbline.anatomy.levels import Level, Vertebra, sct_code_of_disc, sct_code_of_vertebra
from plumbline.checks.finding import CheckName, Status
from plumbline.errors import InvalidInput
from plumbline.priors.choice import Role
from plumbline.triage.priority import Priority

PRIVATE_SCHEME = "99PLUMBLINE"
PRIVATE_SCHEME_NAME = "Plumbline private codes"

_PRIVATE_MEANINGS = {
    # Concept names
    "status": "Status of check",
    "compared-with": "Compared with",
    "study-role": "Role of study",
    "ref-vertebra": "Reference vertebra",
    "uncertainty": "Measurement uncertainty",
    "source": "Literature source",
    "unmeasured": "Measurement without a value",
    "assistive": "Statement on intended use",
    "triage-reason": "Reason for priority",
    "reference-used": "Reference exam used",
    "reference-none": "Reference exam missing",
    "numbering": "Numbering of vertebrae",
    "warning": "Warning",
    "rule": "Triage rule",
    # Values
    "positive": "Positive",
    "negative": "Negative",
    "indeterminate": "Indeterminate",
    "not-applicable": "Not applicable",
    "failed": "Failed",
    "STAT": "STAT",
    "URGENT": "URGENT",
    "ROUTINE": "ROUTINE",
    "current": "Current study",
    "prior": "Last prior study",
    "below": "Vertebra below the level",
    "above": "Vertebra above the level",
    # Findings, by check
    "spacer-position": "Interbody spacer outside its intended position",
    "level-error": "Operated level differs from planned level",
    "level-labelling": "Inconsistent naming of vertebrae",
    "transitional": "Transitional or supernumerary vertebra",
    "screw-loosening": "Loosening of screw",
    "vacuum-gas": "Gas at fused level",
    "fusion-status": "Incomplete bony fusion",
    "hardware-broken": "Broken or disconnected hardware",
    "screw-position": "Screw outside its intended position",
    "dyn-instability": "Abnormal motion between positions",
    "alignment": "Spinopelvic alignment outside its target",
    "dural-sac": "Insufficient decompression of dural sac",
    "collection": "Fluid collection in surgical bed",
    "herniation-recur": "Recurrent disc herniation",
    "adjacent-segment": "New change of adjacent segment",
    "new-fracture": "New fracture near hardware",
    # Measurements
    "subsidence": "Subsidence of interbody spacer",
    "posterior_margin": "Posterior margin of interbody spacer",
    "canal_intrusion": "Intrusion into spinal canal",
    "disc_height": "Height of disc space",
    "disc_lost": "Loss of height of disc space, in its middle",
    "disc_lost_ant": "Loss of height of disc space, at its anterior edge",
    "disc_lost_post": "Loss of height of disc space, at its posterior edge",
    "level_offset": "Levels between planned and operated level",
    "lucency": "Thickness of lucent zone around screw",
    "sacral_slope": "Sacral slope",
    "pelvic_tilt": "Pelvic tilt",
    "pelvic_incid": "Pelvic incidence",
    "lordosis": "Lumbar lordosis, L1 to S1",
    "kyphosis": "Thoracic kyphosis, T4 to T12",
    "pi_minus_ll": "Pelvic incidence minus lordosis",
}


def private(value: str) -> Code:
    """The listed ``99PLUMBLINE`` code of this value."""
    return Code(value, PRIVATE_SCHEME, _PRIVATE_MEANINGS[value])


def _unlisted(value: str) -> Code:
    """A ``99PLUMBLINE`` code whose value is its own name: measurement stems and level names not in the table."""
    return Code(value, PRIVATE_SCHEME, value.replace("_", " ")[:64])


# Standard concepts that pydicom's dictionary lacks, or knows by another meaning than DICOM's.
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
ENGLISH = Code("en", "RFC5646", "English")
SOURCE = Code("260753009", "SCT", "Source")
PRIORITY = Code("260870009", "SCT", "Priority")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
SPINAL_CAGE = Code("257275005", "SCT", "Spinal cage")

_FINDINGS: Mapping[CheckName, Code] = {
    CheckName.SPACER_MIGRATION: codes.SCT.MigrationOfImplantOrInternalDevice,
    CheckName.SPACER_POSITION: private("spacer-position"),
    CheckName.LEVEL_ERROR: private("level-error"),
    CheckName.LEVEL_LABELLING: private("level-labelling"),
    CheckName.SCREW_LOOSENING: private("screw-loosening"),
    CheckName.VACUUM_GAS: private("vacuum-gas"),
    CheckName.FUSION_STATUS: private("fusion-status"),
    CheckName.HARDWARE_INTEGRITY: private("hardware-broken"),
    CheckName.SCREW_POSITION: private("screw-position"),
    CheckName.DYNAMIC_INSTABILITY: private("dyn-instability"),
    CheckName.SPINOPELVIC_ALIGNMENT: private("alignment"),
    CheckName.DURAL_SAC: private("dural-sac"),
    CheckName.COLLECTION: private("collection"),
    CheckName.HERNIATION_RECURRENCE: private("herniation-recur"),
    CheckName.ADJACENT_SEGMENT: private("adjacent-segment"),
    CheckName.NEW_FRACTURE: private("new-fracture"),
}
_PRESENCE: Mapping[Status, Code] = {
    Status.POSITIVE: codes.cid240.Present,
    Status.NEGATIVE: codes.cid240.Absent,
    Status.INDETERMINATE: codes.cid240.Undetermined,
    Status.NOT_APPLICABLE: codes.cid240.Undetermined,
    Status.FAILED: codes.cid240.Undetermined,
}
_TIME_POINT_TYPES: Mapping[Role | None, Code] = {
    None: codes.SCT.PostOperative,
    Role.BASELINE: codes.DCM.Baseline,
    Role.PREOPERATIVE: codes.SCT.PreOperative,
    Role.PRIOR: codes.SCT.PostOperative,
}
_STUDY_ROLES: Mapping[Role | None, Code] = {
    None: private("current"),
    Role.BASELINE: codes.DCM.Baseline,
    Role.PREOPERATIVE: codes.SCT.PreOperative,
    Role.PRIOR: private("prior"),
}
_IMPLANTS = {"spacer": SPINAL_CAGE, "cage": SPINAL_CAGE, "screw": codes.SCT.BoneScrew}
_PROCEDURES = {
    "CT": codes.cid100.CTUnspecifiedBodyRegion,
    "MR": codes.cid100.MRIUnspecifiedBodyRegion,
    "CR": codes.cid100.XRUnspecifiedBodyRegion,
    "DX": codes.cid100.XRUnspecifiedBodyRegion,
    "RF": codes.cid100.XRUnspecifiedBodyRegion,
}
_MODALITIES = {
    "CT": codes.cid29.ComputedTomography,
    "MR": codes.cid29.MagneticResonance,
    "CR": codes.cid29.ComputedRadiography,
    "DX": codes.cid29.DigitalRadiography,
    "RF": codes.cid29.Radiofluoroscopy,
    "XA": codes.cid29.XRayAngiography,
    "PT": codes.cid29.PositronEmissionTomography,
    "NM": codes.cid29.NuclearMedicine,
    "US": codes.cid29.Ultrasound,
}


def finding_code(check: CheckName) -> Code:
    """Finding (121071, DCM) that a check looks for."""
    return _FINDINGS[check]


def check_of_finding(finding: tuple[str, str]) -> CheckName | None:
    """Check whose finding has this (value, scheme), or None for another system's finding."""
    return next((check for check, code in _FINDINGS.items() if pair(code) == finding), None)


def status_code(status: Status) -> Code:
    """Value of the status evaluation."""
    return private(status.value)


def presence_code(status: Status) -> Code:
    """Presence of the finding (CID 240): for readers that do not know this system's status codes."""
    return _PRESENCE[status]


def priority_code(priority: Priority) -> Code:
    """Value of the triage priority."""
    return private(priority.value)


def time_point_type(role: Role | None) -> Code:
    """Time Point Type (126072, DCM) of a reference, or of the current study for None."""
    return _TIME_POINT_TYPES[role]


def study_role_code(role: Role | None) -> Code:
    """Role of a study in the image library; None is the current study."""
    return _STUDY_ROLES[role]


def role_of_code(code: tuple[str, str]) -> Role | None:
    """Role that a (value, scheme) stands for, or None for the current study or an unknown code."""
    return next((role for role, known in _STUDY_ROLES.items() if pair(known) == code), None)


def implant_code(kind: str) -> Code:
    """Kind of a tracked implant; ``Implant`` where nothing more exact is coded."""
    return _IMPLANTS.get(kind.lower(), codes.SCT.Implant)


def procedure_code(modality: str) -> Code:
    """Procedure reported (CID 100) of a modality."""
    return _PROCEDURES.get(modality, codes.cid100.ImagingProcedure)


def modality_code(modality: str) -> Code:
    """Modality (CID 29)."""
    return _MODALITIES.get(modality) or Code(modality, "DCM", modality)


def site_code(level: str | None) -> Code:
    """Finding Site of a level (its disc), a vertebra, or the spine where none is given.

    A level without a standard code, e.g. ``L6-S1``, becomes a private code whose value is its name.
    """
    if not level:
        return codes.SCT.Spine
    try:
        code = _disc_code(Level.parse(level)) if "-" in level else _vertebra_code(Vertebra(level))
    except InvalidInput:
        code = None
    return code or _unlisted(level)


def _disc_code(level: Level) -> Code | None:
    known = sct_code_of_disc(level)
    if known is not None:
        return Code(known, "SCT", f"{level.above}/{level.below} disc")
    keyword = f"{level.above}{level.below}Disc"
    return getattr(codes.cid7604, keyword) if keyword in codes.cid7604.dir() else None


def _vertebra_code(vertebra: Vertebra) -> Code | None:
    known = sct_code_of_vertebra(vertebra)
    if known is not None:
        return Code(known, "SCT", f"{vertebra} vertebra")
    keyword = f"{vertebra}Vertebra"
    return getattr(codes.cid7603, keyword) if keyword in codes.cid7603.dir() else None


def pair(code: Code) -> tuple[str, str]:
    """(value, scheme) of a code."""
    return (code.value, code.scheme_designator)


def code_item(code: Code) -> Dataset:
    """Item of a code sequence outside the content tree."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


# --- Measurements: contract key <-> concept, modifiers and unit ------------------------------------------

_UNITS: Mapping[str, Code] = {
    "mm": codes.UCUM.Millimeter,
    "deg": codes.UCUM.Degree,
    "mm2": codes.UCUM.SquareMillimeter,
    "mm3": codes.UCUM.CubicMillimeter,
    "hu": codes.UCUM.HounsfieldUnit,
    "percent": codes.UCUM.Percent,
    "days": codes.UCUM.Day,
}
_STEMS: Mapping[str, Code] = {
    "translation_left": codes.DCM.SpatialDisplacementXComponent,
    "translation_posterior": codes.DCM.SpatialDisplacementYComponent,
    "translation_cranial": codes.DCM.SpatialDisplacementZComponent,
    "translation": codes.DCM.Distance,
    "rotation": codes.DCM.RotationAngle,
    "subsidence": private("subsidence"),
    "posterior_margin": private("posterior_margin"),
    "canal_intrusion": private("canal_intrusion"),
    "disc_height": private("disc_height"),
    "disc_height_lost": private("disc_lost"),
    "disc_height_lost_anterior": private("disc_lost_ant"),
    "disc_height_lost_posterior": private("disc_lost_post"),
    "level_offset": private("level_offset"),
    "lucency": private("lucency"),
    "sacral_slope": private("sacral_slope"),
    "pelvic_tilt": private("pelvic_tilt"),
    "pelvic_incidence": private("pelvic_incid"),
    "lumbar_lordosis": private("lordosis"),
    "thoracic_kyphosis": private("kyphosis"),
    "pelvic_incidence_minus_lordosis": private("pi_minus_ll"),
}
_MOTIONS = ("translation_left", "translation_posterior", "translation_cranial", "translation", "rotation")
"""Stems that are told in the frame of a vertebra: that below the level unless the key ends in ``_above``."""
REFERENCE_VERTEBRA = private("ref-vertebra")
TIME_POINT_TYPE = codes.DCM.TimePointType


@dataclass(frozen=True, slots=True)
class MeasurementConcept:
    """How one measurement of the contract is coded: name, concept modifiers as (name, value), UCUM unit."""

    name: Code
    modifiers: tuple[tuple[Code, Code], ...]
    unit: Code


def measurement_concept(key: str) -> MeasurementConcept:
    """Coded form of a contract key, e.g. ``baseline_posterior_margin_mm``.

    A key without a standard concept and not listed here keeps its stem as a private code value, so that
    a new check's measurements are never left out.
    """
    stem, unit = _split_unit(key)
    modifiers: list[tuple[Code, Code]] = []
    role = next((role for role in Role if stem.startswith(f"{role.value}_")), None)
    if role is not None:
        stem = stem.removeprefix(f"{role.value}_")
        modifiers.append((TIME_POINT_TYPE, study_role_code(role)))
    base = stem.removesuffix("_above")
    if base in _MOTIONS:
        modifiers.append((REFERENCE_VERTEBRA, private("above" if base != stem else "below")))
        stem = base
    return MeasurementConcept(_STEMS.get(stem) or _unlisted(stem), tuple(modifiers), unit)


def measurement_key(
    name: tuple[str, str], modifiers: Mapping[tuple[str, str], tuple[str, str]], unit: str
) -> str | None:
    """Contract key of a coded measurement, or None where it is not one of this system's.

    Parameters
    ----------
    name
        (value, scheme) of the concept name.
    modifiers
        Concept modifiers, (value, scheme) to (value, scheme).
    unit
        UCUM code value.
    """
    stem = next((stem for stem, code in _STEMS.items() if pair(code) == name), None)
    if stem is None:
        if name[1] != PRIVATE_SCHEME:
            return None
        stem = name[0]
    if modifiers.get(pair(REFERENCE_VERTEBRA)) == pair(private("above")):
        stem = f"{stem}_above"
    role = role_of_code(modifiers.get(pair(TIME_POINT_TYPE), ("", "")))
    suffix = next((suffix for suffix, code in _UNITS.items() if code.value == unit), None)
    return "_".join(part for part in (role.value if role else None, stem, suffix) if part)


def _split_unit(key: str) -> tuple[str, Code]:
    stem, separator, suffix = key.rpartition("_")
    if separator and suffix in _UNITS:
        return stem, _UNITS[suffix]
    return key, codes.UCUM.NoUnits


# --- Geometry -------------------------------------------------------------------------------------------

_PURPOSES: Mapping[str, Code] = {
    "displacement": codes.cid7551.Vector,
}


def coordinate_purpose(name: str) -> Code:
    """Concept name of SCOORD3D coordinates (CID 7551) by the finding's name for them."""
    return _PURPOSES.get(name, codes.cid7551.SourceOfMeasurement)


_SHORT = {
    "superior": "sup",
    "inferior": "inf",
    "anterior": "ant",
    "posterior": "post",
    "marker": "mark",
} | dict.fromkeys(("endplate", "centre"), "")


def landmark_code(name: str) -> Code:
    """Concept name of the coordinates of a landmark that a reader set, e.g. ``S1-sup-ant``."""
    parts = (_SHORT.get(word, word) for word in name.replace("femoral head", "hip").split())
    return Code("-".join(part for part in parts if part), PRIVATE_SCHEME, name)


_LANDMARKS: Mapping[str, Code] = {name: landmark_code(name) for name in NAMES}


# --- The table for the conformance statement ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One line of the conformance statement's table of codes."""

    value: str
    scheme: str
    meaning: str
    used_for: str


def code_table() -> tuple[CodeRow, ...]:
    """All listed codes with what they are used for, private ones last, each once."""
    tables: tuple[tuple[str, Mapping[Any, Code]], ...] = (
        ("Finding", _FINDINGS),
        ("Presence of finding", _PRESENCE),
        ("Role of study", _STUDY_ROLES),
        ("Time point type", _TIME_POINT_TYPES),
        ("Implant type", {**_IMPLANTS, "other": codes.SCT.Implant}),
        ("Procedure reported", {**_PROCEDURES, "other": codes.cid100.ImagingProcedure}),
        ("Measurement", _STEMS),
        ("Unit", _UNITS),
        ("Landmark", _LANDMARKS),
        ("Purpose of coordinates", {**_PURPOSES, "other": codes.cid7551.SourceOfMeasurement}),
        ("Private", {value: private(value) for value in _PRIVATE_MEANINGS}),
    )
    rows: dict[tuple[str, str], CodeRow] = {}
    for used_for, table in tables:
        for code in table.values():
            rows.setdefault(pair(code), CodeRow(code.value, code.scheme_designator, code.meaning, used_for))
    return tuple(sorted(rows.values(), key=lambda row: (row.scheme == PRIVATE_SCHEME, row.scheme, row.value)))
