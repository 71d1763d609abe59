"""The patient's story for one exam: history from all sources, what was planned, and what kind of exam it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plumbline.errors import InvalidInput
from plumbline.exams.history import Operation, PhaseLimits, SurgicalHistory, history_from_studies
from plumbline.exams.order import Order, Plan
from plumbline.exams.recognition import ExamKind, Recognition, recognise, with_hardware
from plumbline.exams.study import Study
from plumbline.imaging.exam_anatomy import contains_spinal_hardware
from plumbline.pipeline.ports import Images

SEARCHED_MODALITIES = ("CT",)
"""Modalities in whose images metal is looked for."""


@dataclass(frozen=True)
class Story:
    """One exam, what it is, and the operations it belongs to."""

    study: Study
    recognition: Recognition
    history: SurgicalHistory
    plan: Plan | None
    orders: tuple[Order, ...]
    """Those that belong to the exam."""
    hardware_seen: bool | None = None
    other_orders: tuple[Order, ...] = ()
    """Those of other exams and of operations of the same patient: they tell of the history only."""
    order_notes: tuple[str, ...] = ()
    """Why orders that seemed to belong here were not used."""

    @property
    def days_since_surgery(self) -> int | None:
        """Days from the last operation to this exam."""
        return days_since_surgery(self.history, self.study)


def tell_story(
    study: Study,
    images: Images,
    *,
    orders: Sequence[Order] = (),
    other_orders: Sequence[Order] = (),
    plan: Plan | None = None,
    earlier: Sequence[Study] = (),
    hardware_seen: bool | None = None,
    may_open_images: bool = True,
    limits: PhaseLimits | None = None,
) -> Story:
    """Recognise one exam from header, order, the patient's earlier studies and, where needed, its images.

    Images are opened, where they may be, only when text leaves open whether a spine was operated and
    ``hardware_seen`` does not say so already.
    """
    studies, all_orders = (*earlier, study), (*orders, *other_orders)
    seen: Mapping[str, bool | None] = {study.study_instance_uid: hardware_seen}
    history = history_from_studies(studies, all_orders, plan, seen, limits=limits)
    recognition = recognise(study, orders=orders, history=history)
    is_open = recognition.kind is ExamKind.SPINE and recognition.modality in SEARCHED_MODALITIES
    if is_open and may_open_images and hardware_seen is None:
        hardware_seen = hardware_in_images(study, recognition, images)
        seen = {study.study_instance_uid: hardware_seen}
        history = history_from_studies(studies, all_orders, plan, seen, limits=limits)
    if hardware_seen is not None:
        recognition = with_hardware(recognition, hardware_seen)
    return Story(
        study,
        recognition,
        history,
        plan or plan_from_history(history, study),
        tuple(orders),
        hardware_seen,
        tuple(other_orders),
    )


def hardware_in_images(study: Study, recognition: Recognition, images: Images) -> bool | None:
    """Whether the best series shows an implant; None when no series can be opened."""
    for series_uid in recognition.measurable_series:
        try:
            return contains_spinal_hardware(images.volume(study.study_instance_uid, series_uid))
        except InvalidInput:
            continue
    return None


def plan_from_history(history: SurgicalHistory, study: Study) -> Plan | None:
    """What the last operation before an exam was meant to be, as text tells it.

    An announcement with levels comes before an account without; a plan is never made from images.
    """
    day = study.performed_at.date() if study.performed_at else None
    accounts = [*reversed(history.before(day)), *reversed(history.planned)]
    told = [each for each in accounts if each.levels]
    return _plan(told[0]) if told else None


def _plan(operation: Operation) -> Plan:
    return Plan(
        levels=operation.levels,
        procedures=operation.procedures,
        side=operation.side,
        surgery_date=operation.exact_date,
        source=operation.source,
        text=operation.evidence,
    )


def days_since_surgery(history: SurgicalHistory, study: Study) -> int | None:
    """Days from the last operation to a study; None where either date is not known."""
    return history.days_since_surgery(study.performed_at.date()) if study.performed_at else None
