"""Workitems driven at random over UPS-RS and over DICOM at once, compared with the Standard's table at every step.

Each request goes over the face that was drawn; the model keeps a state and a lock for each workitem. What one
face stored, the other has to show.
"""

import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydicom.dataset import Dataset
from pynetdicom import AE

from plumbline.adapters.dimse.dicom_json import from_json
from plumbline.adapters.dimse.listener import Listener
from plumbline.adapters.dimse.ups_scp import PULL, PUSH, WATCH, UpsScp
from plumbline.adapters.spool import Journal
from plumbline.settings import ListenerSettings, Peer
from plumbline.testing import ManualClock, MemoryExamResults, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import element
from plumbline.worklist.foreign import for_creation
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.refusals import Refusal
from plumbline.worklist.states import TRANSITIONS, Change, Event, Keep, State
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context
from services.worklist_api.ups.statuses import STATUS_BY_TRANSACTION, STATUS_OF_REFUSAL, Transaction
from tests.integration.ups_work import finished_work
from tests.servers import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

UIDS = st.sampled_from(["2.25.991", "2.25.992"])
LOCKS = st.sampled_from(["2.25.100", "2.25.200"])
FACES = st.sampled_from(["dimse", "web"])
WEB = "/dicom-web/workitems"


class SilentListenerObserver:
    """Sees nothing."""

    def __getattr__(self, _name):
        return lambda *_arguments: None


class BothFaces:
    """One worklist behind the listener and the API; each answer is a DIMSE status or an HTTP status."""

    def __init__(self):
        self.clock = ManualClock()
        self.worklist = MemoryWorkitems(self.clock)
        self._folder = tempfile.TemporaryDirectory()
        self._journal = Journal(Path(self._folder.name) / "spool")
        peers = (Peer(ae_title="SCU", addresses=("127.0.0.1",)),)
        listening = ListenerSettings(port=free_port(), reserve_bytes=0, drain_s=1, peers=peers)
        scp = UpsScp(self.worklist, self.worklist.store, {"SCU"}.__contains__)
        self._listener = Listener(listening, self._journal, SilentListenerObserver(), steps=scp)
        self._listener.start()
        context = Context(self.worklist, self.worklist.store, MemoryExamResults(), self.clock.now, {})
        self.web = TestClient(serve(context), raise_server_exceptions=False)
        ae = AE("SCU")
        for sop_class in (PUSH, PULL, WATCH):
            ae.add_requested_context(sop_class)
        self.scu = ae.associate("127.0.0.1", self._listener.port, ae_title="PLUMBLINE")
        assert self.scu.is_established

    def close(self):
        self.scu.release()
        self._listener.stop()
        self._journal.close()
        self._folder.cleanup()

    def create(self, face, uid):
        study = invented_ct_study(int(uid[-1]))
        decision = TriageDecision(Priority.URGENT, ("x",))
        dataset = reading_workitem(
            study, decision, workitem_uid=uid, scheduled_at=self.clock.now(), source=RetrievalSource()
        )
        dataset = for_creation(dataset)
        if face == "web":
            return self.web.post(WEB, params={uid: ""}, json=dataset).status_code
        return self.scu.send_n_create(from_json(dataset), PUSH, uid)[0].Status

    def change_state(self, face, uid, state, lock):
        information = {tags.TRANSACTION_UID: element("UI", lock), tags.STATE: element("CS", state)}
        if face == "web":
            return self.web.put(f"{WEB}/{uid}/state", json=information).status_code
        return self._act(uid, 1, from_json(information), PULL)

    def request_cancel(self, face, uid):
        if face == "web":
            return self.web.post(f"{WEB}/{uid}/cancelrequest").status_code
        return self._act(uid, 2, None, WATCH)

    def update(self, face, uid, lock):
        if face == "web":
            where = {} if lock is None else {"transaction-uid": lock}
            return self.web.post(f"{WEB}/{uid}", params=where, json=finished_work()).status_code
        given = {} if lock is None else {tags.TRANSACTION_UID: element("UI", lock)}
        return self.scu.send_n_set(from_json({**finished_work(), **given}), PUSH, uid, meta_uid=PULL)[0].Status

    def state(self, face, uid):
        if face == "web":
            answer = self.web.get(f"{WEB}/{uid}")
            return answer.json()[0][tags.STATE]["Value"][0] if answer.status_code == 200 else None
        status, found = self.scu.send_n_get([0x00741000], PUSH, uid, meta_uid=PULL)
        return found.ProcedureStepState if status.Status == 0 else None

    def _act(self, uid, action, information: Dataset | None, context):
        return self.scu.send_n_action(information, action, PUSH, uid, meta_uid=context)[0].Status


def expected_status(face, outcome, transaction):
    """The status that a face has to answer with for an outcome of the table."""
    if isinstance(outcome, Refusal):
        if face == "dimse":
            return outcome.dimse_status
        return STATUS_BY_TRANSACTION.get((transaction, outcome), STATUS_OF_REFUSAL.get(outcome, 400))
    if face == "dimse":
        notice = outcome.notice if isinstance(outcome, Keep) else None
        return notice.dimse_status if notice else 0
    return {Transaction.CREATE: 201, Transaction.REQUEST_CANCEL: 202}.get(transaction, 200)


class BothFacesMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.faces = BothFaces()
        self.states: dict[str, State] = {}
        self.locks: dict[str, str] = {}
        self.has_worked: set[str] = set()

    def teardown(self):
        self.faces.close()

    def judge(self, face, uid, event, transaction, answered, *, final_needs_work=False):
        self.faces.clock.advance(1)
        outcome = TRANSITIONS[event, self.states.get(uid)]
        if isinstance(outcome, Change) and final_needs_work and not self._is_ready(uid, outcome.to):
            outcome = Refusal.FINAL_STATE_NOT_MET
        assert answered == expected_status(face, outcome, transaction), (event, self.states.get(uid), outcome)
        if isinstance(outcome, Change):
            self.states[uid] = outcome.to
        return isinstance(outcome, Change)

    def _is_ready(self, uid, state):
        return state is State.COMPLETED and uid in self.has_worked

    @rule(face=FACES, uid=UIDS)
    def create(self, face, uid):
        answered = self.faces.create(face, uid)
        if answered == 0xB300:
            answered = 0  # created with attributes added
        self.judge(face, uid, Event.CREATE, Transaction.CREATE, answered)

    @rule(face=FACES, uid=UIDS, lock=LOCKS)
    def claim(self, face, uid, lock):
        is_correct = self.locks.get(uid, lock) == lock
        event = Event.CLAIM if is_correct else Event.CLAIM_WITHOUT_LOCK
        answered = self.faces.change_state(face, uid, "IN PROGRESS", lock)
        if self.judge(face, uid, event, Transaction.CHANGE_STATE, answered):
            self.locks[uid] = lock

    @rule(face=FACES, uid=UIDS, lock=LOCKS, is_completed=st.booleans())
    def close(self, face, uid, lock, is_completed):
        is_correct = self.locks.get(uid, lock) == lock
        pair = (
            (Event.COMPLETE, Event.COMPLETE_WITHOUT_LOCK) if is_completed else (Event.CANCEL, Event.CANCEL_WITHOUT_LOCK)
        )
        answered = self.faces.change_state(face, uid, "COMPLETED" if is_completed else "CANCELED", lock)
        event = pair[0 if is_correct else 1]
        self.judge(face, uid, event, Transaction.CHANGE_STATE, answered, final_needs_work=True)

    @rule(face=FACES, uid=UIDS, lock=st.none() | LOCKS)
    def update(self, face, uid, lock):
        held = self.locks.get(uid)
        event = (
            Event.UPDATE_WITHOUT_UID if lock is None else Event.UPDATE if lock == held else Event.UPDATE_WITHOUT_LOCK
        )
        answered = self.faces.update(face, uid, lock)
        self.judge(face, uid, event, Transaction.UPDATE, answered)
        if answered in (0, 200):
            self.has_worked.add(uid)

    @rule(face=FACES, uid=UIDS)
    def schedule_again(self, face, uid):
        answered = self.faces.change_state(face, uid, "SCHEDULED", "2.25.100")
        self.judge(face, uid, Event.SCHEDULE, Transaction.CHANGE_STATE, answered)

    @rule(face=FACES, uid=UIDS)
    def request_cancel(self, face, uid):
        answered = self.faces.request_cancel(face, uid)
        self.judge(face, uid, Event.REQUEST_CANCEL, Transaction.REQUEST_CANCEL, answered)

    @invariant()
    def both_faces_show_the_state_of_the_model(self):
        for uid in ("2.25.991", "2.25.992"):
            expected = self.states.get(uid)
            assert self.faces.state("web", uid) == self.faces.state("dimse", uid) == expected


BothFacesMachine.TestCase.settings = settings(
    max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestBothFaces = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")(BothFacesMachine.TestCase)
