"""The worklist API as its own process on a loopback port, used as others use it.

dicomweb-client has no worklist transactions (0.61); the part of it that gets DICOM JSON reads ours.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx
import pytest
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.observability.clock import SystemClock
from plumbline.settings import OrthancSettings, Settings
from plumbline.testing import invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from services.worklist_api.app import create_app

REPOSITORY = Path(__file__).parents[2]
STARTS_WITHIN_S = 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("worklist")


@pytest.fixture(scope="module")
def service(data_dir):
    port = free_port()
    environment = {
        **os.environ,
        "PLUMBLINE_DATA_DIR": str(data_dir),
        "PLUMBLINE_API__PORT": str(port),
        "PLUMBLINE_ORTHANC__URL": f"http://127.0.0.1:{free_port()}",
        "PLUMBLINE_ORTHANC__TIMEOUT_S": "2",
    }
    with (data_dir / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.worklist_api"], cwd=REPOSITORY, env=environment, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_live(address, process)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) in (0, -signal.SIGTERM)


def wait_until_live(address: str, process: subprocess.Popen, within_s: float = STARTS_WITHIN_S) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        assert process.poll() is None, "the service stopped at once"
        try:
            if httpx.get(f"{address}/health/live").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the service did not come up")


@pytest.fixture(scope="module")
def readings(service, data_dir) -> list[str]:
    """Three readings that another process, as a worker would, puts into the store."""
    store = open_store(f"sqlite:///{data_dir / 'plumbline.sqlite'}")
    clock = SystemClock()
    worklist = DatabaseWorkitems(store, clock)
    uids = []
    for number, priority in enumerate(("ROUTINE", "STAT", "URGENT"), start=1):
        study = invented_ct_study(number, instance_count=250)
        uids.append(f"2.25.99{number}")
        dataset = reading_workitem(
            study,
            TriageDecision(Priority(priority), (f"Reason {number}: the spacer moved 3.1 mm (± 0.4).",)),
            workitem_uid=uids[-1],
            scheduled_at=clock.now(),
            source=RetrievalSource("ORTHANC", "http://127.0.0.1:8042/dicom-web"),
            patient_name="Müller^Zoë",
        )
        worklist.upsert_reading(uids[-1], study.study_instance_uid, dataset)
    store.engine.dispose()
    return uids


def get_with_dicomweb_client(service: str, path: str) -> list[Dataset]:
    client = DICOMwebClient(f"{service}/dicom-web")
    return [Dataset.from_json(each) for each in client._http_get_application_json(f"{service}/dicom-web/{path}")]


def test_search_gives_the_readings_in_order_and_dicomweb_client_reads_them(service, readings):
    found = get_with_dicomweb_client(service, "workitems")
    assert [each.ScheduledProcedureStepPriority for each in found] == ["HIGH", "MEDIUM", "LOW"]
    assert found[0].CommentsOnTheScheduledProcedureStep == "Reason 2: the spacer moved 3.1 mm (± 0.4)."
    assert str(found[0].PatientName) == "Müller^Zoë"


def test_retrieve_gives_every_referenced_instance(service, readings):
    [dataset] = get_with_dicomweb_client(service, f"workitems/{readings[0]}")
    assert len(dataset.InputInformationSequence[0].ReferencedSOPSequence) == 250
    assert dataset.SOPInstanceUID == readings[0]


def test_a_reader_claims_and_a_second_one_is_refused(service, readings):
    address = f"{service}/dicom-web/workitems/{readings[1]}/state"

    def claim(lock: str) -> httpx.Response:
        body = {"00741000": {"vr": "CS", "Value": ["IN PROGRESS"]}, "00081195": {"vr": "UI", "Value": [lock]}}
        headers = {"Content-Type": "application/dicom+json"}
        return httpx.put(address, content=json.dumps(body), headers=headers)

    assert [claim("2.25.1").status_code, claim("2.25.2").status_code] == [200, 400]
    state = {"ProcedureStepState": "IN PROGRESS"}
    found = httpx.get(f"{service}/dicom-web/workitems", params=state).json()
    assert [each["00080018"]["Value"][0] for each in found] == [readings[1]]


def test_the_page_shows_the_readings(service, readings):
    page = httpx.get(service).text
    assert page.index("Reason 2") < page.index("Reason 3") < page.index("Reason 1")


def test_it_is_not_ready_while_the_archive_does_not_answer(service):
    response = httpx.get(f"{service}/health/ready", timeout=30)
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == "answers"
    assert response.json()["checks"]["archive"] != "answers"


def test_readers_are_served_also_where_no_exam_could_be_processed(service):
    assert httpx.get(f"{service}/health/serving").json() == {"status": "serving", "checks": {"database": "answers"}}


def test_database_and_archive_that_answer_are_not_enough_to_be_ready(orthanc, tmp_path):
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    app = create_app(Settings(data_dir=tmp_path, redis_url=nobody, orthanc=OrthancSettings(url=orthanc.url)))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
            return await client.get("http://worklist/health/ready")

    answer = anyio.run(ask).json()
    assert answer["status"] == "not ready"
    missing = {name for name, sentence in answer["checks"].items() if sentence != "answers"}
    assert missing == {"broker", "queue path", "queue measure"}


def test_no_log_line_names_the_patient(service, readings, data_dir):
    log = (data_dir / "log").read_text(encoding="utf-8")
    assert "Müller" not in log
    assert "PLB-0001" not in log


def test_a_port_in_use_is_one_sentence_and_no_traceback(service, data_dir):
    environment = {**os.environ, "PLUMBLINE_DATA_DIR": str(data_dir), "PLUMBLINE_API__PORT": service.rpartition(":")[2]}
    done = subprocess.run(
        [sys.executable, "-m", "services.worklist_api"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
