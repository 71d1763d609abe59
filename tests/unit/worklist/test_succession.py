"""Readings that were finished before the exam had said all are followed by another, and only then."""

import pytest

from plumbline.testing import ManualClock, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import element, items, text
from plumbline.worklist.matching import Query
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem
from plumbline.worklist.states import State
from plumbline.worklist.succession import successor_uid
from tests.integration.ups_work import finished_work

UID, LOCK = "2.25.991", "2.25.100"
NEXT = successor_uid(UID)


@pytest.fixture
def worklist():
    return MemoryWorkitems()


def put(worklist, priority="ROUTINE", instances=3, report=None, references=()):
    dataset = reading_workitem(
        invented_ct_study(1, instance_count=instances),
        TriageDecision(Priority(priority), ("x",)),
        workitem_uid=UID,
        scheduled_at=ManualClock().now(),
        source=RetrievalSource("ORTHANC", "http://127.0.0.1/dicom-web"),
        report=report,
        references=references,
    )
    worklist.upsert_reading(UID, "2.25.771", dataset)


def finish(worklist, uid=UID):
    worklist.change_state(uid, State.IN_PROGRESS, transaction_uid=LOCK)
    worklist.update(uid, finished_work(), transaction_uid=LOCK)
    worklist.change_state(uid, State.COMPLETED, transaction_uid=LOCK)


def uids(worklist):
    return {found.workitem_uid for found in worklist.search(Query()).workitems}


def test_a_finished_reading_stays_and_nothing_follows_where_there_is_no_more_to_say(worklist):
    put(worklist, "URGENT")
    finish(worklist)
    before = worklist.retrieve(UID)
    put(worklist, "URGENT")
    put(worklist, "ROUTINE")
    put(
        worklist,
        "URGENT",
        report=StoredObject("2.25.771", "2.25.8", "1.2", "2.25.9"),
        references=[invented_ct_study(2)],
    )
    assert uids(worklist) == {UID}
    assert worklist.retrieve(UID) == before
    assert worklist.current(UID) == before


@pytest.mark.parametrize("more", [{"priority": "STAT"}, {"instances": 4}])
def test_more_images_or_more_urgency_are_told_in_a_new_one_that_names_the_finished(worklist, more):
    put(worklist, "URGENT")
    finish(worklist)
    before = worklist.retrieve(UID)
    put(worklist, **{"priority": "URGENT", **more})
    following = worklist.retrieve(NEXT)
    assert worklist.retrieve(UID) == before
    assert following.state is State.SCHEDULED
    (replaced,) = items(following.dataset, tags.REPLACED_PROCEDURE_STEP)
    assert text(replaced, "00081155") == UID
    assert text(following.dataset, tags.SOP_INSTANCE_UID) == NEXT
    assert worklist.current(UID).workitem_uid == NEXT


def test_a_repeat_makes_no_second_one_and_refines_the_new_one(worklist):
    put(worklist)
    finish(worklist)
    put(worklist, "STAT")
    put(worklist, "STAT")
    put(worklist, "URGENT")
    assert uids(worklist) == {UID, NEXT}
    assert text(worklist.retrieve(NEXT).dataset, tags.PRIORITY) == "MEDIUM"
    assert items(worklist.retrieve(NEXT).dataset, tags.REPLACED_PROCEDURE_STEP)


def test_a_chain_goes_on(worklist):
    put(worklist)
    finish(worklist)
    put(worklist, "URGENT")
    finish(worklist, NEXT)
    put(worklist, "STAT")
    assert uids(worklist) == {UID, NEXT, successor_uid(NEXT)}
    assert worklist.current(UID).workitem_uid == successor_uid(NEXT)


def test_what_turns_out_not_to_be_a_reading_is_cancelled_with_the_coded_reason(worklist):
    put(worklist)
    worklist.cancel(UID, reason="It is a chest CT.")
    (progress,) = items(worklist.retrieve(UID).dataset, tags.PROGRESS_INFORMATION)
    (code,) = items(progress, tags.DISCONTINUATION_REASON)
    assert (text(code, tags.CODE_VALUE), text(code, "00080102")) == ("110514", "DCM")
    assert text(progress, tags.REASON_FOR_CANCELLATION) == "It is a chest CT."


def test_the_last_of_the_chain_is_cancelled(worklist):
    put(worklist)
    finish(worklist)
    put(worklist, "STAT")
    worklist.cancel(UID, reason="It is a chest CT.")
    assert worklist.retrieve(NEXT).state is State.CANCELED
    assert worklist.retrieve(UID).state is State.COMPLETED


def test_a_revision_takes_the_priority_back(worklist):
    put(worklist, "STAT")
    put(worklist, "ROUTINE", instances=4)
    found = worklist.retrieve(UID).dataset
    assert text(found, tags.PRIORITY) == "LOW"
    assert text(found, tags.LABEL) == "ROUTINE: x"


def test_inputs_say_where_they_can_be_had_both_ways(worklist):
    put(worklist)
    (series,) = items(worklist.retrieve(UID).dataset, tags.INPUTS)
    assert text(items(series, "0040E021")[0], "00080054") == "ORTHANC"
    url = text(items(series, "0040E025")[0], "00081190")
    assert url == "http://127.0.0.1/dicom-web/studies/2.25.771/series/2.25.771.1"


def test_a_workitem_of_others_can_be_current_too(worklist):
    put(worklist)
    assert worklist.current(UID).dataset[tags.STATE] == element("CS", "SCHEDULED")
