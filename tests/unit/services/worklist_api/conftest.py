import time
import warnings
from datetime import timedelta

import pytest

from plumbline.testing import ManualClock, MemoryExamResults, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.results import ExamResult
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette prefers a fork of httpx that is not a dependency here
    from fastapi.testclient import TestClient


class Site:
    """A worklist API on in-memory ports, and what it holds."""

    def __init__(self):
        self.clock = ManualClock()
        self.worklist = MemoryWorkitems(self.clock)
        self.results = MemoryExamResults()
        self.probes = {}
        self.app = serve(Context(self.worklist, self.worklist.store, self.results, self.clock.now, self.probes))
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def add_reading(self, number: int, priority: str = "ROUTINE", *reasons: str, name: str = "Example^Ada") -> str:
        """Put the reading of an invented exam on the worklist; each is a minute younger than the one before."""
        self.clock.advance(60)
        study = invented_ct_study(number)
        workitem_uid = f"2.25.99{number}"
        dataset = reading_workitem(
            study,
            TriageDecision(Priority(priority), reasons or ("Nothing to report.",)),
            workitem_uid=workitem_uid,
            scheduled_at=self.clock.now() - timedelta(minutes=5),
            source=RetrievalSource("ORTHANC", "http://127.0.0.1:8042/dicom-web"),
            patient_name=name,
        )
        self.worklist.upsert_reading(workitem_uid, study.study_instance_uid, dataset)
        return workitem_uid

    @staticmethod
    def wait_until(holds, within_s: float = 5.0) -> None:
        """Wait for what another thread does; fail when it does not."""
        until = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.01)

    def add_result(self, number: int, document: dict, *pictures: tuple[str, bytes]) -> str:
        study_uid = invented_ct_study(number).study_instance_uid
        self.results.results[study_uid] = ExamResult(study_uid, 1, document, self.clock.now())
        self.results.pictures[study_uid] = list(pictures)
        return study_uid


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def client(site) -> TestClient:
    return site.client


@pytest.fixture
def moved_spacer() -> dict:
    """Result document of a spacer that moved, as the path stores it."""
    return {
        "current": {
            "modality": "CT",
            "levels_in_view": ["L3", "L4", "L5", "S1"],
            "numbering": {"anchor": "sacrum", "confidence": 0.93, "conflict": None},
        },
        "exam": {"performed_at": "2026-03-01T09:30:00", "days_since_surgery": 47, "planned": ["L4-L5"]},
        "references": [
            {
                "role": "baseline",
                "study_instance_uid": "2.25.772",
                "comparable": True,
                "score": 0.91,
                "reasons": ["First CT after surgery."],
            }
        ],
        "considered": [
            {
                "role": None,
                "study_instance_uid": "2.25.773",
                "comparable": False,
                "score": 0.1,
                "reasons": ["Chest CT."],
            }
        ],
        "missing": {"preoperative": "No exam before the operation is in the archive."},
        "findings": [
            {
                "check": "spacer-migration",
                "level": "L4-L5",
                "status": "positive",
                "measurements": {"translation_posterior_mm": {"value": -3.14, "uncertainty_95": 0.4}},
                "reference": "baseline",
                "reasons": ["The spacer lies 3.1 mm behind where it lay."],
                "sources": ["B26"],
            },
            {
                "check": "dural-sac",
                "level": None,
                "status": "not-applicable",
                "reasons": ["CT."],
                "measurements": {},
                "sources": [],
            },
        ],
        "triage": {"priority": "URGENT", "reasons": ["The spacer at L4-L5 moved 3.1 mm backward."]},
        "report": {"sr": "2.25.771.90.1"},
        "warnings": [],
    }
