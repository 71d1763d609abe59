"""A patient's exams with just the attributes a test is about."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from plumbline.exams.history import SurgicalHistory, history_from_studies
from plumbline.exams.order import plan_from_text
from plumbline.exams.recognition import recognise
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.priors.choice import Candidate, PriorPolicy, ReferenceChoice
from plumbline.priors.matching import choose_references

PATIENT = PatientIdentity("P1", "NORTH", date(1960, 1, 2), "F")


class PatientFactory:
    """Builds the exams of one patient; lumbar CTs unless said otherwise."""

    def study(
        self,
        uid: str,
        day: str | None,
        *,
        modality: str = "CT",
        description: str = "CT LSPINE",
        spacing_mm: float = 1.0,
        patient: PatientIdentity = PATIENT,
        view: str | None = None,
        said: str | None = None,
        **changed: Any,
    ) -> Study:
        is_volume = modality in ("CT", "MR")
        instances = tuple(
            Instance(
                sop_instance_uid=f"{uid}.{i}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                image_position_lps_mm=(0.0, 0.0, i * spacing_mm) if is_volume else None,
                image_orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0) if is_volume else None,
            )
            for i in range(30 if is_volume else 1)
        )
        series = Series(f"{uid}.0", modality, instances, view_position=view, description=said)
        performed = datetime.fromisoformat(day) if day else None
        has_time = bool(day) and "T" in str(day)
        return Study(uid, patient, (series,), performed, has_time, description, **changed)

    def candidate(self, uid: str, day: str | None, **changed: Any) -> Candidate:
        counts = {k: changed.pop(k) for k in ("held_instances", "archive_instances", "hardware_seen") if k in changed}
        study = self.study(uid, day, **changed)
        return Candidate(study, recognise(study), **counts)

    def history(self, *operations: tuple[str, str]) -> SurgicalHistory:
        """Operations as (words, day)."""
        parts = [
            history_from_studies([], plan=plan_from_text(words, surgery_date=date.fromisoformat(day)))
            for words, day in operations
        ]
        done = sorted((op for part in parts for op in part.operations), key=lambda op: op.best_date or date.min)
        return SurgicalHistory(tuple(done))

    def choose(
        self,
        candidates: list[Candidate],
        history: SurgicalHistory | None = None,
        current: Study | None = None,
        policy: PriorPolicy | None = None,
    ) -> ReferenceChoice:
        current = current or self.study("current", "2026-06-01")
        history = history or self.history(("L4-L5 TLIF", "2026-03-02"))
        return choose_references(current, recognise(current, history=history), candidates, history, policy)


@pytest.fixture
def patient() -> PatientFactory:
    """The factory."""
    return PatientFactory()
