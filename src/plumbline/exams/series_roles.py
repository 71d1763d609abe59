"""Which series of a study may be measured, and which of them is the best: localisers and pictures never.

Decided from headers alone, with a sentence for each series. A study listed by an archive without its
instances is judged by what its series say of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from plumbline.exams.mr_sequences import MrKind, judge_mr
from plumbline.exams.plain_text import plain, words
from plumbline.exams.region_text import position_of, projection_of
from plumbline.exams.study import Instance, Series, View

RADIOGRAPH_MODALITIES = frozenset({"CR", "DX", "RG", "XR"})
CROSS_SECTIONAL_MODALITIES = frozenset({"CT", "MR"})
IMAGE_MODALITIES = RADIOGRAPH_MODALITIES | CROSS_SECTIONAL_MODALITIES

_NEAR_AN_AXIS = 0.8
"""Cosine to an axis of the body from which on slices are named after it: about 37 degrees."""
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary Capture Image Storage and, as a prefix with a dot, its multi-frame kinds."""

_WITHOUT_PIXELS = (
    "1.2.840.10008.5.1.4.1.1.4.2",  # MR Spectroscopy
    "1.2.840.10008.5.1.4.1.1.9.",  # Waveforms
    "1.2.840.10008.5.1.4.1.1.11.",  # Presentation States
    "1.2.840.10008.5.1.4.1.1.66",  # Raw Data, Registrations, Fiducials
    "1.2.840.10008.5.1.4.1.1.88.",  # Structured Reports, Key Object Selections
    "1.2.840.10008.5.1.4.1.1.104.",  # Encapsulated documents
    "1.2.840.10008.5.1.4.1.1.481.",  # Radiotherapy
    "1.3.12.2.1107.5.9.1",  # Siemens CSA Non-Image
    "1.3.46.670589.",  # Philips, private
)
"""SOP Classes, or how they begin, that are filed under the modality of the images and hold none."""

_LOCALISER = words(
    r"localiz\w*|localis\w*|\w*scouts?|e?scanogr\w*|topogram\w*|surview|scano\w*|plan ?scan|pilot"
    r"|3-?plane(?: loc)?|survey",
    r"reperage|localizador|ubersicht\w*|uebersicht|loc",
)
_DOSE = words(
    r"dose(?: report| info| record)?|patient protocol|patientenprotokoll|dosis\w*|dosimetrie|protocole patient",
    r"informe de dosis",
)
_AS_IMAGED = words(
    r"(?:ultra-? ?)?(?:low|reduced|half|full|standard|normal|high)[- ]dose|(?:ultra-? ?)?(?:low|niedrig)-?dos(?:e|is)",
    r"(?:reduzierte|niedrige|halbe|volle) dosis|(?:faible|basse|tres faible|ultra basse|demi) ?-?dose",
    r"(?:baja|media|alta) dosis|dosis (?:baja|reducida|reduziert)|dose (?:reduced|reduite|reduziert)",
)
"""With how much dose images were made: no sheet of doses."""
_MATERIAL_MAP = words(
    r"iod(?:ine)?(?: |-)?(?:map|overlay|density|no water|\(water\))?|iodkarte|vnca?",
    r"virtual non-? ?(?:contrast|calcium)",
    r"z[ -]?eff(?:ective)?|effective z|rho ?/? ?z|electron density|gout|uric acid|calcium suppress\w*|bone marrow",
    r"water ?\(\w+\)|hap ?\(\w+\)|material density",
)
"""Images of dual-energy CT that show how much of a substance there is: bone or metal are left out of some."""
_CAPTURE = words(
    r"screen ?(?:save|capture|shot)s?|captures?|sc|key ?images?|snapshots?|summary|findings|ergebnis\w*",
)
_REFORMAT = words(
    r"mpr|reformat\w*",
    r"(?:sag|cor|coronal|sagittal|sagittale?|koronar\w*)(?: (?:mpr|reformat\w*|recon\w*|bone|st))?|mip|minip",
    r"vrt?|3d|ssd|curved|oblique",
)
_RENDERING = words(r"vrt?|3-?d|ssd|mip|minip|curved|volume ?render\w*|rotat\w*|tumble|cine")
_NOT_ORIGINAL_TYPES = frozenset(
    {"MPR", "REFORMATTED", "MIP", "MINIP", "VRT", "VOLREN", "PROJECTION IMAGE", "SCREEN SAVE", "CSA MPR", "RESAMPLED"}
    | {"MAX_IP", "MIN_IP", "MAXIMUM", "MINIMUM", "STD_DEVIATION", "SUBTRACTION", "DIVISION", "VOLUME RENDERING"}
)
"""Among them the pixel contrasts of derived enhanced images (PS3.3 C.8.16.1.4)."""
_BENT_FORWARD_OR_BACK = frozenset({"flexion", "extension"})
_SLOT_SCANNER = words(r"eos")
_METAL_REDUCTION = words(
    r"i?mar|o-?mar|semar|smart ?mar|metal artifact reduction|metallartefakt\w*",
)


@dataclass(frozen=True, slots=True)
class SeriesPolicy:
    """What a CT series must be to be measured, and what makes one better than another."""

    minimum_slices: int = 20
    """Fewer cannot hold two whole vertebrae at any slice thickness in use."""
    minimum_field_mm: float = 60.0
    """A field smaller than this holds no vertebra with its pedicles."""
    minimum_axial_cosine: float = 0.8
    """Slice normal along the body axis; a tilted gantry (30 degrees) still passes."""
    best_thickness_mm: float = 1.25
    """Thinner brings no more for translations of 2 mm."""
    bone_bonus: float = 1.0
    standard_bonus: float = 0.9
    soft_bonus: float = 0.75
    unknown_bonus: float = 0.7
    lung_bonus: float = 0.4
    metal_reduction_bonus: float = 0.05


@dataclass(frozen=True, slots=True)
class SeriesRole:
    """Whether a series may be measured, and why or why not."""

    series_instance_uid: str
    measurable: bool
    preference: float
    """Higher is better among measurable series of one study."""
    reason: str
    projection: str | None = None
    position: str | None = None
    slice_thickness_mm: float | None = None
    modality: str | None = None
    kind: str | None = None
    """``bone``, ``standard``, ``soft``, ``lung`` for CT; a kind of ``mr_sequences`` for MR."""
    plane: str | None = None
    """``axial``, ``sagittal``, ``coronal`` or ``oblique`` slices; None where not known or not of slices."""
    views: tuple[tuple[str | None, str | None], ...] = ()
    """(projection, position) of each view among the radiographs of the series; ``projection`` and ``position`` are
    those of the first."""


def judge_series(series: Series, policy: SeriesPolicy | None = None) -> SeriesRole:
    """The role of one series."""
    policy = policy or SeriesPolicy()
    series = without_localisers(series)
    refusal = _refusal(series, policy)
    if refusal:
        uid, modality = series.series_instance_uid, series.modality
        return SeriesRole(uid, measurable=False, preference=0.0, reason=refusal, modality=modality)
    if series.modality in RADIOGRAPH_MODALITIES:
        return _radiograph(series)
    return _cross_sectional(series, policy)


def without_localisers(series: Series) -> Series:
    """The series without the localisers that some scanners file among its slices; itself where there are no others."""
    others = tuple(each for each in series.instances if "LOCALIZER" not in each.image_type)
    return replace(series, instances=others) if others and len(others) < len(series.instances) else series


def kernel_kind(kernel: str | None) -> str | None:
    """``bone``, ``standard``, ``soft`` or ``lung`` of a Convolution Kernel (0018,1210); None where not known.

    Siemens writes a number (sharp from 50), GE a word, Canon FC with a number, Philips a letter.
    """
    name = (kernel or "").strip().upper()
    if not name:
        return None
    for kind, pattern in _KERNELS:
        if pattern.search(name):
            return kind
    if found := re.match(r"^[BDHIJUTQ][A-Z]?(\d\d)", name):
        number = int(found[1])
        return "bone" if number >= 50 else "standard" if number >= 40 else "soft"
    return None


_KERNELS = (
    ("lung", re.compile(r"LUNG|^FC5[0-9]|^BL\d\d|^L$")),
    ("bone", re.compile(r"BONE|EDGE|ULTRA|SHARP|^FC3[0-9]|^FC8[0-9]|^Y[BCD]$|^E$|^D$|KNOCHEN|OS\b")),
    ("standard", re.compile(r"STANDARD|STND|CHST|DETAIL|^FC1[0-9]|^C$|^YA$")),
    ("soft", re.compile(r"SOFT|^FC0[0-9]|^[AB]$|SMOOTH|WEICHTEIL")),
)


def _refusal(series: Series, policy: SeriesPolicy) -> str | None:
    """Why a series is not measured, None where it may be."""
    types = {value.upper() for instance in series.instances for value in instance.image_type}
    if series.modality not in IMAGE_MODALITIES:
        return f"{series.modality or 'Its modality'} is not an image that can be measured."
    if not_anatomy := _not_anatomy(series, policy, types):
        return not_anatomy
    return None if series.modality in RADIOGRAPH_MODALITIES else _volume_refusal(series, policy, types)


def _not_anatomy(series: Series, policy: SeriesPolicy, types: set[str]) -> str | None:
    """What holds no images, localisers, sheets and pictures of screens."""
    described = _plain_words(series.description)
    instances = series.instances
    is_localiser = _LOCALISER.search(described) and len(instances) < policy.minimum_slices
    refusals = {
        "It holds no images.": instances and all(_is_without_pixels(each.sop_class_uid) for each in instances),
        "It is a secondary capture: a picture of a screen or a sheet.": _is_secondary_capture(instances),
        "It is a localiser.": "LOCALIZER" in types or is_localiser,
        "It is a dose sheet.": _DOSE.search(_AS_IMAGED.sub("", described)),
        "It is a screen capture.": _CAPTURE.search(described) and "ORIGINAL" not in types,
        "Its images are in colour: renderings, or pictures of a screen.": any(each.is_colour for each in instances),
    }
    return next((sentence for sentence, applies in refusals.items() if applies), None)


def _is_without_pixels(sop_class_uid: str) -> bool:
    return any(
        sop_class_uid == begins or sop_class_uid.startswith(begins if begins.endswith(".") else f"{begins}.")
        for begins in _WITHOUT_PIXELS
    )


def _plain_words(*texts: str | None) -> str:
    return plain(" ".join(text for text in texts if text).replace("_", " "))


def _volume_refusal(series: Series, policy: SeriesPolicy, types: set[str]) -> str | None:
    is_ct = series.modality == "CT"
    described = _plain_words(series.description, series.protocol_name)
    if types & _NOT_ORIGINAL_TYPES or ("DERIVED" in types and "SECONDARY" in types):
        return "It is derived from another series (a reformat or a projection)."
    if is_ct and _REFORMAT.search(described) and not any(i.image_orientation for i in series.instances):
        return "Its description says that it is a reformat."
    if is_ct and series.instances and "ORIGINAL" not in types and _RENDERING.search(_plain_words(series.description)):
        return "Its description says that it is a rendering or a projection."
    if is_ct and _MATERIAL_MAP.search(_plain_words(series.description, *types - {"ORIGINAL"})):
        return "It is a map of a substance, made from two energies."
    if not series.instances:
        return None
    return _geometry_refusal(series.instances, policy) if is_ct else _mr_refusal(series)


def _mr_refusal(series: Series) -> str | None:
    """Localisers that nothing calls so: they look along several axes of the body at once."""
    planes = {_plane(each.image_orientation) for each in series.instances if each.image_orientation}
    if judge_mr(series).kind is MrKind.LOCALISER:
        return "It is a localiser."
    return "Its slices lie in several planes, as those of a localiser do." if len(planes) > 1 else None


def _geometry_refusal(instances: Sequence[Instance], policy: SeriesPolicy) -> str | None:
    frames = sum(max(instance.number_of_frames, 1) for instance in instances)
    if frames < policy.minimum_slices:
        return f"It has {frames} slice{'s' if frames != 1 else ''}; at least {policy.minimum_slices} are needed."
    if frames == len(instances) and not any(i.image_orientation and i.image_position_lps_mm for i in instances):
        return "Its slices have no position in space."
    cosines = [_axial_cosine(instance.image_orientation) for instance in instances if instance.image_orientation]
    if cosines and min(cosines) < policy.minimum_axial_cosine:
        return "Its slices are not axial."
    fields = [field for instance in instances if (field := _field_mm(instance)) is not None]
    if fields and min(fields) < policy.minimum_field_mm:
        return f"Its field of {min(fields):.0f} mm is too small for a vertebra."
    return None


def _axial_cosine(orientation: tuple[float, ...]) -> float:
    """Component of the slice normal along the body axis (LPS z), without sign."""
    rx, ry, _, cx, cy, _ = orientation
    return abs(rx * cy - ry * cx)


def _field_mm(instance: Instance) -> float | None:
    """The smaller side of the image in mm."""
    if instance.pixel_spacing_mm is None or not instance.rows or not instance.columns:
        return None
    between_rows, between_columns = instance.pixel_spacing_mm
    return min(between_rows * instance.rows, between_columns * instance.columns)


def slice_plane(series: Series) -> str | None:
    """``axial``, ``sagittal``, ``coronal``, or ``oblique`` where no axis of the body is near to the slice normal."""
    orientation = next((i.image_orientation for i in series.instances if i.image_orientation), None)
    return None if orientation is None else _plane(orientation)


def _plane(orientation: tuple[float, ...]) -> str:
    rx, ry, rz, cx, cy, cz = orientation
    normal = {"sagittal": abs(ry * cz - rz * cy), "coronal": abs(rz * cx - rx * cz), "axial": abs(rx * cy - ry * cx)}
    plane = max(normal, key=lambda name: normal[name])
    return plane if normal[plane] >= _NEAR_AN_AXIS else "oblique"


def _is_secondary_capture(instances: Sequence[Instance]) -> bool:
    def is_capture(uid: str) -> bool:
        return uid == _SECONDARY_CAPTURE or uid.startswith(f"{_SECONDARY_CAPTURE}.")

    return bool(instances) and all(is_capture(instance.sop_class_uid) for instance in instances)


def _radiograph(series: Series) -> SeriesRole:
    """A series of radiographs; several views in one series are all kept, the lateral one first."""
    views = sorted({_view(view, series) for view in series.views}, key=_view_preference, reverse=True)
    projection, position = views[0]
    told = " and ".join(f"{one or 'unknown'} projection, {other or 'unknown'} position" for one, other in views)
    return SeriesRole(
        series.series_instance_uid,
        True,
        _view_preference(views[0])[0],
        f"Radiograph, {told}; the lateral one is measured first.",
        projection=projection,
        position=position,
        modality=series.modality,
        views=tuple(views),
    )


def _view(view: View, series: Series) -> tuple[str | None, str | None]:
    """Projection and position of one radiograph; what a slot scanner makes is made upright unless it says sitting.

    Flexion and extension are looked at from the side; from the front the spine is bent to the left and right.
    """
    said = " ".join(filter(None, (view.code_meaning, view.processing, series.description, series.protocol_name)))
    projection = projection_of(
        view.view_position, view.patient_orientation, said, angles_deg=view.positioner_angles_deg
    )
    position = position_of(" ".join(filter(None, (view.view_position, said, view.orientation_code_meaning))))
    if projection is None and position in _BENT_FORWARD_OR_BACK:
        projection = "lateral"
    scanner = _plain_words(series.manufacturer, series.model_name)
    return projection, position or ("standing" if _SLOT_SCANNER.search(scanner) else None)


def _view_preference(view: tuple[str | None, str | None]) -> tuple[float, str, str]:
    projection, position = view
    preference = {"lateral": 1.0, "ap": 0.6, "oblique": 0.2}.get(projection or "", 0.3)
    return preference, projection or "", position or ""


def _cross_sectional(series: Series, policy: SeriesPolicy) -> SeriesRole:
    thickness = slice_distance_mm(series) or series.slice_thickness_mm
    is_ct = series.modality == "CT"
    mr = None if is_ct else judge_mr(series)
    kind = kernel_kind(series.kernel) if is_ct else mr.kind.value if mr and mr.kind else None
    kernel_part = _kernel_preference(kind, policy) if is_ct else policy.standard_bonus
    thickness_part = policy.best_thickness_mm / max(thickness, policy.best_thickness_mm) if thickness else 0.3
    said = _plain_words(series.description, series.kernel)
    reduction = policy.metal_reduction_bonus if _METAL_REDUCTION.search(said) else 0.0
    return SeriesRole(
        series.series_instance_uid,
        measurable=True,
        preference=round(thickness_part * kernel_part + reduction, 4),
        reason=_measurable_reason(series, thickness, kind, bool(reduction), mr.reason if mr else ""),
        position=_lying(series.patient_position),
        slice_thickness_mm=thickness,
        modality=series.modality,
        kind=kind,
        plane=slice_plane(series),
    )


def _kernel_preference(kind: str | None, policy: SeriesPolicy) -> float:
    return {
        "bone": policy.bone_bonus,
        "standard": policy.standard_bonus,
        "soft": policy.soft_bonus,
        "lung": policy.lung_bonus,
    }.get(kind or "", policy.unknown_bonus)


def _measurable_reason(series: Series, thickness: float | None, kind: str | None, reduced: bool, told: str) -> str:
    slices = f"slices of {thickness:.2f} mm" if thickness else "slices of unknown thickness"
    kernel = f", {kind or 'unknown'} kernel" if series.modality == "CT" else f", {kind or 'unknown sequence'} ({told})"
    metal = ", metal artefact reduction" if reduced else ""
    plane = "axial " if series.modality == "CT" and series.instances else ""
    return f"{plane}{series.modality} with {slices}{kernel}{metal}.".replace("axial CT", "Axial CT")


def _lying(patient_position: str | None) -> str | None:
    """Supine or prone from Patient Position (0018,5100)."""
    code = (patient_position or "").strip().upper()
    return "supine" if code in ("HFS", "FFS") else "prone" if code in ("HFP", "FFP") else None


def slice_distance_mm(series: Series) -> float | None:
    """Median distance between neighbouring slice centres along the slice normal, in mm; None without positions."""
    placed = [i for i in series.instances if i.image_position_lps_mm and i.image_orientation]
    if len(placed) < 2:
        return None
    rx, ry, rz, cx, cy, cz = placed[0].image_orientation or (0.0,) * 6
    normal = (ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx)
    along = sorted(sum(n * p for n, p in zip(normal, i.image_position_lps_mm or (), strict=True)) for i in placed)
    gaps = sorted(upper - lower for lower, upper in pairwise(along) if upper - lower > 1e-3)
    return gaps[len(gaps) // 2] if gaps else None
