import warnings

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.subscriptions import DatabaseSubscriptions
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.testing import ManualClock, MemoryExamResults
from plumbline.worklist.dataset import element
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context
from services.worklist_api.ups import channel as channel_module
from tests.unit.services.worklist_api.test_ups_transactions import workitem

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette prefers a fork of httpx that is not a dependency here
    from fastapi.testclient import TestClient

URL = "/dicom-web/workitems"
ALL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
STATE, READINESS = "00741000", "00404041"


def waiting(site, receiver: str = "WATCHER") -> list[tuple[str, int, str | None]]:
    """Workitem, event type and state of the events that wait for a subscriber."""
    events = site.worklist.store.pending(receiver, limit=100)
    return [
        (
            each.report.workitem_uid,
            int(each.report.event_type),
            each.report.information.get(STATE, {}).get("Value", [None])[0],
        )
        for each in events
    ]


def claim(client, uid: str, lock: str = "2.25.777") -> None:
    body = {STATE: element("CS", "IN PROGRESS"), "00081195": element("UI", lock)}
    assert client.put(f"{URL}/{uid}/state", json=body).status_code == 200


def test_subscribing_to_a_workitem_tells_its_state_at_once(site, client):
    uid = site.add_reading(1)
    assert client.post(f"{URL}/{uid}/subscribers/WATCHER?deletionlock=true").status_code == 201
    assert waiting(site) == [(uid, 1, "SCHEDULED")]


def test_changes_of_state_are_told_to_subscribers_only(site, client):
    uid, other = site.add_reading(1), site.add_reading(2)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    claim(client, uid), claim(client, other)
    assert waiting(site) == [(uid, 1, "SCHEDULED"), (uid, 1, "IN PROGRESS")]
    assert waiting(site, "SOMEBODY") == []


def test_a_global_subscription_is_told_of_new_workitems(site, client):
    assert client.post(f"{URL}/{ALL}/subscribers/WATCHER").status_code == 201
    uid = site.add_reading(1)
    assert waiting(site) == [(uid, 1, "SCHEDULED")]


def test_a_global_subscription_with_a_lock_is_told_the_state_of_every_workitem(site, client):
    uids = [site.add_reading(1), site.add_reading(2)]
    client.post(f"{URL}/{ALL}/subscribers/WATCHER?deletionlock=true")
    assert waiting(site) == [(uid, 1, "SCHEDULED") for uid in uids]


@pytest.mark.parametrize(
    "query",
    [
        "?ScheduledProcedureStepPriority=HIGH",
        "?filter=ScheduledProcedureStepPriority%3DHIGH",
        "?filter=ProcedureStepState=SCHEDULED,ScheduledProcedureStepPriority=HIGH&deletionlock=TRUE",
        "?filter=ScheduledProcedureStepPriority=HIGH,StudyInstanceUID=2.25.1,2.25.772,2.25.771",
    ],
)
def test_a_filtered_subscription_is_told_only_what_matches(site, client, query):
    assert client.post(f"{URL}/{FILTERED}/subscribers/WATCHER{query}").status_code == 201
    site.add_reading(1, "ROUTINE")
    uid = site.add_reading(2, "STAT")
    assert waiting(site) == [(uid, 1, "SCHEDULED")]


def test_suspending_stops_new_workitems_and_keeps_the_others(site, client):
    client.post(f"{URL}/{ALL}/subscribers/WATCHER")
    uid = site.add_reading(1)
    assert client.post(f"{URL}/{ALL}/subscribers/WATCHER/suspend").status_code == 200
    site.add_reading(2)
    claim(client, uid)
    assert waiting(site) == [(uid, 1, "SCHEDULED"), (uid, 1, "IN PROGRESS")]


def test_unsubscribing_from_all_ends_everything(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    client.post(f"{URL}/{ALL}/subscribers/WATCHER")
    assert client.delete(f"{URL}/{ALL}/subscribers/WATCHER").status_code == 200
    claim(client, uid)
    assert waiting(site) == [(uid, 1, "SCHEDULED")]
    assert client.delete(f"{URL}/{uid}/subscribers/WATCHER").status_code == 404


def test_unsubscribing_from_one_keeps_the_global_subscription(site, client):
    client.post(f"{URL}/{ALL}/subscribers/WATCHER")
    first = site.add_reading(1)
    assert client.delete(f"{URL}/{first}/subscribers/WATCHER").status_code == 200
    claim(client, first)
    second = site.add_reading(2)
    assert waiting(site) == [(first, 1, "SCHEDULED"), (second, 1, "SCHEDULED")]


def test_a_scheduled_workitem_that_is_cancelled_is_told_as_taken_and_cancelled(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    client.post(f"{URL}/{uid}/cancelrequest", json={"00741238": element("LT", "Twice.")})
    assert [each[2] for each in waiting(site)] == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    last = site.worklist.store.pending("WATCHER", limit=9)[-1].report.information
    assert last["00741238"]["Value"] == ["Twice."]


def test_the_performer_is_told_who_wants_it_cancelled(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/READER")
    claim(client, uid)
    client.post(f"{URL}/{uid}/cancelrequest/BOSS", json={"0074100C": element("LO", "Ask me")})
    event = site.worklist.store.pending("READER", limit=9)[-1].report
    assert int(event.event_type) == 2
    assert event.information["00741236"]["Value"] == ["BOSS"]
    assert event.information["0074100C"]["Value"] == ["Ask me"]


def test_progress_and_assignment_are_told_as_their_own_events(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    claim(client, uid)
    station = {"00080100": element("SH", "R1"), "00080102": element("SH", "99X"), "00080104": element("LO", "Room 1")}
    changes = {
        "00741002": {"vr": "SQ", "Value": [{"00741004": element("DS", "40")}]},
        "00404025": {"vr": "SQ", "Value": [station]},
    }
    client.post(f"{URL}/{uid}?transaction-uid=2.25.777", json=changes)
    assert [each[1] for each in waiting(site)][-2:] == [3, 5]


@pytest.mark.parametrize("title", ["TOO_LONG_FOR_AN_AE_TITLE", "%20%20", "B%5CS"])
def test_an_ae_title_that_cannot_be_one_is_refused(client, title):
    assert client.post(f"{URL}/{ALL}/subscribers/{title}").status_code == 400


def test_only_the_filtered_worklist_takes_keys_and_only_global_ones_are_suspended(site, client):
    uid = site.add_reading(1)
    assert client.post(f"{URL}/{ALL}/subscribers/WATCHER?PatientID=1").status_code == 400
    assert client.post(f"{URL}/{uid}/subscribers/WATCHER/suspend").status_code == 400
    assert client.post(f"{URL}/{ALL}/subscribers/WATCHER/suspend").status_code == 404
    assert client.post(f"{URL}/{uid}/subscribers/WATCHER?deletionlock=yes").status_code == 400


def test_the_channel_tells_what_waited_and_then_what_happens(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    with client.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        waited = channel.receive_json()
        claim(client, uid)
        happened = channel.receive_json()
    assert waited["00001000"]["Value"] == [uid]
    assert waited["00001002"]["Value"] == [1]
    assert waited["00000002"]["Value"] == ["1.2.840.10008.5.1.4.34.6.4"]
    assert (waited[STATE]["Value"], happened[STATE]["Value"]) == (["SCHEDULED"], ["IN PROGRESS"])
    assert waited[READINESS]["Value"] == ["READY"]


def test_events_are_told_once_over_reconnections(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    with client.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        channel.receive_json()
        channel.close(1000)
        site.wait_until(lambda: waiting(site) == [])
    claim(client, uid)
    with client.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        assert channel.receive_json()[STATE]["Value"] == ["IN PROGRESS"]


def test_what_a_broken_connection_swallowed_is_told_again(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    with client.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        channel.receive_json()
        channel.close(1006)
    assert waiting(site) == [(uid, 1, "SCHEDULED")]
    with client.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        assert channel.receive_json()[STATE]["Value"] == ["SCHEDULED"]


def test_what_a_connection_outlives_is_dropped(site, client, monkeypatch):
    monkeypatch.setattr(channel_module, "KEPT_FOR_S", 0.05)
    monkeypatch.setattr(channel_module, "DROP_EVERY_S", 0.01)
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    with client.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        assert channel.receive_json()["00001000"]["Value"] == [uid]
        site.wait_until(lambda: waiting(site) == [])
    assert waiting(site) == []


def test_every_channel_of_an_application_hears_each_event_once(site, client):
    uid = site.add_reading(1)
    client.post(f"{URL}/{uid}/subscribers/WATCHER")
    path = "/dicom-web/subscribers/WATCHER"
    with client.websocket_connect(path) as first, client.websocket_connect(path) as second:
        claim(client, uid)
        for channel in (first, second):
            assert [channel.receive_json()[STATE]["Value"] for _ in range(2)] == [["SCHEDULED"], ["IN PROGRESS"]]


def test_an_event_reaches_a_subscriber_connected_to_another_process(tmp_path):
    """Two applications that share nothing but the store, as two processes do."""
    clock, url = ManualClock(), f"sqlite:///{tmp_path / 'store.sqlite'}"
    stores = [open_store(url) for _ in range(2)]
    here, there = (
        TestClient(
            serve(
                Context(
                    DatabaseWorkitems(store, clock),
                    DatabaseSubscriptions(store, clock),
                    MemoryExamResults(),
                    clock.now,
                    {},
                )
            )
        )
        for store in stores
    )
    assert here.post(f"{URL}/{ALL}/subscribers/WATCHER").status_code == 201
    with there.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        assert here.post(f"{URL}?2.25.5", json=workitem()).status_code == 201
        assert channel.receive_json()["00001000"]["Value"] == ["2.25.5"]
    assert there.get(URL).json()[0]["00080018"]["Value"] == ["2.25.5"]
    for store in stores:
        store.engine.dispose()


def test_whatever_a_subscriber_says_is_passed_over(site, client):
    uid = site.add_reading(1)
    with client.websocket_connect("/dicom-web/subscribers/WATCHER") as channel:
        channel.send_text("{")
        channel.send_bytes(b"\x00\xff")
        client.post(f"{URL}/{uid}/subscribers/WATCHER")
        assert channel.receive_json()["00001000"]["Value"] == [uid]


def test_events_that_nobody_fetches_are_dropped_after_a_week(site, client):
    client.post(f"{URL}/{ALL}/subscribers/WATCHER")
    site.add_reading(1)
    site.clock.advance(8 * 24 * 3600)
    site.add_reading(2)
    with client:
        site.wait_until(lambda: len(waiting(site)) < 2)
    assert [each[0] for each in waiting(site)] == ["2.25.992"]
