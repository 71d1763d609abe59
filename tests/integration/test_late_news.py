"""Orders, operations and a baseline that reach an exam after its report, on the real servers.

Covered: HL7 over MLLP and FHIR over HTTP into the running system, the new revision with a report that supersedes
the one before, the workitem brought up to date, and that what changes nothing runs nothing. Rules about what is
news are in tests/unit/pipeline/test_late_news.py.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.demo.ports import free_ports
from plumbline.demo.sending import send
from plumbline.demo.stack import Stack, running_stack
from plumbline.demo.watching import Watch
from plumbline.imaging.volume import Volume
from plumbline.observability.clock import SystemClock
from plumbline.phantom.cohort import VirtualExam, cohort
from plumbline.phantom.ct_files import ct_files
from plumbline.pipeline.ports import ExamState, StepName
from plumbline.settings import Settings
from tests.hl7_messages import END, VT, OrderText, Person, order_message

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]

NEEDED = {"Orthanc": "orthanc", "redis-server": "redis-server", "storescu": "dcmtk"}
ISSUER = "PHANTOM-HOSPITAL"


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Stack:
    for program, package in NEEDED.items():
        if shutil.which(program, path="/usr/sbin:/usr/bin:/bin") is None:
            pytest.skip(f"{program} is not installed (Debian package {package})")
    site = {"name": "test", "default_issuer_of_patient_id": ISSUER, "issuers": {"urn:test:patients": ISSUER}}
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder, free_ports(), lambda _name: None, settings={"site": site}) as running:
        yield running


@pytest.fixture(scope="module")
def watch(stack) -> Watch:
    settings = Settings(data_dir=stack.directory / "data")
    return Watch(settings.store_url, stack.worklist_url, stack.orthanc_url)


@pytest.fixture(scope="module")
def exams() -> dict[str, VirtualExam]:
    """Baseline and follow-up of a patient."""
    patient = next(each for each in cohort() if each.name == "MovedBack")
    return {each.role: each for each in patient.exams}


def send_exam(exam: VirtualExam, folder: Path, stack: Stack) -> str:
    """Send what has the header of an exam and grey slices: it is recognised by its text, and not measured."""
    folder.mkdir(parents=True)
    grey = Volume(np.full((60, 64, 64), 40, np.int16), np.diag([3.0, 3.0, 2.0, 1.0]))
    paths = []
    for number, dataset in enumerate(ct_files(grey, exam.header)):
        paths.append(folder / f"{number:04d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    send(paths, port=stack.ports.orthanc_dicom)
    return exam.header.study_instance_uid


def wait(watch: Watch, stack: Stack, uid: str, revision: int) -> None:
    watch.wait([(uid, revision)], timeout_s=300, progress=lambda _: None, still_alive=stack.group.refuse_dead)


def tell_hl7(stack: Stack, block: bytes) -> None:
    with socket.create_connection(("127.0.0.1", stack.ports.hl7), 10) as connection:
        connection.settimeout(10)
        connection.sendall(VT + block + END)
        assert b"MSA|AA|" in connection.recv(65536)


def order_for(exam: VirtualExam, text: str, placer: str, **changes: str) -> bytes:
    header = exam.header
    person = Person(header.patient_id, ISSUER, header.birth_date, header.sex)
    planned = header.performed_at.strftime("%Y%m%d")
    told = OrderText(accession=header.accession_number, reason=text, placer=placer, planned=planned, **changes)
    return order_message("OMI^O23", person, told)


@pytest.mark.slow
def test_news_that_comes_late_makes_one_revision_each_whose_report_supersedes(exams, stack, watch, tmp_path):
    follow_up = exams["current"]
    uid = send_exam(follow_up, tmp_path / "current", stack)
    wait(watch, stack, uid, 1)
    assert watch.exam(uid).state is ExamState.DONE, watch.exam(uid).note
    (first,) = watch.reports(uid)
    assert "PredecessorDocumentsSequence" not in first

    tell_hl7(stack, order_for(follow_up, "s/p TLIF L3-L4 2026-03-02. Saddle anaesthesia.", "PL1"))
    wait(watch, stack, uid, 2)
    entry = next(each for each in watch.entries() if each["study_instance_uid"] == uid)
    assert entry["priority"] == "STAT"
    assert watch.result(uid)["exam"]["planned"] == ["L3-L4"], "the order counts more than the header"
    second = next(each for each in watch.reports(uid) if each.SOPInstanceUID != first.SOPInstanceUID)
    assert superseded_by(second) == first.SOPInstanceUID
    assert points_at(watch, uid, second, first)

    send_exam(exams["baseline"], tmp_path / "baseline", stack)
    wait(watch, stack, exams["baseline"].header.study_instance_uid, 1)
    wait(watch, stack, uid, 3)
    known = {first.SOPInstanceUID, second.SOPInstanceUID}
    third = next(each for each in watch.reports(uid) if each.SOPInstanceUID not in known)
    assert superseded_by(third) == second.SOPInstanceUID
    document = watch.result(uid)
    assert [each["role"] for each in document["references"]] == ["baseline"]
    assert points_at(watch, uid, third, first, second)

    (selection,) = archived(stack, uid, "KO")
    assert {study.StudyInstanceUID for study in selection.CurrentRequestedProcedureEvidenceSequence} == {
        exams["baseline"].header.study_instance_uid
    }

    tell_hl7(stack, order_for(follow_up, "Fever.", "PL2"))
    wait(watch, stack, uid, 4)
    (newer,) = archived(stack, uid, "KO")
    assert newer.SOPInstanceUID != selection.SOPInstanceUID, "the selection before is taken back"

    tell_fhir(stack, follow_up)
    settle(stack, uid)
    assert watch.exam(uid).revision == 4, "what says nothing new runs nothing"
    assert len(watch.reports(uid)) == 4


def archived(stack: Stack, study_instance_uid: str, modality: str) -> list[Dataset]:
    """Objects of one modality that the archive holds of a study."""
    query = {"Level": "Instance", "Query": {"StudyInstanceUID": study_instance_uid, "Modality": modality}}
    with urlopen(Request(f"{stack.orthanc_url}/tools/find", json.dumps(query).encode()), timeout=20) as answer:
        handles = json.load(answer)
    files = []
    for handle in handles:
        with urlopen(f"{stack.orthanc_url}/instances/{handle}/file", timeout=20) as answer:
            files.append(dcmread(BytesIO(answer.read())))
    return files


def superseded_by(report) -> str:
    (predecessor,) = report.PredecessorDocumentsSequence
    return predecessor.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def points_at(watch: Watch, uid: str, report, *superseded) -> bool:
    """Whether the workitem names this report and none of the others."""
    mine = json.dumps(next(item for item in watch.worklist() if item.get("0020000D", {}).get("Value") == [uid]))
    return report.SOPInstanceUID in mine and not any(each.SOPInstanceUID in mine for each in superseded)


def tell_fhir(stack: Stack, exam: VirtualExam) -> None:
    """The same operation that the exam's own header tells of, as another system's order without anything new."""
    document = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"text": "Chest radiograph"},
        "subject": {"identifier": {"system": "urn:test:patients", "value": exam.header.patient_id}},
        "occurrenceDateTime": (exam.header.performed_at + timedelta(days=90)).date().isoformat(),
    }
    request = Request(
        f"{stack.worklist_url}/fhir/ServiceRequest",
        json.dumps(document).encode(),
        {"Content-Type": "application/fhir+json"},
    )
    with urlopen(request, timeout=20) as answer:
        assert answer.status == 201


def settle(stack: Stack, uid: str) -> None:
    """Wait until the news was judged."""
    store = open_store(Settings(data_dir=stack.directory / "data").store_url)
    steps = DatabaseSteps(store, SystemClock(), lease_s=60, maximum_attempts=3)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        counts = [each for each in steps.timeline(uid) if each.name is StepName.COMPLETE]
        if counts[-1].revision == 5 and counts[-1].state == "done":
            return
        time.sleep(0.5)
    pytest.fail("the news was not judged within a minute")
