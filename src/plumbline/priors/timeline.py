"""Where an exam lies in the patient's surgical story: before or after the operation that counts.

From dates first; where they do not tell (a day of surgery, an interval, no date at all) from hardware
in the images, from the exam's own words, and from the order of the exams.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from plumbline.exams.history import Operation, SurgicalHistory, is_after
from plumbline.exams.recognition import ExamKind, Recognition
from plumbline.exams.study import Study
from plumbline.exams.surgery_text import Tense
from plumbline.priors.choice import Candidate

_LOCAL_PROCEDURES = frozenset(
    {
        "KYPHOPLASTY",
        "VERTEBROPLASTY",
        "DISCECTOMY",
        "DECOMPRESSION",
        "LAMINECTOMY",
        "LAMINOTOMY",
        "FORAMINOTOMY",
        "STIMULATOR",
    }
)
"""Procedures that leave a construct elsewhere as it was."""
_AUGMENTATIONS = frozenset({"KYPHOPLASTY", "VERTEBROPLASTY", "STIMULATOR"})
"""Those among them that are not done within a construct, even where its levels are not known."""


def operation_that_counts(
    history: SurgicalHistory, current: Study, recognition: Recognition
) -> tuple[Operation | None, tuple[Operation, ...]]:
    """The last operation before the current exam that changed what is compared, and those before it.

    One that cannot be dated counts only where none can. Operations of another region of the spine do not
    count, nor a local one (a kyphoplasty, a
    decompression) at levels apart from everything that was instrumented before it.
    """
    day = current.performed_at.date() if current.performed_at else None
    shown = [op for op in history.before(day) if _is_shown(op, recognition.regions)]
    changing = [op for index, op in enumerate(shown) if not _leaves_constructs_alone(op, shown[:index])]
    counting = [op for op in changing if op.best_date is not None] or changing
    if not counting:
        return None, ()
    return counting[-1], tuple(shown[: shown.index(counting[-1])])


def is_postoperative(candidate: Candidate, operation: Operation | None, earlier: Sequence[Operation]) -> bool | None:
    """Whether the exam was made after the operation; None where nothing tells.

    Hardware and words tell only of the first operation: later they may be of an earlier one.
    """
    day = _day(candidate.study)
    if operation is not None and day is not None and (by_date := is_after(operation, day)) is not None:
        return by_date
    seen = candidate.hardware_seen
    was_metal_before = any(op.is_instrumented for op in earlier)
    if seen is False and (operation is None or operation.is_instrumented):
        return False
    if candidate.recognition.own_tense in (Tense.PLANNED, Tense.DENIED):
        return False
    if seen and not was_metal_before:
        return True
    return True if candidate.recognition.own_tense is Tense.DONE and not earlier else None


def settle_by_order(known: Sequence[bool | None]) -> list[bool | None]:
    """Fill in what the order of the exams implies; ``known`` is the oldest exam first.

    What precedes an exam from before the operation is from before it, what follows one from after it
    is from after it.
    """
    settled = list(known)
    last_before = max((i for i, after in enumerate(known) if after is False), default=-1)
    first_after = min((i for i, after in enumerate(known) if after is True), default=len(settled))
    for index, after in enumerate(settled):
        if after is None and index < last_before:
            settled[index] = False
        elif after is None and index > first_after:
            settled[index] = True
    return settled


def when(study: Study) -> datetime | None:
    """Date and time of an exam as far as given."""
    return study.performed_at


def is_earlier(study: Study, current: Study) -> bool | None:
    """Whether ``study`` was made before ``current``; None where their dates do not tell."""
    if study.performed_at is None or current.performed_at is None:
        return None
    if study.performed_at.date() != current.performed_at.date():
        return study.performed_at.date() < current.performed_at.date()
    if study.has_time and current.has_time and study.performed_at != current.performed_at:
        return study.performed_at.replace(tzinfo=None) < current.performed_at.replace(tzinfo=None)
    return None


def is_operated(recognition: Recognition, operation: Operation | None) -> bool:
    """Whether the current exam is of an operated spine at all."""
    return operation is not None or recognition.kind is ExamKind.POSTOPERATIVE_SPINE


def _is_shown(operation: Operation, regions: tuple[str, ...]) -> bool:
    letters = {"L" if letter == "S" else letter for letter in operation.regions}
    return not letters or not regions or bool(letters & set(regions))


def _leaves_constructs_alone(operation: Operation, earlier: Sequence[Operation]) -> bool:
    constructs = [op for op in earlier if op.is_instrumented]
    if not constructs or not operation.procedures or not set(operation.procedures) <= _LOCAL_PROCEDURES:
        return False
    if not all(op.levels for op in constructs):
        return set(operation.procedures) <= _AUGMENTATIONS
    instrumented = {v for op in constructs for level in op.levels for v in (level.above, level.below)}
    touched = {v for level in operation.levels for v in (level.above, level.below)}
    return bool(touched) and not touched & instrumented


def _day(study: Study) -> date | None:
    return study.performed_at.date() if study.performed_at else None
