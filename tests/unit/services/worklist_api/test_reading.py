"""Claiming and judging on the real store: what the state machine allows, and what is kept."""

from types import SimpleNamespace

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.readers import DatabaseReaders, Opinion
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.anatomy.landmarks import Landmark
from plumbline.errors import Conflict
from plumbline.testing import ManualClock, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem
from plumbline.worklist.refusals import WorkitemConflict
from plumbline.worklist.states import State
from services.worklist_api.readers import reading

WORKITEM = "2.25.91"
REPORT = StoredObject("2.25.771", "2.25.8", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.9")


@pytest.fixture
def desk(tmp_path):
    store, clock = open_store(f"sqlite:///{tmp_path}/desk.sqlite"), ManualClock()
    yield SimpleNamespace(
        worklist=DatabaseWorkitems(store, clock), readers=DatabaseReaders(store, clock), clock=clock, now=clock.now
    )
    store.engine.dispose()


def put(desk, report=REPORT):
    study = invented_ct_study(1)
    decision = TriageDecision(Priority.STAT, ("It lies elsewhere.",))
    source = RetrievalSource("ORTHANC")
    dataset = reading_workitem(
        study, decision, workitem_uid=WORKITEM, scheduled_at=desk.now(), source=source, report=report
    )
    desk.worklist.upsert_reading(WORKITEM, study.study_instance_uid, dataset)


def opinion(desk, reader="Ada", *, agrees=True, reason=""):
    return Opinion(1, reader, agrees, reason, desk.now())


def performed(desk):
    return desk.worklist.retrieve(WORKITEM).dataset["00741216"]["Value"][0]


def test_a_claim_names_its_reader_and_keeps_the_report(desk):
    put(desk)
    reading.claim(desk, desk, WORKITEM, "Ada")
    assert performed(desk)["00404035"]["Value"][0]["00404037"]["Value"] == [{"Alphabetic": "Ada"}]
    assert "2.25.9" in str(performed(desk)["00404033"])


def test_a_second_claim_is_refused(desk):
    put(desk)
    reading.claim(desk, desk, WORKITEM, "Ada")
    with pytest.raises(WorkitemConflict):
        reading.claim(desk, desk, WORKITEM, "Bob")
    assert desk.readers.claim_of(WORKITEM).reader == "Ada"


def test_an_opinion_finishes_the_reading_and_is_told_in_it(desk):
    put(desk)
    reading.claim(desk, desk, WORKITEM, "Ada")
    reading.complete(desk, desk, WORKITEM, opinion(desk, agrees=False, reason="It is a clip."))
    assert desk.worklist.retrieve(WORKITEM).state is State.COMPLETED
    assert performed(desk)["00400280"]["Value"] == ["The reader disagrees with the result of revision 1. It is a clip."]


def test_nobody_finishes_what_somebody_else_has_or_what_was_not_claimed_here(desk):
    put(desk)
    with pytest.raises(Conflict, match="not claimed here"):
        reading.complete(desk, desk, WORKITEM, opinion(desk))
    reading.claim(desk, desk, WORKITEM, "Ada")
    with pytest.raises(Conflict, match="somebody else"):
        reading.complete(desk, desk, WORKITEM, opinion(desk, "Bob"))


def test_without_a_report_a_reading_is_not_finished_yet(desk):
    put(desk, report=None)
    reading.claim(desk, desk, WORKITEM, "Ada")
    with pytest.raises(WorkitemConflict, match="OutputInformationSequence"):
        reading.complete(desk, desk, WORKITEM, opinion(desk))
    assert desk.worklist.retrieve(WORKITEM).state is State.IN_PROGRESS


def test_a_session_is_known_by_its_secret_until_it_ends(desk):
    token = desk.readers.begin_session("Ada")
    assert desk.readers.reader_of(token) == "Ada"
    assert desk.readers.reader_of(token + "x") is None
    desk.readers.end_session(token)
    assert desk.readers.reader_of(token) is None


def test_of_a_landmark_the_last_place_counts_and_a_removed_one_is_gone(desk):
    def placed(column, row, name="S1 superior endplate anterior"):
        return Landmark("2.25.2", "2.25.3", name, column, row, "Ada", desk.now())

    desk.readers.set_landmark("2.25.1", placed(10.0, 20.0))
    desk.readers.set_landmark("2.25.1", placed(11.0, 21.0))
    desk.readers.set_landmark("2.25.1", placed(5.0, 6.0, "left femoral head centre"))
    desk.readers.remove_landmark("2.25.1", placed(5.0, 6.0, "left femoral head centre"))
    (left,) = desk.readers.landmarks("2.25.1")
    assert (left.column, left.row, left.author) == (11.0, 21.0, "Ada")
