import gzip
import json
import zlib

import pytest

from plumbline.worklist.dataset import element, sequence
from plumbline.worklist.native_xml import to_xml
from services.worklist_api.ups.media import LARGEST_BODY_BYTES

URL = "/dicom-web/workitems"
UID, LOCK = "2.25.5000", "2.25.777"
STATE, PRIORITY, TRANSACTION_UID = "00741000", "00741200", "00081195"
PERFORMED, PROGRESS = "00741216", "00741002"


def workitem(**changes) -> dict:
    """The least that PS3.4 table CC.2.5-3 requires of a new workitem."""
    dataset = {
        "00080005": element("CS", "ISO_IR 192"),
        "00100010": element("PN", {"Alphabetic": "Example^Ada"}),
        "00100020": element("LO", "PLB-0001"),
        "0020000D": element("UI", "2.25.771"),
        "00404005": element("DT", "20260302080000"),
        "00404041": element("CS", "READY"),
        "00741000": element("CS", "SCHEDULED"),
        PRIORITY: element("CS", "MEDIUM"),
        "00741204": element("LO", "Read me"),
    }
    return {**dataset, **changes}


def performed() -> dict:
    station = {"00080100": element("SH", "READ1"), "00080102": element("SH", "99X"), "00080104": element("LO", "Room")}
    work = {
        "00080100": element("SH", "110005"),
        "00080102": element("SH", "DCM"),
        "00080104": element("LO", "Interpretation"),
    }
    output = {
        "0040E020": element("CS", "DICOM"),
        "0020000D": element("UI", "2.25.771"),
        "0020000E": element("UI", "2.25.771.9"),
        "00081199": sequence(
            {"00081150": element("UI", "1.2.840.10008.5.1.4.1.1.88.34"), "00081155": element("UI", "2.25.8")}
        ),
    }
    return {
        PERFORMED: sequence(
            {
                "00404028": sequence(station),
                "00404019": sequence(work),
                "00404050": element("DT", "20260302081000"),
                "00404051": element("DT", "20260302081500"),
                "00404033": sequence(output),
            }
        )
    }


def cancellation() -> dict:
    reason = {
        "00080100": element("SH", "110513"),
        "00080102": element("SH", "DCM"),
        "00080104": element("LO", "Unspecified"),
    }
    return {PROGRESS: sequence({"00404052": element("DT", "20260302081500"), "0074100E": sequence(reason)})}


def state(value: str, lock: str | None = LOCK) -> dict:
    return {STATE: element("CS", value), TRANSACTION_UID: element("UI", lock)}


@pytest.fixture
def post(client):
    def post(path: str, body, **more):
        headers = {"Content-Type": "application/dicom+json"}
        return client.post(f"{URL}{path}", content=json.dumps(body), headers=headers, **more)

    return post


@pytest.fixture
def put_state(client):
    def put(value: str, lock: str | None = LOCK, uid: str = UID):
        return client.put(f"{URL}/{uid}/state", json=state(value, lock))

    return put


@pytest.fixture
def created(post):
    assert post(f"?{UID}", workitem()).status_code == 201


@pytest.fixture
def claimed(created, put_state):
    assert put_state("IN PROGRESS").status_code == 200


def stored(client, uid: str = UID) -> dict:
    return client.get(f"{URL}/{uid}").json()[0]


# --- create ---


@pytest.mark.parametrize("query", [f"?{UID}", f"?workitem={UID}", f"?AffectedSOPInstanceUID={UID}"])
def test_a_created_workitem_is_found_at_its_location(client, post, query):
    response = post(query, workitem())
    assert response.status_code == 201
    assert response.headers["location"].endswith(f"{URL}/{UID}")
    assert stored(client)["00741204"]["Value"] == ["Read me"]
    assert stored(client)["00080016"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]


def test_the_uid_may_be_in_the_dataset(post):
    assert post("", workitem(**{"00080018": element("UI", "2.25.42")})).headers["location"].endswith("/2.25.42")


def test_type_2_attributes_that_were_left_out_are_added_and_the_warning_says_so(client, post):
    response = post(f"?{UID}", workitem())
    assert response.headers["warning"] == "299 plumbline: The Workitem was created with modifications."
    assert stored(client)["00400400"] == {"vr": "LT"}
    assert stored(client)["00741202"]["Value"] == ["Worklist"]


def test_a_uid_can_be_used_once(created, post):
    assert post(f"?{UID}", workitem()).status_code == 409


@pytest.mark.parametrize("tag", [PRIORITY, "00741204", "00404005", "00404041", STATE])
def test_a_type_1_attribute_has_to_be_there_with_a_value(client, post, tag):
    without = {key: value for key, value in workitem().items() if key != tag}
    assert post(f"?{UID}", without).status_code == 400
    assert post(f"?{UID}", {**without, tag: {"vr": workitem()[tag]["vr"]}}).status_code == 400
    assert client.get(f"{URL}/{UID}").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {STATE: element("CS", "IN PROGRESS")},
        {TRANSACTION_UID: element("UI", LOCK)},
        {PRIORITY: element("CS", "VERY HIGH")},
        {PRIORITY: element("LO", "HIGH")},
        {"00404041": element("CS", "MAYBE")},
        {"00404005": element("DT", "tomorrow")},
        {"00741204": element("LO", "x" * 65)},
        {"00080016": element("UI", "1.2.840.10008.5.1.4.1.1.2")},
        {"00080018": element("UI", "2.25.43")},
        {"00020010": element("UI", "1.2.840.10008.1.2")},
        {"not-a-tag": element("LO", "x")},
        {PERFORMED: sequence({"00404050": element("DT", "2026")})},
        {PROGRESS: sequence({"00741004": element("DS", "5")})},
        {"00404018": sequence({"00080100": element("SH", "110005")})},
        {"0020000D": element("UI", "not a uid")},
        {"00400400": element("LT", "\x00")},
        {"00400400": element("LT", "\ud800")},
        {"00100010": element("PN", {"Alphabetic": "\x1b"})},
        {"00091001": {"vr": "UN", "InlineBinary": 5}},
        {"0020000D": {"vr": "UI", "Value": "2.25.1"}},
        {"00404018": {"vr": "SQ", "Value": ["x"]}},
    ],
)
def test_a_dataset_that_cannot_become_a_workitem_is_refused(client, post, changes):
    response = post(f"?{UID}", workitem(**changes))
    assert response.status_code == 400
    assert response.headers["warning"].startswith("299 plumbline: ")
    assert client.get(f"{URL}/{UID}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[]", 400), (b"[1]", 400), (b'"x"', 400), (b'{"a":NaN}', 400), (b"[" * 100_000, 400)],
)
def test_a_body_that_is_no_dataset_is_refused(client, body, status):
    headers = {"Content-Type": "application/dicom+json"}
    assert client.post(f"{URL}?{UID}", content=body, headers=headers).status_code == status


def test_other_media_types_and_huge_bodies_are_refused(client):
    assert client.post(f"{URL}?{UID}", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    huge = b" " * (8 * 1024 * 1024 + 1)
    assert client.post(f"{URL}?{UID}", content=huge).status_code == 413


def test_without_any_uid_nothing_is_created(client, post):
    assert post("", workitem()).status_code == 400
    assert post("?workitem=../x", workitem()).status_code == 400


def test_a_workitem_may_be_sent_as_xml(client):
    headers = {"Content-Type": "application/dicom+xml"}
    assert client.post(f"{URL}?{UID}", content=to_xml(workitem()), headers=headers).status_code == 201
    assert stored(client)["00100010"] == workitem()["00100010"]


@pytest.mark.parametrize(
    ("coding", "pack", "status"),
    [
        ("gzip", gzip.compress, 201),
        ("deflate", zlib.compress, 201),
        ("identity", bytes, 201),
        ("gzip", bytes, 400),
        ("br", bytes, 415),
    ],
)
def test_a_body_may_come_compressed(client, coding, pack, status):
    headers = {"Content-Type": "application/dicom+json", "Content-Encoding": coding}
    body = json.dumps(workitem()).encode()
    assert client.post(f"{URL}?{UID}", content=pack(body), headers=headers).status_code == status


def test_a_small_body_that_grows_huge_is_refused(client):
    bomb = gzip.compress(b" " * (LARGEST_BODY_BYTES + 1))
    assert client.post(f"{URL}?{UID}", content=bomb, headers={"Content-Encoding": "gzip"}).status_code == 413


def test_the_other_spelling_of_cancelled_is_read(claimed, client, post, put_state):
    assert post(f"/{UID}?transaction-uid={LOCK}", cancellation()).status_code == 200
    assert put_state("CANCELLED").status_code == 200
    assert stored(client)[STATE]["Value"] == ["CANCELED"]


@pytest.mark.parametrize("body", [b"<x/>", b"<", b'<!DOCTYPE x [<!ENTITY a "b">]><x/>', b"\xff"])
def test_a_body_that_is_no_dataset_in_xml_is_refused(client, body):
    headers = {"Content-Type": "application/dicom+xml"}
    assert client.post(f"{URL}?{UID}", content=body, headers=headers).status_code == 400


def test_unknown_attributes_that_are_well_formed_are_kept(client, post):
    post(f"?{UID}", workitem(**{"00091001": element("LO", "private")}))
    assert stored(client)["00091001"]["Value"] == ["private"]


# --- claim, update, complete, cancel ---


def test_a_claimed_workitem_is_updated_and_completed_by_who_holds_the_lock(client, claimed, post, put_state):
    assert post(f"/{UID}?transaction-uid={LOCK}", performed()).status_code == 200
    assert put_state("COMPLETED").status_code == 200
    dataset = stored(client)
    assert dataset[STATE]["Value"] == ["COMPLETED"]
    assert LOCK not in json.dumps(dataset)


@pytest.mark.parametrize("query", [f"?transaction-uid={LOCK}", f"?transaction={LOCK}", f"?{LOCK}", ""])
def test_every_spelling_of_the_transaction_parameter_is_read(claimed, post, query):
    changes = {"00400400": element("LT", "x")}
    if not query:
        changes[TRANSACTION_UID] = element("UI", LOCK)
    assert post(f"/{UID}{query}", changes).status_code == 200


def test_a_second_claim_is_refused_while_in_progress(client, claimed, put_state):
    response = put_state("IN PROGRESS", "2.25.888")
    assert response.status_code == 400
    assert response.headers["warning"] == "299 plumbline: The Transaction UID is incorrect."
    assert put_state("COMPLETED", "2.25.888").status_code == 400


def test_claiming_again_with_the_same_uid_is_a_conflict(claimed, put_state):
    response = put_state("IN PROGRESS")
    assert response.status_code == 409
    assert "inconsistent with the state" in response.headers["warning"]


def test_a_claim_needs_a_transaction_uid(created, put_state):
    response = put_state("IN PROGRESS", None)
    assert response.status_code == 400
    assert response.headers["warning"] == "299 plumbline: The Transaction UID is missing."


def test_the_final_state_needs_its_attributes_and_the_answer_names_them(client, claimed, put_state):
    response = put_state("COMPLETED")
    assert response.status_code == 409
    assert "UnifiedProcedureStepPerformedProcedureSequence" in response.json()["detail"]
    assert put_state("CANCELED").status_code == 409
    assert stored(client)[STATE]["Value"] == ["IN PROGRESS"]


def test_who_holds_the_lock_may_cancel_with_a_reason(client, claimed, post, put_state):
    post(f"/{UID}?transaction-uid={LOCK}", cancellation())
    assert put_state("CANCELED").status_code == 200
    again = put_state("CANCELED")
    assert (again.status_code, again.headers["warning"]) == (
        200,
        "299 plumbline: The UPS is already in the requested state of CANCELED.",
    )


def test_completing_again_is_a_success_with_a_warning(claimed, post, put_state):
    post(f"/{UID}?transaction-uid={LOCK}", performed())
    put_state("COMPLETED")
    again = put_state("COMPLETED")
    assert (again.status_code, again.headers["warning"]) == (
        200,
        "299 plumbline: The UPS is already in the requested state of COMPLETED.",
    )


@pytest.mark.parametrize(
    ("value", "status"), [("COMPLETED", 409), ("CANCELED", 409), ("SCHEDULED", 400), ("DONE", 400)]
)
def test_a_scheduled_workitem_cannot_be_finished_before_it_is_claimed(created, put_state, value, status):
    assert put_state(value).status_code == status


def test_an_update_of_a_claimed_workitem_needs_the_lock(client, claimed, post):
    changes = {"00741204": element("LO", "other")}
    for query in ("", "?transaction-uid=2.25.888"):
        response = post(f"/{UID}{query}", changes)
        assert response.status_code == 400
        assert "inconsistent with the current state" in response.headers["warning"]
    assert stored(client)["00741204"]["Value"] == ["Read me"]


def test_an_update_with_a_lock_of_an_unclaimed_workitem_is_a_conflict(created, post):
    response = post(f"/{UID}?transaction-uid={LOCK}", {"00741204": element("LO", "other")})
    assert response.status_code == 409
    assert response.headers["warning"] == "299 plumbline: The target URI did not reference a claimed Workitem."


def test_a_finished_workitem_may_not_be_updated(claimed, post, put_state):
    post(f"/{UID}?transaction-uid={LOCK}", performed())
    put_state("COMPLETED")
    assert post(f"/{UID}?transaction-uid={LOCK}", {"00741204": element("LO", "x")}).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {STATE: element("CS", "COMPLETED")},
        {"00100010": element("PN", {"Alphabetic": "Other^Name"})},
        {"00100020": element("LO", "OTHER")},
        {PRIORITY: element("CS", "URGENT")},
        {PRIORITY: {"vr": "CS"}},
        {"00404021": sequence({"0020000D": element("UI", "2.25.1")})},
    ],
)
def test_an_update_may_not_change_what_the_table_forbids(client, created, post, changes):
    before = stored(client)
    assert post(f"/{UID}", changes).status_code == 400
    assert stored(client) == before


def test_an_update_moves_the_modification_time_and_the_order(site, client, created, post):
    post("?2.25.5001", workitem())
    site.clock.advance(10)
    assert post("/2.25.5001", {PRIORITY: element("CS", "HIGH")}).status_code == 200
    assert [each["00080018"]["Value"][0] for each in client.get(URL).json()] == ["2.25.5001", UID]
    assert stored(client, "2.25.5001")["00404010"]["Value"] == ["20260302080010.000+0000"]


# --- cancellation by others ---


def test_a_request_cancels_what_nobody_has_claimed(client, created, post):
    response = post(f"/{UID}/cancelrequest", {"00741238": element("LT", "Ordered twice.")})
    assert response.status_code == 202
    dataset = stored(client)
    assert dataset[STATE]["Value"] == ["CANCELED"]
    [progress] = dataset[PROGRESS]["Value"]
    assert progress["00741238"]["Value"] == ["Ordered twice."]
    assert progress["0074100E"]["Value"][0]["00080100"]["Value"] == ["110513"]


def test_a_request_without_a_body_and_with_dcm4chees_requester_is_taken(client, created):
    assert client.post(f"{URL}/{UID}/cancelrequest/WATCHER").status_code == 202
    again = client.post(f"{URL}/{UID}/cancelrequest")
    assert (again.status_code, "already" in again.headers["warning"]) == (202, True)


def test_a_request_leaves_a_claimed_workitem_to_its_performer(client, claimed):
    assert client.post(f"{URL}/{UID}/cancelrequest").status_code == 202
    assert stored(client)[STATE]["Value"] == ["IN PROGRESS"]


def test_a_completed_workitem_cannot_be_cancelled(client, claimed, post, put_state):
    post(f"/{UID}?transaction-uid={LOCK}", performed())
    put_state("COMPLETED")
    response = client.post(f"{URL}/{UID}/cancelrequest")
    assert (response.status_code, response.headers["warning"]) == (409, "299 plumbline: The UPS is already COMPLETED.")


def test_dcm4chees_requester_form_of_the_state_change_is_read(client, created):
    response = client.put(f"{URL}/{UID}/state/READER", json=state("IN PROGRESS"))
    assert response.status_code == 200


def test_every_transaction_on_an_unknown_workitem_is_404(client, post, put_state):
    answers = [
        client.get(f"{URL}/2.25.1"),
        post("/2.25.1", {"00741204": element("LO", "x")}),
        put_state("IN PROGRESS", uid="2.25.1"),
        put_state("IN PROGRESS", None, uid="2.25.1"),
        client.post(f"{URL}/2.25.1/cancelrequest"),
        client.post(f"{URL}/2.25.1/subscribers/WATCHER"),
        client.delete(f"{URL}/2.25.1/subscribers/WATCHER"),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + 30 * "0"])
def test_a_number_that_no_attribute_can_hold_is_refused_and_disturbs_nothing(client, site, number):
    uid = site.add_reading(1)
    before = client.get(f"{URL}/{uid}").content
    body = f'{{"00741002":{{"vr":"SQ","Value":[{{"00741004":{{"vr":"DS","Value":[{number}]}}}}]}}}}'
    answer = client.post(f"{URL}/{uid}", content=body, headers={"Content-Type": "application/dicom+json"})
    assert answer.status_code == 400
    assert client.get(f"{URL}/{uid}").content == before
    assert client.get(URL).status_code == 200
