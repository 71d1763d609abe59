"""A worklist with invented exams on a loopback port, and a headless Chromium that looks at it."""

import io
import shutil
import socket
import threading
from datetime import timedelta

import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from plumbline.testing import ManualClock, MemoryExamResults, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.results import ExamResult
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context

READINGS = (
    ("STAT", "MILLER^Joan", "positive", "The spacer at L4-L5 lies 1.4 mm behind the posterior wall."),
    ("URGENT", "GARCIA LOPEZ^Maria Carmen", "positive", "The spacer at L4-L5 moved 3.1 mm (± 0.4) backward."),
    ("ROUTINE", "EXAMPLE^Ada", "negative", "No displacement beyond the measurement's uncertainty."),
    ("ROUTINE", "AN UNUSUALLY LONG FAMILY NAME^With Many Given Names", "indeterminate", "No valid baseline."),
)


def picture() -> bytes:
    stored = io.BytesIO()
    Image.new("L", (640, 360), 40).save(stored, "PNG")
    return stored.getvalue()


def document(status: str, priority: str, reason: str) -> dict:
    finding = {
        "check": "spacer-migration",
        "level": "L4-L5",
        "status": status,
        "measurements": {"translation_posterior_mm": {"value": 3.1, "uncertainty_95": 0.4}},
        "reference": "baseline",
        "reasons": [reason],
        "sources": ["B26"],
    }
    return {
        "current": {
            "modality": "CT",
            "levels_in_view": ["L3", "L4", "L5", "S1"],
            "numbering": {"anchor": "sacrum", "confidence": 0.9, "conflict": None},
        },
        "exam": {"performed_at": "2026-03-01T09:30:00", "days_since_surgery": 47, "planned": ["L4-L5"]},
        "references": [
            {
                "role": "baseline",
                "study_instance_uid": "2.25.772",
                "comparable": True,
                "score": 0.9,
                "reasons": ["First CT after surgery."],
            }
        ],
        "considered": [],
        "missing": {"preoperative": "Not in the archive."},
        "findings": [finding],
        "triage": {"priority": priority, "reasons": [reason]},
        "report": {"sr": "2.25.771.90.1"},
        "warnings": [],
    }


def context() -> Context:
    clock = ManualClock()
    worklist, results = MemoryWorkitems(clock), MemoryExamResults()
    for number, (priority, name, status, reason) in enumerate(READINGS, start=1):
        study = invented_ct_study(number)
        clock.advance(60)
        dataset = reading_workitem(
            study,
            TriageDecision(Priority(priority), (reason, "47 days since surgery.")),
            workitem_uid=f"2.25.9{number}",
            scheduled_at=clock.now() - timedelta(minutes=5),
            source=RetrievalSource("ORTHANC"),
            patient_name=name,
        )
        worklist.upsert_reading(f"2.25.9{number}", study.study_instance_uid, dataset)
        if number < len(READINGS):
            uid = study.study_instance_uid
            results.results[uid] = ExamResult(uid, 1, document(status, priority, reason), clock.now())
            results.pictures[uid] = [("Sagittal through the spacer", picture())]
    return Context(worklist, worklist.store, results, clock.now, {})


@pytest.fixture(scope="session")
def address():
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(serve(context()), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


class Visit:
    """A page, and everything it complained of or asked other hosts for."""

    def __init__(self, page, address: str):
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def open(self, path: str):
        response = self.page.goto(f"{self.address}{path}")
        assert response is not None
        return response


@pytest.fixture
def visit(chromium, address, request):
    width, height = getattr(request, "param", (1440, 900))
    page = chromium.new_page(viewport={"width": width, "height": height})
    yield Visit(page, address)
    page.close()
