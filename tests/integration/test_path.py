"""One exam all the way on the real Orthanc, Redis, Celery and listener: from C-STORE to the worklist and the report.

Covered: two virtual patients (moved, stable) at reduced size, the refusal of what is no spine exam, bad input
beside good, a reader's landmarks from the radiograph to the report. Not here: the whole cohort at full size (make
demo ONCE=1).
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from http.cookiejar import CookieJar
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest
from pydicom import Dataset, dcmread

from plumbline.demo.ports import free_ports
from plumbline.demo.sending import send
from plumbline.demo.stack import Stack, running_stack
from plumbline.demo.watching import Watch
from plumbline.phantom.cohort import VirtualExam, VirtualPatient, cohort
from plumbline.phantom.ct_files import ct_files
from plumbline.pipeline.ports import ExamState
from plumbline.reports.reading import read_report
from plumbline.settings import Settings
from tests.browser.seeding import STANDING_LANDMARKS, radiograph_file

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]

RADIOGRAPH = "2.25.40711"
NEEDED = {"Orthanc": "orthanc", "redis-server": "redis-server", "storescu": "dcmtk"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Stack:
    for program, package in NEEDED.items():
        if shutil.which(program, path="/usr/sbin:/usr/bin:/bin") is None:
            pytest.skip(f"{program} is not installed (Debian package {package})")
    with running_stack(tmp_path_factory.mktemp("stack"), free_ports(), lambda _name: None) as running:
        yield running


@pytest.fixture(scope="module")
def watch(stack) -> Watch:
    settings = Settings(data_dir=stack.directory / "data")
    return Watch(settings.store_url, stack.worklist_url, stack.orthanc_url)


def patient(name: str) -> VirtualPatient:
    return next(each for each in cohort() if each.name == name)


def small(exam: VirtualExam) -> VirtualExam:
    """The same exam with fewer and larger voxels, so that it is rendered quickly."""
    return replace(
        exam,
        protocol=replace(
            exam.protocol, rows=280, columns=280, pixel_mm=0.9, slices=140, spacing_mm=1.25, thickness_mm=1.25
        ),
    )


def write(exam: VirtualExam, folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    paths = []
    for number, dataset in enumerate(ct_files(exam.volume(), exam.header)):
        paths.append(folder / f"{number:04d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def wait(watch: Watch, stack: Stack, *uids: str) -> None:
    watch.wait(
        [(uid, 1) for uid in uids],
        timeout_s=300,
        progress=lambda _done: None,
        still_alive=stack.group.refuse_dead,
    )


@pytest.fixture(scope="module")
def moved_files(tmp_path_factory) -> dict[str, list[Path]]:
    """Files of the patient whose spacer moved back by 3 mm, by role."""
    folder = tmp_path_factory.mktemp("moved")
    return {exam.role: write(small(exam), folder / exam.role) for exam in patient("MovedBack").exams}


@pytest.fixture(scope="module")
def moved(stack, watch, moved_files) -> tuple[str, VirtualPatient]:
    """The same patient, sent as a modality would."""
    who = patient("MovedBack")
    for exam in who.exams:
        send(moved_files[exam.role], port=stack.ports.orthanc_dicom)
        wait(watch, stack, exam.header.study_instance_uid)
    return who.exams[-1].header.study_instance_uid, who


def test_a_moved_spacer_is_measured_and_comes_first(moved, watch):
    uid, who = moved
    exam = watch.exam(uid)
    assert exam.state is ExamState.DONE, exam.note
    entries = watch.entries()
    assert entries[0]["study_instance_uid"] == uid
    assert entries[0]["priority"] in ("URGENT", "STAT")
    (report,) = watch.reports(uid)
    finding = next(each for each in read_report(report) if each.check and each.check.value == "spacer-migration")
    assert finding.status.value == "positive"
    for axis, truth in zip(("posterior", "cranial", "left"), who.expectation.translation_mm, strict=True):
        assert finding.measurements[f"translation_{axis}_mm"].value == pytest.approx(truth, abs=0.5)


def test_the_report_is_in_the_current_study_with_pictures_and_key_objects(moved, stack, watch):
    uid, _ = moved
    (report,) = watch.reports(uid)
    assert report.StudyInstanceUID == uid
    assert report.PertinentOtherEvidenceSequence
    with urlopen(f"{stack.worklist_url}/api/exams/{uid}/evidence/1.png", timeout=20) as answer:
        assert answer.read().startswith(b"\x89PNG")


def test_the_workitem_is_found_over_ups_rs_with_priority_and_reason(moved, stack, watch):
    uid, _ = moved
    listed = watch.worklist()
    mine = next(item for item in listed if item.get("0020000D", {}).get("Value") == [uid])
    assert mine["00741200"]["Value"] in (["HIGH"], ["MEDIUM"])
    workitem_uid = mine["00080018"]["Value"][0]
    request = Request(
        f"{stack.worklist_url}/dicom-web/workitems/{workitem_uid}", headers={"Accept": "application/dicom+json"}
    )
    with urlopen(request, timeout=20) as answer:
        assert b"00081195" not in answer.read(), "the Transaction UID is the lock and is never returned"


def test_the_flagged_priors_are_key_objects_of_the_exam_and_input_of_the_workitem(moved, moved_files, stack, watch):
    uid, who = moved
    result = watch.result(uid)
    flagged = {each["study_instance_uid"] for each in result["references"]}
    assert flagged
    assert flagged <= {exam.header.study_instance_uid for exam in who.exams[:-1]}
    (key_objects,) = archived(stack, uid, "KO")
    assert key_objects.StudyInstanceUID == uid
    evidence = {item.StudyInstanceUID: item for item in key_objects.CurrentRequestedProcedureEvidenceSequence}
    assert flagged <= set(evidence)
    sent = {
        str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for files in moved_files.values() for path in files
    }
    selected = {
        str(one.ReferencedSOPInstanceUID)
        for item in evidence.values()
        for series in item.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert selected <= sent
    mine = next(item for item in watch.worklist() if item.get("0020000D", {}).get("Value") == [uid])
    inputs = {item["0020000D"]["Value"][0] for item in mine["00404021"]["Value"]}
    assert {uid, *flagged} <= inputs


def archived(stack: Stack, study_instance_uid: str, modality: str) -> list[Dataset]:
    """Objects of one modality that the archive holds of a study."""
    query = {"Level": "Instance", "Query": {"StudyInstanceUID": study_instance_uid, "Modality": modality}}
    asked = Request(f"{stack.orthanc_url}/tools/find", data=json.dumps(query).encode())
    with urlopen(asked, timeout=20) as answer:
        handles = json.loads(answer.read())
    files = []
    for handle in handles:
        with urlopen(f"{stack.orthanc_url}/instances/{handle}/file", timeout=20) as answer:
            files.append(dcmread(BytesIO(answer.read())))
    return files


def test_a_chest_ct_and_a_spine_never_operated_end_early(stack, watch, tmp_path):
    uids = []
    for name in ("Chest", "NeverOperated"):
        (exam,) = patient(name).exams
        send(write(small(exam), tmp_path / name), port=stack.ports.orthanc_dicom)
        uids.append(exam.header.study_instance_uid)
    wait(watch, stack, *uids)
    assert [watch.exam(uid).state for uid in uids] == [ExamState.NOT_APPLICABLE] * 2
    listed = {entry["study_instance_uid"] for entry in watch.entries()}
    assert not listed & set(uids)
    assert not any(watch.reports(uid) for uid in uids)


def test_logs_hold_no_patient_data(moved, stack):
    _, who = moved
    header = who.exams[-1].header
    secrets = [header.virtual_name, header.patient_id, header.birth_date.strftime("%Y%m%d")]
    for log in (stack.directory / "logs").glob("*.log"):
        if log.stem in ("listener", "api", "worker-path", "worker-measure", "beat"):
            text = log.read_text(errors="replace")
            assert not [secret for secret in secrets if secret in text], log.name


def test_what_the_archive_holds_reads_back_as_it_was_built(moved, stack, watch):
    uid, _ = moved
    (report,) = watch.reports(uid)
    buffer = BytesIO()
    report.save_as(buffer)
    assert dcmread(BytesIO(buffer.getvalue())).SOPInstanceUID == report.SOPInstanceUID


def test_what_is_in_the_archive_passes_dciodvfy(moved, stack, watch, tmp_path):
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    (report,) = watch.reports(moved[0])
    (selection,) = archived(stack, moved[0], "KO")
    for stored, iod in ((report, "Comprehensive3DSR"), (selection, "KeyObjectSelectionDocument")):
        stored.save_as(tmp_path / "stored.dcm", enforce_file_format=True)
        told = subprocess.run([program, str(tmp_path / "stored.dcm")], capture_output=True, text=True, check=False)
        assert iod in told.stdout + told.stderr
        assert "Error" not in told.stdout + told.stderr


def test_the_command_line_finds_what_the_pipeline_stored(moved, watch, moved_files, tmp_path):
    uid, _ = moved
    folders = [f"--{role}={files[0].parent}" for role, files in moved_files.items()]
    command = [sys.executable, "-m", "plumbline", "compare", *folders, "--json", f"--out={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    stored = watch.result(uid)

    def plain(findings):
        return [(each["check"], each["level"], each["status"], each["measurements"]) for each in findings]

    assert plain(document["findings"]) == plain(stored["findings"])
    assert document["triage"]["priority"] == stored["triage"]["priority"]
    assert Path(document["report"]["sr"]).is_file()
    assert list((tmp_path / "out").glob("evidence-*.png"))


def standing_radiograph(folder: Path) -> Path:
    dataset = dcmread(BytesIO(radiograph_file(RADIOGRAPH)))
    dataset.StudyDescription = "Lumbar spine, s/p TLIF L4-L5 2026-01-12"
    dataset.SeriesDescription = "Lumbar spine lateral standing"
    dataset.BodyPartExamined, dataset.ViewPosition, dataset.AccessionNumber = "LSPINE", "LL", "A40711"
    path = folder / "radiograph.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def wait_for_revision(watch: Watch, stack: Stack, revision: int) -> None:
    wanted = [(RADIOGRAPH, revision)]
    watch.wait(wanted, timeout_s=120, progress=lambda _: None, still_alive=stack.group.refuse_dead)
    assert watch.exam(RADIOGRAPH).state is ExamState.DONE, watch.exam(RADIOGRAPH).note


def alignment(report):
    return next(each for each in read_report(report) if each.check and each.check.value == "spinopelvic-alignment")


def test_landmarks_of_a_reader_are_measured_and_reported_with_their_author(stack, watch, tmp_path):
    send([standing_radiograph(tmp_path)], port=stack.ports.orthanc_dicom)
    wait_for_revision(watch, stack, 1)
    (first,) = watch.reports(RADIOGRAPH)
    assert alignment(first).status.value == "indeterminate"
    assert "landmarks that a reader sets" in first.to_json()

    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    address = stack.worklist_url
    exam = f"{address}/exams/{RADIOGRAPH}/radiographs"
    browser.open(f"{address}/session", urlencode({"reader": "Ada Reader", "back": "/"}).encode(), 20).close()
    for name, (column, row) in STANDING_LANDMARKS.items():
        place = {"series_instance_uid": f"{RADIOGRAPH}.1", "sop_instance_uid": f"{RADIOGRAPH}.1.1", "name": name}
        body = json.dumps({**place, "column": column, "row": row}).encode()
        with browser.open(
            Request(
                f"{address}/api/exams/{RADIOGRAPH}/landmarks", body, {"Content-Type": "application/json"}, method="PUT"
            ),
            timeout=20,
        ) as answer:
            preview = json.load(answer)["measured"]
    with browser.open(exam, timeout=20) as answer:
        assert b"Put into the report" in answer.read()
    browser.open(f"{address}/exams/{RADIOGRAPH}/landmarks/report", b"", 20).close()
    wait_for_revision(watch, stack, 2)

    second = next(each for each in watch.reports(RADIOGRAPH) if each.SOPInstanceUID != first.SOPInstanceUID)
    finding = alignment(second)
    assert finding.status.value == preview["status"] == "positive"
    told = {each["name"]: each["value_deg"] for each in preview["angles"]}
    assert finding.measurements["pelvic_incidence_deg"].value == pytest.approx(told["Pelvic incidence"], abs=0.01)
    assert finding.measurements["pelvic_incidence_deg"].value == pytest.approx(41.0, abs=0.1)
    assert "Ada Reader" in second.to_json()
    superseded = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert superseded.ReferencedSOPInstanceUID == first.SOPInstanceUID
    document = watch.result(RADIOGRAPH)
    assert "do not fit each other" in " ".join(document["triage"]["reasons"])


RARE = {
    "plumbline_abstentions",
    "plumbline_api_request_seconds",
    "plumbline_deliveries",
    "plumbline_deliveries_owed",
    "plumbline_delivery_oldest_seconds",
    "plumbline_fhir_resources",
    "plumbline_hl7_connections",
    "plumbline_hl7_messages",
    "plumbline_hl7_turned_away",
    "plumbline_listener_quarantined",
    "plumbline_listener_rejected_associations",
    "plumbline_publish_failures",
    "plumbline_trace_spans",
}
"""Counted only when it happens: orders, other destinations, traces, and what goes wrong."""


def test_the_running_stack_exposes_what_the_dashboards_ask_for(moved, stack):
    house = Path(__file__).parents[2]
    panels = [
        panel for each in runpy.run_path(str(house / "scripts/dashboards.py"))["DASHBOARDS"] for panel in each.panels
    ]
    asked = {name for panel in panels for query, _ in panel.queries for name in re.findall(r"plumbline_\w+", query)}
    with urlopen(f"{stack.worklist_url}/metrics", timeout=20) as answer:
        exposed = set(re.findall(r"^(plumbline_\w+)[{ ]", answer.read().decode(), flags=re.MULTILINE))
    missing = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in asked - exposed}
    assert missing <= RARE


def test_the_stack_is_ready_for_the_next_exam(moved, stack):
    with urlopen(f"{stack.worklist_url}/health/ready", timeout=20) as answer:
        assert json.load(answer)["status"] == "ready"
