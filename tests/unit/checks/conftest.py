"""One operated segment at two times, analysed once: the exams that the checks are tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.checks.context import CheckContext, MeasuredExam
from plumbline.exams.order import Plan, plan_from_text
from plumbline.imaging.hardware import Hardware
from plumbline.imaging.motion import ExamAnatomy
from tests.unit.imaging.bone_worlds import SPACER, Scanner, examined, moved, moved_bones, stacked

BASELINE_UID, CURRENT_UID = "2.25.101", "2.25.102"
SCANNER = Scanner(spacing_mm=(1.0, 1.0, 1.0), first_mm=(-18.0, -28.0, -22.0), last_mm=(20.0, 18.0, 30.0))
LYING = moved(1.0, -1.0, 2.0, (2.0, -1.0, 3.0))


def follow_up(*translation: float) -> ExamAnatomy:
    """The segment at a later time, the patient lying differently and the spacer displaced."""
    bones = moved_bones(stacked(2), LYING, LYING)
    return examined(bones, (SPACER.moved(LYING @ moved(*translation)),), scanner=replace(SCANNER, seed=1))


@pytest.fixture(scope="session")
def baseline_anatomy() -> ExamAnatomy:
    return examined(stacked(2), (SPACER,), scanner=SCANNER)


@pytest.fixture(scope="session")
def migrated() -> ExamAnatomy:
    return follow_up(3.5)


@pytest.fixture(scope="session")
def unmoved() -> ExamAnatomy:
    return follow_up()


def exam(uid: str, anatomy: ExamAnatomy | Exception, **changes: Any) -> MeasuredExam:
    def open_anatomy() -> ExamAnatomy:
        if isinstance(anatomy, Exception):
            raise anatomy
        return anatomy

    return MeasuredExam(**{"study_instance_uid": uid, "modality": "CT", "open_anatomy": open_anatomy, **changes})


@pytest.fixture(scope="session")
def compare(baseline_anatomy: ExamAnatomy) -> Callable[..., CheckContext]:
    """Compare an exam with the baseline of the same segment, or with what the test says instead.

    The same comparison is measured once for all tests, unless ``fresh``: a context never changes.
    """
    built: dict[tuple[int, str], CheckContext] = {}

    def build(
        current: ExamAnatomy | Exception,
        *,
        baseline: Any = baseline_anatomy,
        plan: str | None = None,
        fresh: bool = False,
        **changes: Any,
    ) -> CheckContext:
        is_usual = baseline is baseline_anatomy and not changes and not fresh
        if is_usual and (id(current), str(plan)) in built:
            return built[id(current), str(plan)]
        if isinstance(baseline, ExamAnatomy | Exception):
            baseline = exam(BASELINE_UID, baseline, role="baseline")
        context = CheckContext(exam(CURRENT_UID, current), baseline, plan=planned(plan), **changes)
        if is_usual:
            built[id(current), str(plan)] = context
        return context

    return build


def planned(text: str | None) -> Plan | None:
    return plan_from_text(text) if text else None


def numbered(
    anatomy: ExamAnatomy, *labellings: tuple[str, float], anchor: str | None = "sacrum", conflict: str | None = None
) -> ExamAnatomy:
    """The same exam with other names, each labelling written like ``L4 L5``."""
    named = tuple(Labelling(tuple(names.split()), probability) for names, probability in labellings)
    return replace(anatomy, spine=replace(anatomy.spine, numbering=Numbering(named, anchor, conflict)))


def without_metal(anatomy: ExamAnatomy) -> ExamAnatomy:
    """The same exam with soft tissue where its metal and what is bright of its edges was."""
    near = ndimage.binary_dilation(anatomy.hardware.metal, iterations=3)
    voxels = np.where(near, np.asarray(60, dtype=anatomy.volume.voxels.dtype), anatomy.volume.voxels)
    volume = replace(anatomy.volume, voxels=voxels)
    return replace(anatomy, volume=volume, hardware=Hardware(anatomy.hardware.metal & False, ()))
