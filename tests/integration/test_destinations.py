"""Results at real destinations: Orthanc over DICOMweb and DICOM, an MLLP receiver, an HTTP receiver, a UPS manager.

Built as the dispatcher builds them, from settings. A destination that is away, or answers nonsense, loses nothing:
what is owed waits, and arrives once.
"""

import json
import socketserver
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import hl7
import httpx
import pytest
from pydantic import ValidationError
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import update

from plumbline.adapters.database.delivery_tables import DeliveryRow
from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.results import DatabaseResults
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.adapters.dimse.listener import Listener
from plumbline.adapters.dimse.ups_scp import UpsScp
from plumbline.adapters.spool import Journal
from plumbline.adapters.webhooks.sender import verify
from plumbline.observability.clock import SystemClock
from plumbline.pipeline.outbox import DeliveryState
from plumbline.pipeline.outgoing import deliveries
from plumbline.pipeline.ports import ReportObject, Step, StepName
from plumbline.pipeline.taking_back import take_back_elsewhere
from plumbline.settings import ListenerSettings, Peer, Settings
from plumbline.site_policy import site_policy
from plumbline.testing import MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import text
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem
from plumbline.worklist.states import State
from services.dispatcher.app import build_dispatchers
from tests.integration.ups_work import finished_work
from tests.servers import free_port, run_orthanc
from tests.unit.pipeline.outbox_cases import finished

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SECRET = b"a secret of more than 24 bytes"


def report_object(number: int) -> ReportObject:
    """A small secondary capture in the study of an invented exam."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", f"2.25.77{number}.90.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.77{number}", f"2.25.77{number}.90"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "PLB-0001", "Example^Ada", "OT"
    dataset.Manufacturer = dataset.ManufacturerModelName = "Plumbline"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "0"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return ReportObject(
        dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.SOPClassUID, "picture", buffer.getvalue()
    )


class Department:
    """A store with destinations, and the dispatchers that serve them."""

    def __init__(self, folder, *destinations, **settings):
        self.settings = Settings(data_dir=folder, destinations=destinations, **settings)
        self.store = open_store(self.settings.store_url)
        self.outbox = DatabaseOutbox(self.store, SystemClock())
        self.routing = site_policy(self.settings).routing
        self.dispatchers = build_dispatchers(self.settings)

    def finish(self, number=1, revision=1):
        """An exam is finished: its result and what is owed are committed."""
        study, objects = invented_ct_study(number), [report_object(number)]
        DatabaseResults(self.store, SystemClock()).save_objects(study.study_instance_uid, revision, objects)
        told = finished(number, revision, objects=objects)
        owed = deliveries(told, list(self.routing.kinds), self.routing)
        self.outbox.commit(study.study_instance_uid, revision, {}, owed)

    def deliver(self):
        for dispatcher in self.dispatchers:
            while dispatcher.deliver_next():
                pass
        return [(each.state, each.error) for each in self.outbox.letters()]

    def due_again(self):
        """Let everything that waits be due now."""
        with self.store.begin() as session:
            session.execute(update(DeliveryRow).values(not_before=datetime(2026, 1, 1, tzinfo=UTC)))


SENT = [(DeliveryState.SENT, None)]


def instances_in(orthanc, number) -> list[str]:
    wanted = {"Level": "Instance", "Query": {"StudyInstanceUID": f"2.25.77{number}"}, "Expand": True}
    found = httpx.post(f"{orthanc.url}/tools/find", json=wanted).json()
    return [each["MainDicomTags"]["SOPInstanceUID"] for each in found]


def test_objects_arrive_at_orthanc_over_dicomweb_once(orthanc, tmp_path):
    department = Department(tmp_path, {"kind": "dicomweb", "name": "pacs", "url": f"{orthanc.url}/dicom-web"})
    department.finish(1)
    assert department.deliver() == SENT
    (letter,) = department.outbox.letters()
    department.outbox.resend(letter.delivery_id)
    assert department.deliver() == SENT
    assert instances_in(orthanc, 1) == ["2.25.771.90.1"]


def test_what_was_sent_and_does_not_hold_is_rejected_by_a_note_in_the_same_study(orthanc, tmp_path):
    department = Department(tmp_path, {"kind": "dicomweb", "name": "pacs", "url": f"{orthanc.url}/dicom-web"})
    department.finish(4)
    department.deliver()
    step = Step(1, "2.25.774", 2, StepName.RECOGNISE, 1)
    ports: Any = SimpleNamespace(outbox=department.outbox, clock=SystemClock())
    take_back_elsewhere(step, ["The order was cancelled."], ports, site_policy(department.settings))
    assert department.deliver() == SENT * 2
    wanted = {"Level": "Instance", "Query": {"StudyInstanceUID": "2.25.774", "Modality": "KO"}}
    (handle,) = httpx.post(f"{orthanc.url}/tools/find", json=wanted).json()
    note = dcmread(BytesIO(httpx.get(f"{orthanc.url}/instances/{handle}/file").content))
    assert note.ConceptNameCodeSequence[0].CodeValue == "113038"
    (evidence,) = note.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.774.90.1"


def test_objects_arrive_at_orthanc_over_dicom_and_it_commits_to_them(tmp_path):
    reports_port = free_port()
    with run_orthanc(tmp_path / "orthanc", listener_port=reports_port) as orthanc:
        node = {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": orthanc.archive.dicom_port}
        department = Department(
            tmp_path / "ours",
            {"kind": "dicom", "name": "pacs", **node, "wants_commitment": True, "commitment_wait_s": 40},
            commitment_reports_port=reports_port,
        )
        department.finish(2)
        assert department.deliver() == SENT
        assert instances_in(orthanc, 2) == ["2.25.772.90.1"]


class _Server(socketserver.TCPServer):
    allow_reuse_address = True


@contextmanager
def mllp_receiver(answer, port=0):
    """An MLLP receiver; ``answer`` makes the bytes of the acknowledgement from the message."""
    received: list[hl7.Message] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            frame = bytearray()
            while not frame.endswith(b"\x1c\r"):
                piece = self.rfile.read(1)
                if not piece:
                    return
                frame += piece
            message = hl7.parse(bytes(frame[1:-2]).decode())
            received.append(message)
            with suppress(OSError):
                self.wfile.write(answer(message))

    with _Server(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], received
        server.shutdown()


def accepted(message):
    return b"\x0b" + str(message.create_ack("AA")).encode() + b"\x1c\r"


def hl7_destination(port):
    return {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": port, "timeout_s": 5}


def test_a_result_arrives_over_mllp(tmp_path):
    with mllp_receiver(accepted) as (port, received):
        department = Department(tmp_path, hl7_destination(port))
        department.finish(1)
        assert department.deliver() == SENT
    (message,) = received
    assert str(message.segment("OBR")[27]) == "^^^^^A"


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x0bMSH|^~\\&|x\x1c\r", b"\x0bnothing\x1c\r", b""]
)
def test_a_receiver_that_answers_nonsense_is_tried_again_with_the_same_control_id(tmp_path, nonsense):
    with mllp_receiver(lambda _message: nonsense) as (port, first):
        department = Department(tmp_path, hl7_destination(port))
        department.finish(1)
        ((state, error),) = department.deliver()
        assert state is DeliveryState.WAITING
        assert "HL7 receiver" in error
    with mllp_receiver(accepted, port) as (_, second):
        department.due_again()
        assert department.deliver() == SENT
    assert str(first[0].segment("MSH")[10]) == str(second[0].segment("MSH")[10])


def test_a_rejected_message_is_a_dead_letter(tmp_path):
    reject = lambda message: b"\x0b" + str(message.create_ack("AR")).encode() + b"\x1c\r"  # noqa: E731
    with mllp_receiver(reject) as (port, _):
        department = Department(tmp_path, hl7_destination(port))
        department.finish(1)
        ((state, error),) = department.deliver()
    assert (state, error) == (DeliveryState.DEAD, "the HL7 receiver rejects the message (AR).")


def test_a_signed_webhook_arrives(tmp_path):
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    (tmp_path / "secret").write_bytes(SECRET)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hook = {"kind": "webhook", "name": "hook", "url": f"http://127.0.0.1:{server.server_port}/"}
        department = Department(tmp_path, {**hook, "secret_file": tmp_path / "secret"})
        department.finish(1)
        assert department.deliver() == SENT
        server.shutdown()
    headers, body = received[0]
    assert verify(SECRET, headers, body, datetime.now(UTC))
    assert json.loads(body)["data"]["study_instance_uid"] == "2.25.771"


class SilentListenerObserver:
    """Sees nothing."""

    def __getattr__(self, _name):
        return lambda *_arguments: None


@pytest.fixture
def foreign(tmp_path):
    """A manager elsewhere: its worklist, and the settings of it as a destination."""
    worklist, port = MemoryWorkitems(), free_port()
    journal = Journal(tmp_path / "spool")
    peers = (Peer(ae_title="PLUMBLINE", addresses=("127.0.0.1",)),)
    listening = ListenerSettings(ae_title="MANAGER", port=port, reserve_bytes=0, peers=peers)
    listener = Listener(listening, journal, SilentListenerObserver(), steps=UpsScp(worklist, worklist.store, bool))
    listener.start()
    yield worklist, {"kind": "ups", "name": "manager", "ae_title": "MANAGER", "host": "127.0.0.1", "port": port}
    listener.stop()
    journal.close()


def show_reading(worklist, priority, report=None):
    dataset = reading_workitem(
        invented_ct_study(1),
        TriageDecision(Priority(priority), ("x",)),
        workitem_uid="2.25.991",
        scheduled_at=SystemClock().now(),
        source=RetrievalSource("ORTHANC"),
        report=report,
    )
    worklist.upsert_reading("2.25.991", "2.25.771", dataset)


def test_the_reading_arrives_at_a_foreign_manager_and_is_brought_up_to_date(tmp_path, foreign):
    there, manager = foreign
    department = Department(tmp_path / "ours", manager)
    ours = DatabaseWorkitems(department.store, SystemClock())
    for revision, priority in ((1, "ROUTINE"), (2, "STAT")):
        show_reading(ours, priority)
        department.finish(1, revision)
        assert department.deliver()[0] == SENT[0]
        assert text(there.retrieve("2.25.991").dataset, tags.PRIORITY) == Priority(priority).ups


def test_a_reading_that_is_followed_is_claimed_and_completed_as_it_is_there(tmp_path, foreign):
    there, manager = foreign
    peers = {"peers": [{"ae_title": "MANAGER", "addresses": ["127.0.0.1"]}]}
    department = Department(tmp_path / "ours", {**manager, "is_followed": True}, listener=peers)
    ours = DatabaseWorkitems(department.store, SystemClock())
    report = StoredObject("2.25.771", "2.25.771.9", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.8")

    def finish(revision, priority="ROUTINE"):
        show_reading(ours, priority, report)
        department.finish(1, revision)
        assert department.deliver()[0] == SENT[0]

    finish(1)
    waiting = there.store.pending("PLUMBLINE", limit=9)
    assert [each.report.workitem_uid for each in waiting] == ["2.25.991"]
    there.change_state("2.25.991", State.IN_PROGRESS, transaction_uid="2.25.7")
    finish(2)  # which the manager refuses, as the Standard says
    assert ours.retrieve("2.25.991").state is State.IN_PROGRESS
    there.update("2.25.991", finished_work(), transaction_uid="2.25.7")
    there.change_state("2.25.991", State.COMPLETED, transaction_uid="2.25.7")
    finish(3)
    assert ours.retrieve("2.25.991").state is State.COMPLETED
    finish(4, "STAT")
    following = ours.current("2.25.991").workitem_uid
    assert following != "2.25.991"
    assert text(there.retrieve(following).dataset, tags.PRIORITY) == "HIGH"


def test_a_manager_that_is_followed_has_to_be_let_in(tmp_path):
    manager = {"kind": "ups", "name": "m", "ae_title": "MANAGER", "host": "h", "port": 104, "is_followed": True}
    with pytest.raises(ValidationError, match="has to let MANAGER in"):
        Settings(data_dir=tmp_path, destinations=(manager,))


def test_a_worklist_file_is_there_for_the_plugin(tmp_path):
    folder = {"kind": "modality-worklist", "name": "mwl", "directory": tmp_path / "worklists"}
    department = Department(tmp_path, folder)
    department.finish(1)
    assert department.deliver() == SENT
    assert dcmread(tmp_path / "worklists" / "2.25.771.wl").RequestedProcedurePriority == "HIGH"


def test_one_destination_that_is_away_holds_up_no_other(orthanc, tmp_path):
    away = {"kind": "dicomweb", "name": "away", "url": f"http://127.0.0.1:{free_port()}/dicom-web"}
    here = {"kind": "dicomweb", "name": "here", "url": f"{orthanc.url}/dicom-web"}
    department = Department(tmp_path, away, here)
    department.finish(3)
    outcomes = dict(zip(["here", "away"], department.deliver(), strict=True))
    assert outcomes["here"] == SENT[0]
    assert outcomes["away"] == (DeliveryState.WAITING, "the DICOMweb destination does not answer.")
