"""What pages tell of a patient's exams: the story that a comparison was made from, and results over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.exam_results import DatabaseExamResults
from plumbline.adapters.database.exams import exam_from_row
from plumbline.adapters.database.tables import ExamRow, StepRow
from plumbline.exams.identity import IdentityPolicy, same_patient
from plumbline.exams.recognition import Recognition
from plumbline.pipeline.documents import recognition_from_document
from plumbline.pipeline.ports import StepName
from plumbline.priors.choice import Role
from plumbline.worklist.results import ExamResult


@dataclass(frozen=True)
class Triaged:
    """What the triage rules saw of a revision, and what they decided then."""

    facts: Mapping[str, Any]
    comparison: Mapping[str, Any]
    has_baseline: bool
    priority: str


class DatabasePatientExams:
    """Exams of one patient, reached from any one of them: no patient identifier is asked for or told."""

    def __init__(self, store: Store, identity: IdentityPolicy | None = None) -> None:
        self._store = store
        self._results = DatabaseExamResults(store)
        self._identity = identity

    def story(self, study_instance_uid: str, revision: int) -> Mapping[str, Any]:
        """What matching left of a revision: surgical history, choice of references, days since surgery by study.

        Empty where it has not been matched.
        """
        statement = select(StepRow.result).where(
            StepRow.study_instance_uid == study_instance_uid,
            StepRow.revision == revision,
            StepRow.name == StepName.MATCH.value,
        )
        with self._store.read() as session:
            return session.scalar(statement) or {}

    def recognition(self, study_instance_uid: str) -> Recognition | None:
        """What the newest revision that was recognised was recognised as; None where none has been."""
        statement = (
            select(StepRow.result)
            .where(StepRow.study_instance_uid == study_instance_uid, StepRow.name == StepName.RECOGNISE.value)
            .order_by(StepRow.revision.desc())
        )
        with self._store.read() as session:
            told = [each["recognition"] for each in session.scalars(statement) if each and "recognition" in each]
        return recognition_from_document(told[0]) if told else None

    def triaged(self, study_instance_uid: str) -> Triaged | None:
        """What the rules saw of the newest revision that was triaged; None where that was not kept."""
        names = (StepName.MATCH.value, StepName.COMPARE.value, StepName.TRIAGE.value)
        statement = (
            select(StepRow.revision, StepRow.name, StepRow.result)
            .where(StepRow.study_instance_uid == study_instance_uid, StepRow.name.in_(names))
            .order_by(StepRow.revision)
        )
        revisions: dict[int, dict[str, Mapping[str, Any]]] = {}
        with self._store.read() as session:
            for revision, name, result in session.execute(statement):
                revisions.setdefault(revision, {})[name] = result or {}
        whole = [each for each in revisions.values() if all(each.get(name) for name in names)]
        return _triaged(*(whole[-1][name] for name in names)) if whole and "facts" in whole[-1][names[2]] else None

    def results_of_patient(self, study_instance_uid: str) -> Sequence[ExamResult]:
        """Newest results of all exams of the same patient, the given exam's among them."""
        with self._store.read() as session:
            uids = self._same_patient(session, study_instance_uid)
        return list(self._results.newest_of(uids).values())

    def results_of(self, study_instance_uids: Sequence[str]) -> Mapping[str, ExamResult]:
        """Newest results by Study Instance UID; exams without one are left out."""
        return self._results.newest_of(study_instance_uids)

    def _same_patient(self, session: Session, study_instance_uid: str) -> list[str]:
        own = session.get(ExamRow, study_instance_uid)
        if own is None:
            return [study_instance_uid]
        patient = exam_from_row(own).patient
        alike = select(ExamRow).where(ExamRow.patient["patient_id"].as_string() == patient.patient_id)
        return [
            row.study_instance_uid
            for row in session.scalars(alike)
            if row.study_instance_uid == study_instance_uid
            or same_patient(patient, exam_from_row(row).patient, self._identity).is_same
        ]


def _triaged(matched: Mapping[str, Any], compared: Mapping[str, Any], triaged: Mapping[str, Any]) -> Triaged:
    baselines = [each for each in matched["choice"]["considered"] if each["role"] == Role.BASELINE.value]
    return Triaged(
        facts=triaged["facts"],
        comparison=compared["comparison"],
        has_baseline=any(each["comparable"] for each in baselines),
        priority=triaged["decision"]["priority"],
    )
