"""Workitems over DICOM: pynetdicom's user of the UPS SOP Classes against our listener, and ours against pynetdicom's.

Not covered: dcm4chee itself, of which only the dialect is known here.
"""

import time
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import UnifiedProcedurePresentationContexts

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.dimse.dicom_json import from_json, to_json
from plumbline.adapters.dimse.listener import Listener
from plumbline.adapters.dimse.ups_events import EventSender, NotOurTurn
from plumbline.adapters.dimse.ups_scp import EVENT, PULL, PUSH, QUERY, WATCH, UpsScp
from plumbline.adapters.dimse.ups_scu import Dialect, ManagerNode, UpsManager
from plumbline.adapters.dimse.ups_watch import EventReceiver
from plumbline.adapters.spool import Journal
from plumbline.errors import Unavailable
from plumbline.observability.clock import SystemClock
from plumbline.settings import ListenerSettings, Peer
from plumbline.testing import ManualClock, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import element, text
from plumbline.worklist.following import Follower
from plumbline.worklist.foreign import for_creation
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import FILTERED, GLOBAL, Subscription
from tests.integration.ups_work import finished_work
from tests.servers import free_port, listener_settings, run_listener, wait_until

LOCK = "2.25.100"
may_leave_a_socket = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pynetdicom does not close the socket of a connection that was refused."""


class SilentListenerObserver:
    """Sees nothing."""

    def __getattr__(self, _name):
        return lambda *_arguments: None


def reading(number, priority="ROUTINE", name="Äbel^Ada"):
    return reading_workitem(
        invented_ct_study(number),
        TriageDecision(Priority(priority), ("L4-L5: the spacer moved.",)),
        workitem_uid=f"2.25.99{number}",
        scheduled_at=MemoryWorkitems()._now(),
        source=RetrievalSource("ORTHANC"),
        patient_name=name,
    )


@pytest.fixture
def worklist():
    return MemoryWorkitems()


@pytest.fixture
def subscriber_port():
    return free_port()


@pytest.fixture
def settings(subscriber_port):
    return ListenerSettings(
        port=free_port(),
        reserve_bytes=0,
        peers=(
            Peer(ae_title="SCU", addresses=("127.0.0.1",)),
            Peer(ae_title="PLUMBLINE", addresses=("127.0.0.1",)),
            Peer(ae_title="WATCHER", addresses=("127.0.0.1",), port=subscriber_port),
        ),
    )


@pytest.fixture
def listener(settings, worklist, tmp_path):
    journal = Journal(tmp_path / "spool")
    scp = UpsScp(worklist, worklist.store, {"WATCHER"}.__contains__)
    listening = Listener(settings, journal, SilentListenerObserver(), steps=scp)
    listening.start()
    yield listening
    listening.stop()
    journal.close()


@contextmanager
def association(listener, *sop_classes):
    ae = AE("SCU")
    for sop_class in sop_classes or (PUSH, PULL, WATCH, QUERY):
        ae.add_requested_context(sop_class)
    opened = ae.associate("127.0.0.1", listener.port, ae_title="PLUMBLINE")
    assert opened.is_established
    yield opened
    opened.release()


@pytest.fixture
def scu(listener):
    with association(listener) as opened:
        yield opened


def create(scu, number=1, **given):
    status, _ = scu.send_n_create(from_json(for_creation(reading(number, **given))), PUSH, f"2.25.99{number}")
    return status.Status


def act(scu, action, uid="2.25.991", **information):
    sent = Dataset()
    for keyword, value in information.items():
        setattr(sent, keyword, value)
    status, _ = scu.send_n_action(sent or None, action, PUSH, uid, meta_uid=WATCH if action > 1 else PULL)
    return status


def test_every_ups_sop_class_is_accepted(listener):
    ae = AE("SCU")
    ae.requested_contexts = UnifiedProcedurePresentationContexts
    opened = ae.associate("127.0.0.1", listener.port, ae_title="PLUMBLINE")
    assert {str(context.abstract_syntax) for context in opened.accepted_contexts} == {PUSH, PULL, WATCH, QUERY, EVENT}
    opened.release()


def test_a_workitem_is_created_claimed_updated_and_completed(scu, worklist):
    assert create(scu) == 0x0000
    assert create(scu) == Refusal.DUPLICATE.dimse_status
    assert act(scu, 1, ProcedureStepState="IN PROGRESS", TransactionUID=LOCK).Status == 0
    assert act(scu, 1, ProcedureStepState="IN PROGRESS", TransactionUID=LOCK).Status == 0xC302
    assert act(scu, 1, ProcedureStepState="COMPLETED", TransactionUID=LOCK).Status == 0xC304
    assert act(scu, 1, ProcedureStepState="COMPLETED", TransactionUID="2.25.7").Status == 0xC301
    changes = from_json({**finished_work(), tags.TRANSACTION_UID: element("UI", LOCK)})
    assert scu.send_n_set(changes, PUSH, "2.25.991", meta_uid=PULL)[0].Status == 0
    assert act(scu, 1, ProcedureStepState="COMPLETED", TransactionUID=LOCK).Status == 0
    assert act(scu, 1, ProcedureStepState="COMPLETED", TransactionUID=LOCK).Status == 0xB306
    assert scu.send_n_set(changes, PUSH, "2.25.991", meta_uid=PULL)[0].Status == 0xC300
    assert worklist.retrieve("2.25.991").state is State.COMPLETED


def test_what_is_got_is_what_was_given_and_never_the_lock(scu, worklist):
    create(scu)
    act(scu, 1, ProcedureStepState="IN PROGRESS", TransactionUID=LOCK)
    status, found = scu.send_n_get([], PUSH, "2.25.991", meta_uid=PULL)
    assert status.Status == 0
    assert str(found.PatientName) == "Äbel^Ada"
    assert "TransactionUID" not in found
    written, stored = to_json(found), dict(worklist.retrieve("2.25.991").dataset)
    assert written == stored
    status, some = scu.send_n_get([0x00741204, 0x00081195], PUSH, "2.25.991", meta_uid=PULL)
    assert set(to_json(some)) == {"00080005", tags.LABEL}
    assert scu.send_n_get([], PUSH, "2.25.1", meta_uid=PULL)[0].Status == 0xC307


def test_a_search_matches_as_upsrs_does_and_says_what_was_asked_for(listener, scu):
    for number, priority in enumerate(["ROUTINE", "STAT", "URGENT"], start=1):
        create(scu, number, priority=priority, name=f"Patient^{number}")
    identifier = Dataset()
    identifier.ProcedureStepState = "SCHEDULED"
    identifier.ProcedureStepLabel = ""
    request = Dataset()
    request.AccessionNumber = "A0000*"
    identifier.ReferencedRequestSequence = [request]
    for sop_class in (PULL, WATCH, QUERY):
        found = [(s.Status, each) for s, each in scu.send_c_find(identifier, sop_class)]
        assert [each[0] for each in found] == [0xFF00] * 3 + [0]
        labels = [each.ProcedureStepLabel for _, each in found[:3]]
        assert [label.partition(":")[0] for label in labels] == ["STAT", "URGENT", "ROUTINE"]
        assert "PatientName" not in found[0][1]
    identifier.PatientName = "patient^2"
    assert sum(1 for status, _ in scu.send_c_find(identifier, PULL) if status.Status == 0xFF00) == 1


def test_a_search_by_an_attribute_that_is_none_of_a_workitem_says_so(scu):
    create(scu)
    identifier = Dataset()
    identifier.ProcedureStepState = "SCHEDULED"
    identifier.KVP = "120"
    assert [status.Status for status, _ in scu.send_c_find(identifier, PULL)] == [0xFF01, 0x0000]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"InputReadinessState": "SOON"}, 0x0106),
        ({"ProcedureStepLabel": None}, 0x0120),
        ({"ProcedureStepLabel": ""}, 0x0121),
        ({"ProcedureStepState": "IN PROGRESS"}, 0xC309),
        ({"TransactionUID": "2.25.5"}, 0x0105),
    ],
)
def test_a_wrong_workitem_is_refused_with_the_standards_status_and_a_sentence(scu, worklist, change, status):
    dataset = from_json(for_creation(reading(1)))
    for keyword, value in change.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    answer, _ = scu.send_n_create(dataset, PUSH, "2.25.991")
    assert answer.Status == status
    assert 0 < len(answer.ErrorComment) <= 64
    with pytest.raises(WorkitemInvalid):
        worklist.retrieve("2.25.991")


def test_an_unreadable_dataset_disturbs_nothing_else(scu):
    broken = from_json(for_creation(reading(1)))
    broken.add_new(0x00404005, "LO", "not a moment")
    assert scu.send_n_create(broken, PUSH, "2.25.991")[0].Status == Refusal.INVALID_VALUE.dimse_status
    assert create(scu) == 0


def test_an_unknown_action_and_an_unsuitable_one_are_refused(scu):
    create(scu)
    assert act(scu, 9).Status == 0x0123
    assert act(scu, 5, ReceivingAE="WATCHER").Status == 0xC314
    assert act(scu, 3, ReceivingAE="STRANGER", DeletionLock="FALSE").Status == 0xC308
    assert act(scu, 3, "2.25.1", ReceivingAE="WATCHER", DeletionLock="FALSE").Status == 0xC307
    assert act(scu, 3, ReceivingAE="WATCHER", DeletionLock="PERHAPS").Status == 0x0106


@contextmanager
def watcher(port, heard):
    """pynetdicom as subscriber: an SCU of the Event class that accepts associations."""

    def on_event(event):
        heard.append((event.event_type, str(event.request.AffectedSOPInstanceUID), event.event_information))
        return 0x0000, None

    ae = AE("WATCHER")
    ae.add_supported_context(EVENT, scu_role=False, scp_role=True)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)])
    try:
        yield
    finally:
        server.shutdown()


@may_leave_a_socket
def test_a_subscriber_hears_every_event_in_order_also_those_while_it_was_away(scu, worklist, settings, subscriber_port):
    heard = []
    assert act(scu, 3, GLOBAL, ReceivingAE="WATCHER", DeletionLock="FALSE").Status == 0
    create(scu)
    act(scu, 1, ProcedureStepState="IN PROGRESS", TransactionUID=LOCK)
    act(scu, 2, ReasonForCancellation="Not needed")
    sender = EventSender(settings, settings.peers[2], worklist.store, SystemClock().now)
    with pytest.raises(Unavailable):
        sender.tell_waiting()
    assert len(worklist.store.pending("WATCHER", limit=9)) == 3
    with watcher(subscriber_port, heard):
        assert sender.tell_waiting() == 3
        assert sender.tell_waiting() == 0
    states = [each[2].get("ProcedureStepState") for each in heard]
    assert states == ["SCHEDULED", "IN PROGRESS", None]
    assert (heard[2][0], heard[2][2].ReasonForCancellation, heard[2][2].RequestingAE) == (2, "Not needed", "SCU")
    assert {uid for _, uid, _ in heard} == {"2.25.991"}


@may_leave_a_socket
def test_of_several_processes_one_at_a_time_tells_a_subscriber(settings, subscriber_port):
    clock = ManualClock()
    worklist, heard = MemoryWorkitems(clock), []
    first, second = (EventSender(settings, settings.peers[2], worklist.store, clock.now) for _ in range(2))
    worklist.store.subscribe(Subscription("WATCHER", GLOBAL))
    with watcher(subscriber_port, heard):
        worklist.create(for_creation(reading(1)), workitem_uid="2.25.991")
        assert first.tell_waiting() == 1
        worklist.create(for_creation(reading(2)), workitem_uid="2.25.992")
        with pytest.raises(NotOurTurn):
            second.tell_waiting()
        first.give_up_turn()
        assert second.tell_waiting() == 1
        worklist.create(for_creation(reading(3)), workitem_uid="2.25.993")
        with pytest.raises(NotOurTurn):
            first.tell_waiting()
        clock.advance(3600)  # its process was lost
        assert first.tell_waiting() == 1
    assert [uid for _, uid, _ in heard] == ["2.25.991", "2.25.992", "2.25.993"]


def test_a_filtered_subscription_is_for_what_matches(scu, worklist):
    keys = {"ScheduledProcedureStepPriority": "HIGH"}
    assert act(scu, 3, FILTERED, ReceivingAE="WATCHER", DeletionLock="FALSE", **keys).Status == 0
    assert act(scu, 3, GLOBAL, ReceivingAE="WATCHER", DeletionLock="FALSE", **keys).Status == 0xC314
    create(scu, 1, priority="ROUTINE")
    create(scu, 2, priority="STAT")
    waiting = worklist.store.pending("WATCHER", limit=9)
    assert [event.report.workitem_uid for event in waiting] == ["2.25.992"]
    assert act(scu, 5, FILTERED, ReceivingAE="WATCHER").Status == 0
    assert act(scu, 4, "2.25.992", ReceivingAE="WATCHER").Status == 0
    assert act(scu, 4, "2.25.992", ReceivingAE="WATCHER").Status == 0xC307


@pytest.fixture(params=list(Dialect))
def manager(request, listener):
    return UpsManager(ManagerNode("PLUMBLINE", "127.0.0.1", listener.port, request.param), "SCU")


def test_our_user_drives_a_workitem_at_a_foreign_manager(manager, worklist):
    manager.put("2.25.991", reading(1))
    manager.put("2.25.991", reading(1, "STAT"))
    assert text(worklist.retrieve("2.25.991").dataset, tags.PRIORITY) == "HIGH"
    found = manager.search({tags.STATE: element("CS", "SCHEDULED"), tags.SOP_INSTANCE_UID: element("UI")})
    assert [text(each, tags.SOP_INSTANCE_UID) for each in found] == ["2.25.991"]
    manager.change_state("2.25.991", State.IN_PROGRESS, transaction_uid=LOCK)
    with pytest.raises(WorkitemConflict) as caught:
        manager.change_state("2.25.991", State.IN_PROGRESS, transaction_uid="2.25.7")
    assert caught.value.reason is Refusal.WRONG_TRANSACTION_UID
    manager.update("2.25.991", finished_work(), transaction_uid=LOCK)
    manager.change_state("2.25.991", State.COMPLETED, transaction_uid=LOCK)
    assert text(manager.retrieve("2.25.991"), tags.STATE) == "COMPLETED"


def test_our_user_cancels_and_says_what_is_refused(manager, worklist):
    manager.create("2.25.991", reading(1))
    manager.request_cancel("2.25.991", reason="Superseded")
    assert worklist.retrieve("2.25.991").state is State.CANCELED
    with pytest.raises(WorkitemInvalid):
        manager.retrieve("2.25.1")


def test_our_user_watches_and_looks(manager, worklist):
    manager.create("2.25.991", reading(1))
    with pytest.raises(WorkitemInvalid) as caught:
        manager.subscribe("2.25.991")
    assert caught.value.reason is Refusal.UNKNOWN_RECEIVER  # it says so itself: nobody knows where SCU listens
    watching = UpsManager(manager._node, "WATCHER")
    watching.subscribe(GLOBAL, deletion_lock=True)
    watching.subscribe("2.25.991")
    watching.subscribe(FILTERED, keys={tags.PRIORITY: element("CS", "HIGH")})
    watching.suspend(FILTERED)
    watching.unsubscribe("2.25.991")
    with pytest.raises(WorkitemInvalid):
        watching.unsubscribe("2.25.991")
    looked_for = {tags.PRIORITY: element("CS", "LOW"), tags.SOP_INSTANCE_UID: element("UI")}
    assert [text(each, tags.SOP_INSTANCE_UID) for each in manager.look(looked_for)] == ["2.25.991"]
    states = [int(each.report.event_type) for each in worklist.store.pending("WATCHER", limit=9)]
    assert states == [1, 1]


@contextmanager
def following(tmp_path, port, worklist, managers):
    """A listener of ours that takes event reports of these managers; yields who has which reading."""
    readers = DatabaseReaders(open_store(f"sqlite:///{tmp_path / 'ours.sqlite'}"), SystemClock())
    follower = Follower(worklist, readers, SystemClock().now)
    journal = Journal(tmp_path / "ours")
    settings = ListenerSettings(
        ae_title="OURS", port=port, reserve_bytes=0, peers=(Peer(ae_title="PLUMBLINE", addresses=("127.0.0.1",)),)
    )
    scp = UpsScp(worklist, worklist.store, bool)
    reports = EventReceiver(follower, managers)
    listening = Listener(settings, journal, SilentListenerObserver(), steps=scp, reports=reports)
    listening.start()
    try:
        yield readers
    finally:
        listening.stop()
        journal.close()


@may_leave_a_socket
@pytest.mark.parametrize(("managers", "state"), [({"PLUMBLINE"}, State.COMPLETED), (set(), State.SCHEDULED)])
def test_what_becomes_of_a_reading_at_a_foreign_manager_is_taken_over(
    tmp_path, scu, worklist, settings, subscriber_port, managers, state
):
    ours = MemoryWorkitems(SystemClock())
    report = StoredObject("2.25.771", "2.25.771.9", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.8")
    for desk in (ours, worklist):
        desk.upsert_reading("2.25.991", "2.25.771", {**reading(1), **_output(report)})
    peer = Peer(ae_title="OURS", addresses=("127.0.0.1",), port=subscriber_port)
    sender = EventSender(settings, peer, worklist.store, SystemClock().now)
    worklist.store.subscribe(Subscription("OURS", "2.25.991"))
    with following(tmp_path, subscriber_port, ours, managers) as readers:
        act(scu, 1, ProcedureStepState="IN PROGRESS", TransactionUID=LOCK)
        changes = from_json({**finished_work(), tags.TRANSACTION_UID: element("UI", LOCK)})
        scu.send_n_set(changes, PUSH, "2.25.991", meta_uid=PULL)
        assert act(scu, 1, ProcedureStepState="COMPLETED", TransactionUID=LOCK).Status == 0
        if managers:
            assert sender.tell_waiting() == 3
            assert readers.claim_of("2.25.991").reader == "PLUMBLINE"
        else:
            with pytest.raises(Unavailable):
                sender.tell_waiting()
    assert ours.retrieve("2.25.991").state is state


def _output(report):
    with_report = reading_workitem(
        invented_ct_study(1),
        TriageDecision(Priority.ROUTINE, ("x",)),
        workitem_uid="2.25.991",
        scheduled_at=SystemClock().now(),
        source=RetrievalSource("ORTHANC"),
        report=report,
    )
    return {tags.PERFORMED: with_report[tags.PERFORMED]}


@may_leave_a_socket
def test_a_manager_that_is_away_is_unavailable():
    with pytest.raises(Unavailable):
        UpsManager(ManagerNode("NOBODY", "127.0.0.1", free_port()), "SCU").put("2.25.991", reading(1))


def test_images_and_workitems_come_on_one_association(listener, tmp_path):
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID, image.PatientID = generate_uid(), generate_uid(), "P"
    with association(listener, PUSH, PULL, "1.2.840.10008.5.1.4.1.1.7") as scu:
        for number in (1, 2):
            image.SOPInstanceUID = generate_uid()
            image.ensure_file_meta()
            image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
            assert scu.send_c_store(image).Status == 0
            assert create(scu, number) == 0
            time.sleep(0.05)


def test_roles_of_an_event_association_are_negotiated(settings, worklist, subscriber_port):
    asked = []
    ae = AE("WATCHER")
    ae.add_supported_context(EVENT, scu_role=False, scp_role=True)
    handlers = [
        (evt.EVT_REQUESTED, lambda event: asked.append(event.assoc.requestor.role_selection)),
        (evt.EVT_N_EVENT_REPORT, lambda _event: (0x0000, None)),
    ]
    server = ae.start_server(("127.0.0.1", subscriber_port), block=False, evt_handlers=handlers)
    worklist.create(for_creation(reading(1)), workitem_uid="2.25.991")
    worklist.store.subscribe(Subscription("WATCHER", "2.25.991"))
    EventSender(settings, settings.peers[2], worklist.store, SystemClock().now).tell_waiting()
    server.shutdown()
    assert build_role(EVENT, scp_role=True).scp_role == asked[0][EVENT].scp_role


def test_the_listener_process_tells_a_subscriber_at_once(tmp_path, subscriber_port):
    peers = [
        {"ae_title": "SCU", "addresses": ["127.0.0.1"]},
        {"ae_title": "WATCHER", "addresses": ["127.0.0.1"], "port": subscriber_port},
    ]
    heard = []
    with run_listener(tmp_path, listener_settings(tmp_path, peers=peers)) as process:
        ae = AE("SCU")
        for sop_class in (PUSH, PULL, WATCH):
            ae.add_requested_context(sop_class)
        scu = ae.associate("127.0.0.1", process.settings.listener.port, ae_title="PLUMBLINE")
        with watcher(subscriber_port, heard):
            assert act(scu, 3, GLOBAL, ReceivingAE="WATCHER", DeletionLock="FALSE").Status == 0
            for number in range(1, 6):
                assert create(scu, number) == 0
                wait_until(lambda wanted=number: len(heard) == wanted, "the subscriber hears of the workitem")
        scu.release()
    assert [uid for _, uid, _ in heard] == [f"2.25.99{number}" for number in range(1, 6)]
