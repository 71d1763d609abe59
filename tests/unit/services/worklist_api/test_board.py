import warnings
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from plumbline.adapters.database.board import DatabaseBoardSource
from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.results import DatabaseResults
from plumbline.adapters.database.tables import WorkitemRow
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.testing import ManualClock, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.board import Changes, Reading
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.states import State
from plumbline.worklist.tasks import Station, task_of_reading
from services.worklist_api.assembly import serve
from services.worklist_api.board.board import Board
from services.worklist_api.board.filters import Filters
from services.worklist_api.context import Context

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def shown(client, **fields):
    answer = client.post("/worklist/rows", data={"offset": "0", **fields})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, ["1", "2"]),
        ({"priority": "URGENT"}, ["1"]),
        ({"check": "spacer-migration"}, ["1"]),
        ({"check": "dural-sac"}, []),
        ({"modality": "CT"}, ["1"]),
        ({"search": "doe ja"}, ["2"]),
        ({"search": "DOE backward"}, []),
        ({"search": "spacer migration"}, ["1"]),
        ({"assigned": "nobody"}, ["1", "2"]),
        ({"state": "reading"}, []),
        ({"state": "all", "site": "no such site"}, []),
        ({"offset": "1"}, ["2"]),
    ],
)
def test_a_view_shows_what_it_says(site, client, moved_spacer, fields, found):
    site.add_reading(1, "URGENT", "The spacer moved backward.")
    site.add_result(1, moved_spacer)
    site.add_reading(2, "ROUTINE", name="Doe^Jane")
    page = shown(client, **fields)
    assert [number for number in ("1", "2") if f"/exams/2.25.77{number}" in page] == found


def test_a_search_is_never_part_of_an_address(site, client):
    site.add_reading(1, name="Doe^Jane")
    page = client.post("/?state=all", data={"search": "doe", "state": "all"}).text
    assert "Doe, Jane" in page
    assert "search=doe" not in page


def test_what_is_not_a_view_is_refused_in_one_sentence(client):
    answer = client.post("/worklist/rows", data={"state": "asleep"})
    assert answer.status_code == 400
    assert "state" in answer.json()["detail"]


def test_a_form_of_another_kind_or_size_is_refused(client):
    assert client.post("/worklist/rows", json={}).status_code == 415
    assert client.post("/worklist/rows", content=b"search=" + b"x" * 70_000, headers=FORM).status_code == 413


def test_the_rows_tell_the_standing_of_the_whole_view(site, client):
    for number in range(1, 4):
        site.add_reading(number, "STAT")
    assert 'data-total="3"' in shown(client, offset="2")


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path}/board.sqlite")
    yield opened
    opened.engine.dispose()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def worklist(store, clock):
    return DatabaseWorkitems(store, clock)


def put(worklist, clock, number, priority="ROUTINE"):
    study = invented_ct_study(number)
    dataset = reading_workitem(
        study,
        TriageDecision(Priority(priority), ("Read in turn.",)),
        workitem_uid=f"2.25.99{number}",
        scheduled_at=clock.now(),
        source=RetrievalSource("ORTHANC"),
    )
    worklist.upsert_reading(f"2.25.99{number}", study.study_instance_uid, dataset)
    return study.study_instance_uid


def listed(board, **view):
    return [line.entry.workitem_uid for line in board.select(Filters(**view), offset=0, limit=10).lines]


def test_the_board_follows_new_and_changed_readings_without_reading_all_again(store, clock, worklist, moved_spacer):
    board = Board(DatabaseBoardSource(store))
    put(worklist, clock, 1)
    first = board.refresh()
    assert board.refresh() == first
    clock.advance(120)
    uid = put(worklist, clock, 2, "URGENT")
    assert listed(board) == ["2.25.992", "2.25.991"]
    worklist.change_state("2.25.991", State.IN_PROGRESS, transaction_uid="2.25.5")
    assert listed(board, state="reading") == ["2.25.991"]
    clock.advance(120)
    DatabaseResults(store, clock).save(uid, 1, moved_spacer)
    assert listed(board, check="spacer-migration") == ["2.25.992"]
    assert board.refresh() > first


def test_the_board_forgets_a_reading_that_was_erased(store, clock, worklist):
    board = Board(DatabaseBoardSource(store))
    put(worklist, clock, 1)
    put(worklist, clock, 2)
    assert len(listed(board)) == 2
    with store.begin() as session:
        session.delete(session.get_one(WorkitemRow, "2.25.991"))
    assert listed(board) == ["2.25.992"]


def test_a_change_that_is_seen_late_is_not_missed(store, clock, worklist):
    """Another process dates its change before ours and commits it after."""
    board = Board(DatabaseBoardSource(store))
    put(worklist, clock, 1)
    board.refresh()
    late = ManualClock(clock.now() - timedelta(seconds=20))
    DatabaseWorkitems(store, late).change_state("2.25.991", State.IN_PROGRESS, transaction_uid="2.25.5")
    assert listed(board, state="reading") == ["2.25.991"]


def test_the_live_link_tells_the_version_and_refuses_pages_of_others(site, client):
    site.add_reading(1)
    with client.websocket_connect("/live") as link:
        first = link.receive_json()["version"]
        site.add_reading(2)
        assert link.receive_json()["version"] > first
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/live", headers={"Origin": "http://evil"}) as link,
    ):
        link.receive_json()


@dataclass
class ClaimedSource:
    """Two readings, one of which Ada has."""

    site: Any

    def changes(self):
        uids = [self.site.add_reading(number) for number in (1, 2)]
        ada, nobody = (self.site.worklist.retrieve(uid) for uid in uids)
        return Changes([Reading(ada, reader="Ada"), Reading(nobody)], is_everything=True)


@pytest.mark.parametrize(("reader", "found"), [("Ada", ["1"]), ("Ben", []), (None, [])])
def test_mine_are_the_readings_of_who_asks(site, reader, found):
    source = ClaimedSource(site)
    changes = source.changes()
    source.changes = lambda: changes  # type: ignore[method-assign]
    context = Context(
        site.worklist,
        site.worklist.store,
        site.results,
        site.clock.now,
        {},
        board_source=source,
        reader_header="X-Remote-User",
    )
    client = TestClient(serve(context))
    headers = {"X-Remote-User": reader} if reader else {}
    pages = [
        client.post("/worklist/rows", data={"offset": "0", "assigned": "me"}, headers=headers).text,
        client.get("/", params={"assigned": "me"}, headers=headers).text,
    ]
    for page in pages:
        assert [number for number in ("1", "2") if f"/exams/2.25.77{number}" in page] == found
    assert ("Nobody has said who you are" in pages[1]) == (reader is None)


def test_tasks_of_machines_are_not_on_the_board(site, client):
    uid = site.add_reading(1, "STAT")
    task = task_of_reading(site.worklist.retrieve(uid).dataset, workitem_uid="2.25.901", station=Station("PLUMBLINE"))
    site.worklist.create(task)
    assert shown(client).count("/exams/2.25.771") == 1
    assert len(client.get("/api/worklist").json()["entries"]) == 1
