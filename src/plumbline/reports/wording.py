"""Sentences that reports say about themselves, and the literature they cite. No DICOM here.

Findings bring their own reasons; this module adds what holds for every report: the intended use, which
exams were compared, how vertebrae were named.
"""

from __future__ import annotations

from plumbline.anatomy.numbering import Numbering
from plumbline.priors.choice import Reference, Role

ASSISTIVE = (
    "Computer-generated comparison to assist a radiologist. It is not a diagnosis and does not replace "
    "reading of the images. Measurements are given with the half-width of their 95 % interval."
)
UNCERTAINTY_INTERVAL = "Half-width of the 95 % interval"
NO_FINDINGS = "No check applied to this exam."
LITERATURE = {
    "B26": "Budzik et al., Insights into Imaging 2026, doi 10.1186/s13244-025-02065-8",
    "W22": "Witkam et al., Insights into Imaging 2022;13:117, doi 10.1186/s13244-022-01246-z",
    "ACE25": 'ACE Clinical Guideline "When to order MRI for low back pain", evidence-to-recommendation framework',
    "SCH12": "Schwab et al., Spine 2012;37:1077, doi 10.1097/BRS.0b013e31823e15e2 (SRS-Schwab classification)",
    "FBS24": 'Clinical summary "Failed back surgery syndrome", 2024',
}


def citation(source: str) -> str:
    """Literature key with its full reference where it is known."""
    return f"{source}: {LITERATURE[source]}" if source in LITERATURE else source


def reference_sentence(role: Role, reference: Reference, study_date: str, days_since_surgery: int | None) -> str:
    """Which earlier exam was used, and why."""
    when = f" of {_iso_date(study_date)}" if study_date else ""
    phase = "" if days_since_surgery is None else f", {surgery_offset(days_since_surgery)}"
    comparable = "comparable" if reference.comparable else "not comparable"
    parts = [f"{role.value.capitalize()} exam{when}{phase}, {comparable}, score {reference.score:.2f}"]
    return _sentences((*parts, *reference.reasons))


def missing_reference_sentence(role: Role, reason: str) -> str:
    """Which kind of earlier exam could not be used, and why."""
    return _sentences((f"No valid {role.value} exam", reason))


def surgery_offset(days: int) -> str:
    """``12 days after surgery`` and the like."""
    unit = "day" if abs(days) == 1 else "days"
    return f"{abs(days)} {unit} {'before' if days < 0 else 'after'} surgery"


def numbering_sentences(numbering: Numbering, levels_in_view: tuple[str, ...]) -> tuple[str, ...]:
    """How the vertebrae were named, how surely, and what contradicts it."""
    if numbering.best is None:
        said = ["The vertebrae could not be numbered."]
    else:
        anchor = f"from {numbering.anchor}" if numbering.anchor else "without an anchor"
        said = [f"Vertebrae numbered {anchor}, probability {numbering.confidence:.2f}."]
    if levels_in_view:
        said.append(f"In view: {', '.join(levels_in_view)}.")
    if numbering.conflict:
        said.append(_sentences((numbering.conflict,)))
    return tuple(said)


def _iso_date(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 and date.isdigit() else date


def _sentences(parts: tuple[str, ...]) -> str:
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part)
