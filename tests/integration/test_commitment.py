"""Storage commitment on the real thing: a listener process, with pynetdicom and Orthanc as requesters."""

from __future__ import annotations

import time
from contextlib import contextmanager

import httpx
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from tests.integration.test_listener import store_with_pynetdicom
from tests.integration.test_orthanc_routing import write_study
from tests.servers import free_port, is_listening, listener_settings, run_listener, run_orthanc, wait_until

WELL_KNOWN = "1.2.840.10008.1.20.1.1"
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
REPORTED_WITHIN_S = 60.0
TITLE = "PYNETDICOM"


def peers(port):
    return [
        {"ae_title": TITLE, "addresses": ["127.0.0.1"], "port": port},
        {"ae_title": "ORTHANC", "addresses": ["127.0.0.1"], "port": port},
    ]


def asked(*references, transaction_uid=None):
    """Action Information for (SOP Class UID, SOP Instance UID) pairs."""
    information = Dataset()
    information.TransactionUID = transaction_uid or generate_uid()
    information.ReferencedSOPSequence = []
    for sop_class, uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        information.ReferencedSOPSequence.append(item)
    return information


class Requester:
    """A requester that remembers what it is told."""

    def __init__(self, port):
        self.port = port
        self.told = []

    def handlers(self):
        return [(evt.EVT_N_EVENT_REPORT, self._told)]

    def _told(self, event):
        self.told.append((event.event_type, event.event_information, event.assoc.requestor.ae_title))
        return 0x0000, None

    @contextmanager
    def listening(self):
        """Accept reports on associations of the other side."""
        ae = AE(TITLE)
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=self.handlers())
        try:
            yield
        finally:
            server.shutdown()

    def associate(self, port):
        ae = AE(TITLE)
        ae.add_requested_context(StorageCommitmentPushModel)
        association = ae.associate("127.0.0.1", port, ae_title="PLUMBLINE", evt_handlers=self.handlers())
        assert association.is_established
        return association

    def ask(self, port, information, *, instance=WELL_KNOWN, action=1):
        """Ask and hang up; the status of the answer."""
        association = self.associate(port)
        status, _ = association.send_n_action(information, action, StorageCommitmentPushModel, instance)
        association.release()
        return status.Status

    def wait_for(self, count):
        wait_until(lambda: len(self.told) >= count, f"{count} reports", REPORTED_WITHIN_S)


QUICK = {"patience_s": 1.0, "first_retry_s": 0.5}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A listener for the tests of this module, and the port where requesters listen."""
    folder, port = tmp_path_factory.mktemp("commitment"), free_port()
    with run_listener(folder, listener_settings(folder, peers=peers(port), commitment=QUICK)) as process:
        yield process, port


@pytest.fixture
def listener(place):
    return place[0]


@pytest.fixture
def requester(place):
    return Requester(place[1])


def kept_ct(listener):
    """(SOP Class UID, SOP Instance UID) of an instance that was just stored."""
    path = get_testdata_files("CT_small.dcm")[0]
    assert store_with_pynetdicom(listener.port, [path]) == [0]
    header = dcmread(path, stop_before_pixels=True)
    return header.SOPClassUID, header.SOPInstanceUID


def test_what_is_held_is_committed_to_on_a_new_association(listener, requester):
    held = kept_ct(listener)
    information = asked(held)
    with requester.listening():
        assert requester.ask(listener.port, information) == 0
        requester.wait_for(1)
    ((event_type, told, caller),) = requester.told
    assert (event_type, told.TransactionUID, caller) == (1, information.TransactionUID, "PLUMBLINE")
    assert [(i.ReferencedSOPClassUID, i.ReferencedSOPInstanceUID) for i in told.ReferencedSOPSequence] == [held]
    assert "FailedSOPSequence" not in told


def test_a_requester_that_stays_is_told_on_its_own_association_which_still_stores(listener, requester):
    held = kept_ct(listener)
    association = requester.associate(listener.port)
    for count in (1, 2):
        status, _ = association.send_n_action(asked(held), 1, StorageCommitmentPushModel, WELL_KNOWN)
        assert status.Status == 0
        requester.wait_for(count)
    association.release()
    assert [(event_type, caller) for event_type, _, caller in requester.told] == [(1, TITLE)] * 2


def test_every_doubt_has_its_failure_reason(listener, requester):
    sop_class, uid = kept_ct(listener)
    wait_until(lambda: bool(listener.index.find([uid])), "indexed")
    assert sop_class == CT
    with requester.listening():
        assert requester.ask(listener.port, asked((CT, "2.25.404"), (MR, uid))) == 0
        requester.wait_for(1)
    event_type, told, _ = requester.told[0]
    reasons = {item.ReferencedSOPInstanceUID: item.FailureReason for item in told.FailedSOPSequence}
    assert (event_type, reasons) == (2, {"2.25.404": 0x0112, uid: 0x0119})
    assert "ReferencedSOPSequence" not in told


def test_bytes_that_are_damaged_on_the_disk_are_not_committed_to(listener, requester):
    held = kept_ct(listener)
    wait_until(lambda: bool(listener.index.find([held[1]])), "indexed")
    location = listener.index.find([held[1]])[held[1]].location
    whole = listener.bytes_of(listener.index.find([held[1]])[held[1]])
    segment = listener.settings.spool_dir / f"{location.segment}.segment"
    with segment.open("r+b") as file:
        file.seek(location.offset + location.length - 5)
        file.write(b"\xee\xee")
    with requester.listening():
        assert requester.ask(listener.port, asked(held)) == 0
        requester.wait_for(1)
    assert requester.told[0][1].FailedSOPSequence[0].FailureReason == 0x0110
    with segment.open("r+b") as file:
        file.seek(location.offset)
        file.write(whole)


@pytest.mark.slow
def test_a_restart_and_an_absent_requester_lose_no_report_and_any_of_several_processes_answers(tmp_path, requester):
    settings = listener_settings(tmp_path, processes=2, peers=peers(requester.port), commitment=QUICK)
    with run_listener(tmp_path, settings) as listener:
        held = kept_ct(listener)
        assert requester.ask(listener.port, asked(held)) == 0
        wait_until(lambda: "commitment not reported" in listener.log.read_text(), "a report did not get through")
        for _ in range(4):
            assert requester.ask(listener.port, asked(held)) == 0
        listener.process.kill()
        listener.process.wait()
        wait_until(lambda: not is_listening(listener.port), "the receivers ended with it")
    with run_listener(tmp_path, settings), requester.listening():
        requester.wait_for(5)
        time.sleep(1.5)
    assert {event_type for event_type, _, _ in requester.told} == {1}
    assert len(requester.told) == len({told.TransactionUID for _, told, _ in requester.told}) == 5


def test_the_same_request_again_is_reported_again_and_another_under_its_uid_is_refused(listener, requester):
    held = kept_ct(listener)
    with requester.listening():
        for count in (1, 2):
            assert requester.ask(listener.port, asked(held, transaction_uid="2.25.777")) == 0
            requester.wait_for(count)
    assert requester.ask(listener.port, asked(held, (CT, "2.25.5"), transaction_uid="2.25.777")) == 0x0115


def test_requests_that_make_no_sense_are_refused(listener, requester):
    empty = asked()
    assert requester.ask(listener.port, empty) == 0x0115
    assert requester.ask(listener.port, asked((CT, "2.25.1")), instance="2.25.9") == 0x0112
    assert requester.ask(listener.port, asked((CT, "2.25.1")), action=7) == 0x0123
    nameless = asked((CT, "2.25.1"))
    del nameless.TransactionUID
    assert requester.ask(listener.port, nameless) == 0x0115


def test_orthanc_asks_and_is_told(tmp_path):
    port = free_port()
    settings = listener_settings(tmp_path, peers=peers(port), commitment={"patience_s": 1.0, "first_retry_s": 0.5})
    with run_listener(tmp_path, settings) as listener:
        folder = tmp_path / "orthanc"
        with run_orthanc(folder, listener_port=listener.port, dicom_port=port) as orthanc:
            wait_until(lambda: is_listening(port), "Orthanc listens")
            paths, study = write_study(tmp_path / "a", 2)
            for path in paths:
                httpx.post(orthanc.url + "/instances", content=path.read_bytes()).raise_for_status()
            wait_until(lambda: len(listener.index.held(study)) == 2, "routed", REPORTED_WITHIN_S)
            uids = [dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in paths]
            instances = [{"SOPClassUID": CT, "SOPInstanceUID": uid} for uid in [*uids, "2.25.404"]]
            report = httpx.post(
                orthanc.url + "/modalities/plumbline/storage-commitment",
                json={"DicomInstances": [[i["SOPClassUID"], i["SOPInstanceUID"]] for i in instances]},
            )
            report.raise_for_status()
            address = orthanc.url + report.json()["Path"]
            wait_until(
                lambda: httpx.get(address).json()["Status"] != "Pending", "Orthanc has the report", REPORTED_WITHIN_S
            )
            told = httpx.get(address).json()
    assert told["Status"] == "Failure"
    assert {each["SOPInstanceUID"] for each in told["Success"]} == set(uids)
    assert [(each["SOPInstanceUID"], each["FailureReason"]) for each in told["Failures"]] == [("2.25.404", 0x0112)]
