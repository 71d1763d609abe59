"""What kind of exam this is: spine or not, modality, projection, position, levels in view, operated or not.

From header and order text alone; a hard question that only pixels answer (is there metal?) is left
open and answered with ``with_hardware``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from plumbline.exams.best_series import BestSeries, best_series
from plumbline.exams.coverage import extent_lps_mm, length_mm, most_vertebrae, named_places, vertebrae_within
from plumbline.exams.facts import SourceKind
from plumbline.exams.history import SurgicalHistory
from plumbline.exams.mr_sequences import has_contrast
from plumbline.exams.order import Order
from plumbline.exams.region_text import (
    names_other_body_part,
    names_trauma_survey,
    regions_of_code,
    spine_regions,
    vertebrae_in,
)
from plumbline.exams.series_roles import (
    CROSS_SECTIONAL_MODALITIES,
    IMAGE_MODALITIES,
    RADIOGRAPH_MODALITIES,
    SeriesPolicy,
    SeriesRole,
    judge_series,
    without_localisers,
)
from plumbline.exams.spine_text import SpineText, read_spine_text
from plumbline.exams.study import Series, Study
from plumbline.exams.surgery_text import Tense

__all__ = ["ExamKind", "Recognition", "SeriesRole", "recognise", "with_hardware"]

_MODALITY_ORDER = ("CT", "MR", "DX", "CR", "RG", "XR")


class ExamKind(StrEnum):
    """Where the path goes on and where it ends."""

    POSTOPERATIVE_SPINE = "postoperative-spine"
    SPINE = "spine"
    """A spine exam of a patient not known to be operated; hardware in its images may still say otherwise."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Recognition:
    """The answer for one study, with a sentence for each conclusion."""

    kind: ExamKind
    modality: str | None
    projection: str | None
    """``lateral``, ``ap``, ``oblique`` for radiographs; None otherwise or unknown."""
    position: str | None
    """``standing``, ``supine``, ``flexion``, ``extension``... None when unknown."""
    levels_in_view: tuple[str, ...]
    """Vertebrae, from header text and from where the best series lies; measurement replaces it."""
    series: tuple[SeriesRole, ...]
    reasons: tuple[str, ...]
    regions: tuple[str, ...] = ()
    """Region letters of the spine, ``C``, ``T``, ``L``; empty where the header names none."""
    own_tense: Tense = Tense.UNSTATED
    """What the exam's own text says of an operation: done, planned (a preoperative exam), denied."""
    has_contrast: bool | None = None

    @property
    def measurable_series(self) -> tuple[str, ...]:
        """Series Instance UIDs that may be measured, the best first."""
        return tuple(role.series_instance_uid for role in self._by_preference())

    @property
    def slice_thickness_mm(self) -> float | None:
        """Slice distance of the best measurable series; None where unknown or not of slices."""
        best = self._by_preference()
        return best[0].slice_thickness_mm if best else None

    @property
    def views(self) -> frozenset[tuple[str | None, str | None]]:
        """(projection, position) of each measurable radiograph."""
        measurable = [role for role in self.series if role.measurable]
        return frozenset(view for role in measurable for view in role.views or ((role.projection, role.position),))

    @property
    def best_series(self) -> tuple[BestSeries, ...]:
        """The best series for each check, with the reason."""
        return best_series(self.series)

    def series_for(self, check: str) -> tuple[str, ...]:
        """Series Instance UIDs that may be measured: the best for one check, then the others, the best first."""
        first = tuple(best.series_instance_uid for best in self.best_series if best.check == check)
        return tuple(dict.fromkeys((*first, *self.measurable_series)))

    def _by_preference(self) -> list[SeriesRole]:
        return sorted((role for role in self.series if role.measurable), key=lambda role: -role.preference)


def recognise(
    study: Study,
    *,
    orders: Iterable[Order] = (),
    history: SurgicalHistory | None = None,
    series_policy: SeriesPolicy | None = None,
) -> Recognition:
    """Recognise one study.

    Parameters
    ----------
    study
        The study; its series may be without instances where only an archive's listing is known.
    orders
        Orders that belong to this very study.
    history
        Surgical history of the patient, where known.
    """
    told = tuple(_texts(study, orders))
    roles = tuple(judge_series(series, series_policy) for series in study.series)
    modality = _modality(study.series)
    regions, region_reason = _regions(study, told, roles)
    roles = _without_other_parts(study, roles)
    tense, tense_reason = _own_tense(told)
    kind, kind_reason = _kind(study, modality, regions, tense, history)
    best = max((role for role in roles if role.measurable), key=lambda role: role.preference, default=None)
    shown = regions or ()
    in_view, view_reason = levels_in_view(study, shown, best.series_instance_uid if best else None)
    return Recognition(
        kind=kind,
        modality=modality,
        projection=best.projection if best and modality in RADIOGRAPH_MODALITIES else None,
        position=best.position if best else None,
        levels_in_view=in_view,
        series=roles,
        reasons=tuple(reason for reason in (region_reason, view_reason, tense_reason, kind_reason) if reason),
        regions=shown,
        own_tense=tense,
        has_contrast=_has_contrast(study.series),
    )


def levels_in_view(study: Study, regions: tuple[str, ...], best_uid: str | None) -> tuple[tuple[str, ...], str]:
    """Vertebrae that the best series shows, with a sentence where its geometry says more than the region's name.

    Known levels of other series in the same Frame of Reference come first; else the region's vertebrae, unless
    the series is too short to hold them, which leaves open which it shows.
    """
    named = vertebrae_in(regions)
    series = next((without_localisers(one) for one in study.series if one.series_instance_uid == best_uid), None)
    interval = extent_lps_mm(series) if series and series.modality in CROSS_SECTIONAL_MODALITIES else None
    if series is None or interval is None or not regions:
        return named, ""
    known = named_places(study.series).get(series.frame_of_reference_uid or "", {})
    if placed := vertebrae_within(interval, known):
        return placed, f"Series of the same frame of reference show that it reaches from {placed[0]} to {placed[-1]}."
    most = most_vertebrae(interval, regions)
    if most >= len(named):
        return named, ""
    held = f"Its {length_mm(interval):.0f} mm hold at most {most} vertebrae of the {_region_words(regions)}"
    return (), f"{held}; which ones the header does not tell."


def with_hardware(recognition: Recognition, seen: bool) -> Recognition:
    """The same exam once its images were searched for metal in the spine.

    Metal makes a spine exam a postoperative one; its absence leaves everything as the text said.
    """
    if recognition.kind is not ExamKind.SPINE:
        return recognition
    if not seen:
        return replace(recognition, reasons=(*recognition.reasons, "No hardware is in the images."))
    reason = "Hardware is in the images, so the spine was operated."
    return replace(recognition, kind=ExamKind.POSTOPERATIVE_SPINE, reasons=(*recognition.reasons, reason))


def _texts(study: Study, orders: Iterable[Order]) -> Iterator[SpineText]:
    """Everything written about this exam, the strongest source first."""
    written = study.performed_at.date() if study.performed_at else None
    for order in sorted(orders, key=lambda order: -order.source):
        yield read_spine_text(order.text, source=order.source, reference_date=written)
    for text in _header_texts(study):
        yield read_spine_text(text, source=SourceKind.HEADER_TEXT, reference_date=written)


def _header_texts(study: Study) -> list[str]:
    parts = (
        study.description,
        study.requested_procedure_description,
        *study.reason_for_study,
        *study.admitting_diagnoses,
        *(meaning for _, _, meaning in study.procedure_codes),
        *(series.description for series in study.series),
        *(series.protocol_name for series in study.series),
    )
    return list(dict.fromkeys(part.strip() for part in parts if part and part.strip()))


def _modality(series: Sequence[Series]) -> str | None:
    held = {one.modality for one in series}
    return next((modality for modality in _MODALITY_ORDER if modality in held), None)


def _regions(
    study: Study, told: Sequence[SpineText], roles: Sequence[SeriesRole]
) -> tuple[tuple[str, ...] | None, str]:
    """Spine regions (None: not a spine exam) and the sentence; the study's own words before its series'."""
    for value, scheme, _ in study.procedure_codes:
        if (coded := regions_of_code(value, scheme)) is not None:
            return coded, f"The procedure code says an exam of the {_region_words(coded)}."
    stated = _stated(study)
    if (named := spine_regions(stated)) is not None:
        return named, f"The study description says an exam of the {_region_words(named)}."
    if names_other_body_part(stated):
        return _regions_within_another_part(study, roles, "The study description names")
    return _regions_of_series(study, told, roles)


def _regions_within_another_part(
    study: Study, roles: Sequence[SeriesRole], said_by: str
) -> tuple[tuple[str, ...] | None, str]:
    """The spine in a study of chest or abdomen, where a series that may be measured was reconstructed for it."""
    measurable = {role.series_instance_uid for role in roles if role.measurable}
    named = [
        regions
        for series in study.series
        if series.series_instance_uid in measurable and (regions := spine_regions(series.description or "")) is not None
    ]
    if not named:
        return None, f"{said_by} another part of the body."
    joined = _joined(named)
    return joined, f"{said_by} another part of the body, but a series of it is of the {_region_words(joined)}."


def _without_other_parts(study: Study, roles: Sequence[SeriesRole]) -> tuple[SeriesRole, ...]:
    """The roles, with no series of another part of the body among them where others are said to be of the spine.

    Where the study's own words name the spine its series are of the spine, whatever they are called.
    """
    if spine_regions(_stated(study)) is not None:
        return tuple(roles)
    said = {
        one.series_instance_uid: " / ".join(filter(None, (one.description, one.body_part_examined)))
        for one in study.series
    }
    spines = {uid for uid, text in said.items() if spine_regions(text) is not None}
    if not any(role.measurable and role.series_instance_uid in spines for role in roles):
        return tuple(roles)
    is_named_otherwise = names_other_body_part(_stated(study))
    reason = "It shows another part of the body than the spine."
    return tuple(
        replace(role, measurable=False, preference=0.0, reason=reason)
        if role.measurable
        and (uid := role.series_instance_uid) not in spines
        and (is_named_otherwise or names_other_body_part(said[uid]))
        else role
        for role in roles
    )


def _stated(study: Study) -> str:
    """What the study says of itself, without its series."""
    own = (
        study.description,
        study.requested_procedure_description,
        *(meaning for _, _, meaning in study.procedure_codes),
    )
    return " / ".join(text for text in own if text)


def _regions_of_series(
    study: Study, told: Sequence[SpineText], roles: Sequence[SeriesRole]
) -> tuple[tuple[str, ...] | None, str]:
    """Body Part Examined (0018,0015) is often the default of a protocol; a series' own words are not."""
    images = [series for series in study.series if series.modality in IMAGE_MODALITIES]
    by_part = [spine_regions(series.body_part_examined) for series in images if series.body_part_examined]
    others = [s for s in images if s.body_part_examined and names_other_body_part(s.body_part_examined)]
    named = [regions for regions in by_part if regions is not None]
    if named and len(named) >= len(others):
        joined = _joined(named)
        return joined, f"Body Part Examined says the {_region_words(joined)}."
    if others:
        return _regions_within_another_part(study, roles, "Body Part Examined names")
    described = [
        regions
        for series in images
        if (regions := spine_regions(f"{series.description or ''} / {series.protocol_name or ''}")) is not None
    ]
    if described:
        joined = _joined(described)
        return joined, f"The series descriptions say the {_region_words(joined)}."
    ordered = [
        regions for text in told if text.source is not SourceKind.HEADER_TEXT and (regions := spine_regions(text.text))
    ]
    if ordered:
        joined = _joined(ordered)
        return joined, f"The order is for the {_region_words(joined)}."
    return None, "Nothing in the header says which part of the body this is."


def _joined(regions: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    letters = {letter for one in regions for letter in one}
    return tuple(letter for letter in "CTL" if letter in letters)


def _region_words(regions: tuple[str, ...]) -> str:
    names = {"C": "cervical", "T": "thoracic", "L": "lumbar"}
    return f"{' and '.join(names[letter] for letter in regions)} spine" if regions else "spine"


def _own_tense(told: Sequence[SpineText]) -> tuple[Tense, str]:
    """What the exam's own texts say of an operation; the strongest source that says anything decides."""
    for text in told:
        if text.tense is not Tense.UNSTATED:
            words = {
                Tense.DONE: "tells of an operation that was done",
                Tense.PLANNED: "announces an operation",
                Tense.DENIED: "says that there was no operation",
            }[text.tense]
            return text.tense, f"The {text.source.label} {words}."
    return Tense.UNSTATED, ""


def _kind(
    study: Study,
    modality: str | None,
    regions: tuple[str, ...] | None,
    tense: Tense,
    history: SurgicalHistory | None,
) -> tuple[ExamKind, str]:
    if modality is None:
        return ExamKind.OTHER, "It holds no CT, MR or radiographs."
    if regions is None:
        return ExamKind.OTHER, "It is not a spine exam."
    day = study.performed_at.date() if study.performed_at else None
    known = [op for op in history.done_by(day) if _is_in_region(op.regions, regions)] if history else []
    if known:
        return ExamKind.POSTOPERATIVE_SPINE, f"The surgical history has an operation before it: {known[-1].evidence}"
    if tense is Tense.DONE:
        return ExamKind.POSTOPERATIVE_SPINE, "It is a spine exam of a patient whose text tells of an operation."
    if names_trauma_survey(
        " / ".join(text for text in (study.description, study.requested_procedure_description) if text)
    ):
        return ExamKind.OTHER, "It is a trauma survey that shows the spine, and no operation is known."
    return ExamKind.SPINE, "It is a spine exam; no operation before it is known."


def _is_in_region(operated: frozenset[str], shown: tuple[str, ...]) -> bool:
    letters = {"L" if letter == "S" else letter for letter in operated}
    return not letters or not shown or bool(letters & set(shown))


def _has_contrast(series: Sequence[Series]) -> bool | None:
    images = [one for one in series if one.modality in IMAGE_MODALITIES]
    if not images:
        return None
    return any(has_contrast(one) for one in images)
