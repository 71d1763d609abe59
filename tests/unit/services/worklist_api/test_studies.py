"""``/api/studies`` on a real store: what an operator reads of a study, and what comes of their word."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.studies import DatabaseStudies
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import Location, ReceivedInstance
from plumbline.pipeline.studies import StudyCount
from plumbline.testing import ManualClock, MemoryExamResults, MemoryWorkitems
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context

STUDY = "2.25.1"
WORD = {"by": "A. Operator", "reason": "nothing more will come"}


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(tmp_path, clock):
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    patient = PatientIdentity("SECRET-ID")
    here = Location("s", 1, 1)
    received = ReceivedInstance("1.1", "1.2", "1.2", STUDY, "2.25.2", patient, "0" * 64, here, "CT1", clock.now())
    DatabaseInstanceIndex(store).record([received])
    yield store
    store.engine.dispose()


@pytest.fixture
def client(store, clock):
    worklist = MemoryWorkitems(clock)
    context = Context(worklist, worklist.store, MemoryExamResults(), clock.now, {}, studies=DatabaseStudies(store))
    with TestClient(serve(context)) as client:
        yield client


def test_a_study_that_waits_says_for_what_and_since_when_and_nothing_of_the_patient(client, store, clock):
    count = StudyCount(STUDY, 1, 3, 2, 0, "1 of 3 instances held, 2 missing; waiting for the sender.")
    DatabaseStudies(store).counted(count, clock.now())
    began = clock.now()
    clock.advance(60)
    DatabaseStudies(store).counted(count, clock.now())
    told = client.get(f"/api/studies/{STUDY}").json()
    assert (told["state"], told["held"], told["listed"], told["missing"]) == ("receiving", 1, 3, 2)
    assert told["since"].rstrip("Z") == began.isoformat().removesuffix("+00:00")
    assert told["reason"] == count.sentence
    listed = client.get("/api/studies?waiting=true")
    assert [each["study_instance_uid"] for each in listed.json()["studies"]] == [STUDY]
    assert "SECRET-ID" not in listed.text


def test_a_word_is_kept_with_who_and_why_and_the_study_is_counted_again(client, store, clock):
    DatabaseExams(store).stop_counting(STUDY, instance_count=1)
    answer = client.post(f"/api/studies/{STUDY}/complete", json=WORD)
    assert answer.status_code == 202
    (declared,) = answer.json()["declarations"]
    assert {key: declared[key] for key in ("by", "reason", "revision")} == {**WORD, "revision": None}
    assert DatabaseExams(store).quiet_since(clock.now()) == [STUDY]


@pytest.mark.parametrize("word", [{}, {"by": "A. Operator"}, {**WORD, "reason": "  "}, {**WORD, "by": "x" * 200}])
def test_a_word_without_who_and_why_is_refused(client, word):
    assert client.post(f"/api/studies/{STUDY}/complete", json=word).status_code == 400


def test_a_study_that_is_complete_needs_no_word(client, store, clock):
    DatabaseExams(store).begin_revision(STUDY, digest="d", instance_count=1, completed_at=clock.now())
    assert client.post(f"/api/studies/{STUDY}/complete", json=WORD).status_code == 409


def test_a_study_that_is_not_held_is_not_there(client):
    assert client.get("/api/studies/2.25.404").status_code == 404
    assert client.post("/api/studies/2.25.404/complete", json=WORD).status_code == 404


def test_pages_of_studies_say_whether_there_are_more(client):
    assert client.get("/api/studies?limit=1").json()["has_more"] is False
    assert client.get("/api/studies?limit=1&offset=1").json()["studies"] == []
