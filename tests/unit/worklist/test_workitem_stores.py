"""The contract of ``WorkitemStore`` and of the port ``Workitems``, on the shipped store and on the real one."""

import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete, event

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.subscriptions import note_change
from plumbline.adapters.database.tables import WorkitemRow
from plumbline.adapters.database.workitems import DatabaseWorkitemStore
from plumbline.testing import ManualClock, MemoryWorkitemStore, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import element, sequence, text
from plumbline.worklist.desk import Worklist
from plumbline.worklist.matching import Query, search_key
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.rendering import rendered
from plumbline.worklist.states import State
from plumbline.worklist.workitem import Workitem
from tests.postgresql import ONLY_ON_FILES


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryWorkitemStore()
        return
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield DatabaseWorkitemStore(opened, ManualClock())
    opened.engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def worklist(store, clock) -> Worklist:
    return Worklist(store, clock.now)


def reading(number: int, clock: ManualClock, priority: str = "ROUTINE", reason: str = "In turn.") -> dict:
    return reading_workitem(
        invented_ct_study(number),
        TriageDecision(Priority(priority), (reason,)),
        workitem_uid=f"2.25.99{number}",
        scheduled_at=clock.now(),
        source=RetrievalSource("ORTHANC"),
    )


def put(worklist: Worklist, number: int, clock: ManualClock, priority: str = "ROUTINE") -> str:
    uid = f"2.25.99{number}"
    worklist.upsert_reading(uid, f"2.25.77{number}", reading(number, clock, priority))
    clock.advance(60)
    return uid


def claim(store, uid: str, transaction_uid: str = "2.25.1") -> Workitem:
    found = store.get(uid)
    dataset = {**found.dataset, tags.STATE: element("CS", "IN PROGRESS")}
    claimed = Workitem(uid, dataset, found.created_at, found.updated_at, transaction_uid, found.version)
    assert store.replace(found, claimed)
    return store.get(uid)


def found_uids(page) -> list[str]:
    return [found.workitem_uid for found in page.workitems]


def test_a_stored_workitem_comes_back_as_it_was(store, worklist, clock):
    uid = put(worklist, 1, clock)
    found = store.get(uid)
    assert found.dataset == reading(1, ManualClock())
    assert found.created_at == found.updated_at == clock.now() - timedelta(seconds=60)
    assert (found.state, found.priority_rank, found.study_instance_uid) == (State.SCHEDULED, 2, "2.25.771")


def test_an_unknown_workitem_is_an_error(store):
    with pytest.raises(WorkitemInvalid) as caught:
        store.get("2.25.5")
    assert caught.value.reason is Refusal.NO_SUCH_WORKITEM


def test_a_uid_can_be_added_once(store, worklist, clock):
    found = store.get(put(worklist, 1, clock))
    with pytest.raises(WorkitemConflict) as caught:
        store.add(found)
    assert caught.value.reason is Refusal.DUPLICATE


def test_search_is_in_reading_order(worklist, clock):
    routine, urgent = put(worklist, 1, clock), put(worklist, 2, clock, "URGENT")
    stat, younger = put(worklist, 3, clock, "STAT"), put(worklist, 4, clock, "URGENT")
    assert found_uids(worklist.search(Query())) == [stat, urgent, younger, routine]


@pytest.mark.parametrize(
    "keys",
    [
        (search_key("ProcedureStepState", "SCHEDULED"),),
        (search_key("PatientID", "PLB-0001"),),
        (search_key("PatientID", "PLB*"), search_key("ScheduledProcedureStepPriority", "LOW")),
    ],
)
def test_pages_follow_each_other_without_gap_or_repeat(worklist, clock, keys):
    uids = [put(worklist, number, clock) for number in range(1, 6)]
    pages = [worklist.search(Query(keys, limit=2, offset=offset)) for offset in (0, 2, 4, 6)]
    assert [uid for page in pages for uid in found_uids(page)] == uids
    assert [page.has_more for page in pages] == [True, True, False, False]


def test_search_can_keep_to_some_states(store, worklist, clock):
    waiting, claimed = put(worklist, 1, clock), put(worklist, 2, clock)
    claim(store, claimed)
    assert found_uids(worklist.search(Query(states=frozenset({"SCHEDULED"})))) == [waiting]
    assert found_uids(worklist.search(Query(states=frozenset({"SCHEDULED", "IN PROGRESS"})))) == [waiting, claimed]


def test_only_the_version_that_was_read_can_be_replaced(store, worklist, clock):
    found = store.get(put(worklist, 1, clock))
    assert store.replace(found, found)
    assert not store.replace(found, found)
    assert store.get(found.workitem_uid).version == found.version + 1


def test_the_same_reading_again_changes_nothing(store, worklist, clock):
    uid = put(worklist, 1, clock)
    before = store.get(uid)
    worklist.upsert_reading(uid, "2.25.771", reading(1, ManualClock()))
    assert store.get(uid) == before


def test_a_later_triage_moves_the_workitem_and_keeps_its_age(store, worklist, clock):
    first, second = put(worklist, 1, clock), put(worklist, 2, clock)
    before = store.get(second)
    worklist.upsert_reading(second, "2.25.772", reading(2, clock, "STAT", "The spacer moved."))
    after = store.get(second)
    assert found_uids(worklist.search(Query())) == [second, first]
    assert after.created_at == before.created_at
    assert text(after.dataset, tags.START) == text(before.dataset, tags.START)
    assert text(after.dataset, tags.LABEL) == "STAT: The spacer moved."


def test_a_claimed_workitem_keeps_its_lock_and_gets_the_new_priority(store, worklist, clock):
    uid = put(worklist, 1, clock)
    claim(store, uid)
    worklist.upsert_reading(uid, "2.25.771", reading(1, clock, "STAT"))
    after = store.get(uid)
    assert (after.state, after.transaction_uid, after.priority_rank) == (State.IN_PROGRESS, "2.25.1", 0)


def test_a_scheduled_workitem_can_be_cancelled_with_its_reason(store, worklist, clock):
    uid = put(worklist, 1, clock)
    worklist.cancel(uid, reason="Not a postoperative spine exam.")
    after = store.get(uid)
    progress = after.dataset[tags.PROGRESS_INFORMATION]["Value"][0]
    assert after.state is State.CANCELED
    assert text(progress, tags.REASON_FOR_CANCELLATION) == "Not a postoperative spine exam."
    assert text(progress, tags.CANCELLATION_TIME)


def test_cancelling_twice_changes_nothing_more(store, worklist, clock):
    uid = put(worklist, 1, clock)
    worklist.cancel(uid, reason="x")
    before = store.get(uid)
    worklist.cancel(uid, reason="y")
    assert store.get(uid) == before


def test_a_claimed_workitem_is_not_taken_from_its_reader(store, worklist, clock):
    uid = put(worklist, 1, clock)
    claim(store, uid)
    worklist.cancel(uid, reason="x")
    assert store.get(uid).state is State.IN_PROGRESS


def test_a_finished_workitem_is_left_as_it_is(store, worklist, clock):
    uid = put(worklist, 1, clock)
    worklist.cancel(uid, reason="x")
    before = store.get(uid)
    worklist.upsert_reading(uid, "2.25.771", reading(1, clock, "STAT"))
    assert store.get(uid) == before


def test_standing_counts_by_state_and_priority(store, worklist, clock):
    put(worklist, 1, clock), put(worklist, 2, clock), put(worklist, 3, clock, "STAT")
    claim(store, "2.25.992")
    groups = {(group.state, group.priority): group.count for group in worklist.standing()}
    assert groups == {
        (State.SCHEDULED, "HIGH"): 1,
        (State.SCHEDULED, "LOW"): 1,
        (State.IN_PROGRESS, "LOW"): 1,
    }


def test_concurrent_updates_are_all_applied_one_after_the_other(store, worklist, clock):
    uid = put(worklist, 1, clock)

    def update(number: int) -> None:
        worklist.upsert_reading(uid, "2.25.771", reading(1, ManualClock(), "URGENT", f"Reason {number}."))

    threads = [threading.Thread(target=update, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(uid).version == 9


def test_a_search_in_writing_finds_what_a_search_finds(store, worklist, clock):
    for number, priority in enumerate(["ROUTINE", "STAT", "URGENT"], start=1):
        put(worklist, number, clock, priority)
    for query in (Query(), Query(limit=2), Query((search_key("PatientID", "PLB*"),)), Query(limit=1, offset=2)):
        page, written = store.search(query), store.search_rendered(query)
        expected = [json.loads(rendered(found.dataset)) for found in page.workitems]
        assert [json.loads(written.datasets[edition]) for edition in written.editions] == expected
        assert written.has_more == page.has_more


def test_what_is_held_is_not_written_again_until_it_changes(store, worklist, clock):
    uids = [put(worklist, number, clock) for number in (1, 2)]
    held = set(store.search_rendered(Query()).editions)
    again = store.search_rendered(Query(), held)
    assert (set(again.editions), again.datasets) == (held, {})
    worklist.update(uids[1], {tags.LABEL: element("LO", "Changed")})
    (edition,) = store.search_rendered(Query(), held).datasets
    assert edition[:2] == (uids[1], 2)


def test_the_change_number_at_once_is_the_newest_where_it_can_be_had(store, worklist, clock):
    for number in range(1, 4):
        put(worklist, number, clock)
        assert store.change_number_at_once() in (None, store.change_number())


@ONLY_ON_FILES
def test_only_a_file_is_asked_at_once(tmp_path, clock):
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    here, gone = DatabaseWorkitemStore(opened, clock), DatabaseWorkitemStore(opened, clock)
    put(Worklist(here, clock.now), 1, clock)
    assert here.change_number_at_once() == here.change_number() > 0
    opened.engine.dispose()
    (tmp_path / "store.sqlite").rename(tmp_path / "elsewhere.sqlite")
    assert gone.change_number_at_once() is None


@pytest.mark.parametrize(
    ("attribute", "value", "found"),
    [
        ("PatientID", "PLB-0001", 2),
        ("PatientID", "plb-0001", 0),
        ("ReferencedRequestSequence.AccessionNumber", "A00002", 1),
        ("ScheduledWorkitemCodeSequence.CodeValue", "110005", 2),
        ("WorklistLabel", "Postoperative spine", 2),
        ("ScheduledProcedureStepStartDateTime", "20260302", 2),
        ("ScheduledProcedureStepStartDateTime", "20260302080030-", 1),
        ("ScheduledProcedureStepStartDateTime", "-20260302080030", 1),
        ("ScheduledProcedureStepStartDateTime", "2027-", 0),
    ],
)
def test_the_usual_keys_match_as_the_standard_says(store, worklist, clock, attribute, value, found):
    put(worklist, 1, clock)
    put(worklist, 2, clock)
    key = search_key(attribute, value)
    assert len(store.search(Query((key,))).workitems) == len(store.search_rendered(Query((key,))).datasets) == found


def test_a_key_finds_a_workitem_with_several_requests(store, worklist, clock):
    dataset = reading(1, clock)
    requests = dataset[tags.REFERENCED_REQUEST_SEQUENCE]["Value"]
    second = {**requests[0], tags.ACCESSION_NUMBER: element("SH", "SECOND")}
    worklist.upsert_reading(
        "2.25.991", "2.25.771", {**dataset, tags.REFERENCED_REQUEST_SEQUENCE: sequence(*requests, second)}
    )
    for accession in ("A00001", "SECOND"):
        key = search_key("ReferencedRequestSequence.AccessionNumber", accession)
        assert len(store.search_rendered(Query((key,))).datasets) == 1


def test_what_was_erased_and_comes_again_is_another_edition(tmp_path, clock):
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    store = DatabaseWorkitemStore(opened, clock)
    worklist = Worklist(store, clock.now)
    uid = put(worklist, 1, clock)
    before = store.search_rendered(Query())
    with opened.begin() as session:
        session.execute(delete(WorkitemRow))
        note_change(session)
    clock.advance(1)
    worklist.upsert_reading(uid, "2.25.771", reading(1, clock, "STAT", "Another content."))
    after = store.search_rendered(Query(), set(before.editions))
    assert after.editions[0][:2] == before.editions[0][:2]
    assert after.datasets.keys() == set(after.editions)
    assert after.change_number > before.change_number


def test_long_sequences_are_written_only_where_they_change(tmp_path, clock):
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    worklist = Worklist(DatabaseWorkitemStore(opened, clock), clock.now)
    uid = put(worklist, 1, clock)
    inputs = worklist.retrieve(uid).dataset[tags.INPUTS]
    statements: list[str] = []
    event.listen(opened.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    worklist.update(uid, {tags.LABEL: element("LO", "Changed")})
    changes = [each for each in statements if each.startswith("UPDATE workitems")]
    assert len(changes) == 1 and '"references"' not in changes[0]
    assert worklist.retrieve(uid).dataset[tags.INPUTS] == inputs
    fewer = {**inputs, "Value": inputs["Value"][:1]}
    worklist.update(uid, {tags.INPUTS: fewer})
    assert worklist.retrieve(uid).dataset[tags.INPUTS] == fewer
    opened.engine.dispose()
