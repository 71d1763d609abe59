"""Orders and operations over ``/fhir``: resources that fhir.resources built, and what the store holds afterwards."""

from __future__ import annotations

import json
from datetime import date

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.procedure import Procedure
from fhir.resources.R4B.servicerequest import ServiceRequest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.message_intake import DatabaseMessageIntake
from plumbline.adapters.database.news import DatabaseOrders
from plumbline.adapters.fhir.desk import FhirDesk
from plumbline.adapters.fhir.reading import SiteSystems
from plumbline.exams.facts import RedFlag, SourceKind
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.study import PatientIdentity, Study
from plumbline.pipeline.patient_ports import Taken
from plumbline.testing import ManualClock, MemoryExamResults, MemoryWorkitems
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context
from tests.unit.services.worklist_api.conftest import TestClient

SYSTEM = "https://hospital.example/patients"
FHIR = {"Content-Type": "application/fhir+json"}
POLICY = IdentityPolicy("HOSPITAL")


class OrderSite:
    """An API that takes orders into a store of its own."""

    def __init__(self, url: str) -> None:
        self.clock, self.store = ManualClock(), open_store(url)
        self.intake = DatabaseMessageIntake(self.store, self.clock, POLICY)
        worklist = MemoryWorkitems(self.clock)
        desk = FhirDesk(self.intake, SiteSystems({SYSTEM: "HOSPITAL"}, "HOSPITAL"))
        context = Context(worklist, worklist.store, MemoryExamResults(), self.clock.now, {}, fhir=desk)
        self.client = TestClient(serve(context), raise_server_exceptions=False)

    def post(self, resource: dict, kind: str | None = None):
        return self.client.post(f"/fhir/{kind or resource['resourceType']}", content=json.dumps(resource), headers=FHIR)

    def put(self, resource: dict, resource_id: str):
        address = f"/fhir/{resource['resourceType']}/{resource_id}"
        return self.client.put(address, content=json.dumps(resource), headers=FHIR)

    def orders(self) -> tuple[OrderNotice, ...]:
        study = Study("2.25.1", PatientIdentity("P1", "HOSPITAL"), ())
        return DatabaseOrders(self.store, POLICY).concerning(study)


@pytest.fixture
def site(tmp_path) -> OrderSite:
    site = OrderSite(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield site
    site.store.engine.dispose()


def request(**changes) -> dict:
    """An order for a CT, valid by R4."""
    document = {
        "resourceType": "ServiceRequest",
        "identifier": [
            {"system": "https://hospital.example/orders", "value": "O1"},
            {"type": {"coding": [{"code": "ACSN"}]}, "value": "A77"},
            {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"},
        ],
        "status": "active",
        "intent": "order",
        "priority": "stat",
        "code": {"text": "CT lumbar spine"},
        "subject": {"reference": "#p"},
        "contained": [
            {
                "resourceType": "Patient",
                "id": "p",
                "identifier": [{"system": SYSTEM, "value": "P1"}],
                "birthDate": "1961-04-02",
                "gender": "female",
            }
        ],
        "occurrenceDateTime": "2026-03-01",
        "reasonCode": [{"text": "new foot drop, s/p TLIF L4/5 2026-01-12"}],
        **changes,
    }
    document = {key: value for key, value in document.items() if value is not None}
    ServiceRequest.model_validate(document)
    return document


def operation(**changes) -> dict:
    """An operation that was done, valid by R4."""
    document = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": {"text": "TLIF L4-L5"},
        "subject": {"identifier": {"system": SYSTEM, "value": "P1"}},
        "performedPeriod": {"start": "2026-01-12T08:00:00+01:00"},
        **changes,
    }
    Procedure.model_validate(document)
    return document


def refusal(answer) -> OperationOutcome:
    assert answer.headers["content-type"].startswith("application/fhir+json")
    return OperationOutcome.model_validate(answer.json())


def test_an_order_is_stored_and_read_back(site):
    answer = site.post(request())
    assert answer.status_code == 201
    address = answer.headers["Location"]
    assert address.endswith("/_history/1")
    read = site.client.get(address.removesuffix("/_history/1"))
    assert read.status_code == 200
    assert read.headers["ETag"] == 'W/"1"'
    held = ServiceRequest.model_validate(read.json())
    assert held.reasonCode[0].text == "new foot drop, s/p TLIF L4/5 2026-01-12"
    (notice,) = site.orders()
    assert notice.patient == PatientIdentity("P1", "HOSPITAL", date(1961, 4, 2), "F")
    assert notice.planned_on == date(2026, 3, 1)
    assert notice.study_instance_uid == "1.2.3"
    order = notice.order
    assert (order.accession_number, order.priority) == ("A77", "STAT")
    assert order.red_flags == (RedFlag.NEW_DEFICIT,)
    assert order.source is SourceKind.ORDER
    assert order.plan is not None and order.plan.surgery_date == date(2026, 1, 12)


@pytest.mark.parametrize(
    ("priority", "ours"),
    [("stat", "STAT"), ("urgent", "URGENT"), ("asap", "URGENT"), ("routine", "ROUTINE"), (None, None)],
)
def test_priorities_are_those_of_the_table(site, priority, ours):
    site.post(request(priority=priority))
    assert site.orders()[0].order.priority == ours


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"status": "active"}, True),
        ({"status": "completed"}, True),
        ({"status": "draft"}, False),
        ({"status": "revoked"}, False),
        ({"status": "entered-in-error"}, False),
        ({"intent": "proposal"}, False),
    ],
)
def test_status_and_intent_say_whether_an_order_counts(site, changes, counts):
    site.post(request(**changes))
    assert (site.orders()[0].status is OrderStatus.ACTIVE) is counts


def test_an_operation_that_was_done_is_an_operative_record_with_its_day(site):
    assert site.post(operation()).status_code == 201
    (notice,) = site.orders()
    assert notice.is_operation
    plan = notice.order.plan
    assert plan is not None
    assert (plan.source, plan.surgery_date, plan.procedures) == (
        SourceKind.OPERATIVE_RECORD,
        date(2026, 1, 12),
        ("TLIF",),
    )
    site.post(operation(status="preparation", code={"text": "PLIF L5-S1"}))
    assert site.orders()[1].order.source is SourceKind.ORDER


def test_the_same_resource_again_is_the_same_and_told_so(site):
    first, again = site.post(request()), site.post(request())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["Location"] == again.headers["Location"]
    assert len(site.orders()) == 1
    assert len(site.intake.messages()) == 1


def test_a_put_replaces_and_counts_versions(site):
    assert site.put(request(), "mine").status_code == 201
    changed = site.put(request(priority="routine"), "mine")
    assert changed.status_code == 200
    assert changed.headers["ETag"] == 'W/"2"'
    assert [each.order.priority for each in site.orders()] == ["ROUTINE"]
    assert site.put(request(), "mine").headers["ETag"] == 'W/"3"', "going back is news too"
    assert [each.order.priority for each in site.orders()] == ["STAT"]


@pytest.mark.parametrize(
    ("body", "status", "issue", "path"),
    [
        (b"nonsense", 400, "structure", "ServiceRequest"),
        (b"[]", 400, "structure", "ServiceRequest.resourceType"),
        (json.dumps({**request(), "colour": "red"}).encode(), 400, "structure", "ServiceRequest.colour"),
        (json.dumps({**request(), "subject": None}).encode(), 422, "required", "ServiceRequest.subject"),
        (json.dumps({**request(), "occurrenceDateTime": "soon"}).encode(), 422, "value", None),
        (json.dumps({**request(), "status": "maybe"}).encode(), 422, "code-invalid", "ServiceRequest.status"),
        (json.dumps({**request(), "priority": "now"}).encode(), 422, "code-invalid", "ServiceRequest.priority"),
        (
            json.dumps({**request(), "subject": {"reference": "Patient/77"}}).encode(),
            422,
            "business-rule",
            "ServiceRequest.subject",
        ),
        (
            json.dumps({**request(), "subject": {"identifier": {"system": "urn:other", "value": "SECRET-1"}}}).encode(),
            422,
            "business-rule",
            "ServiceRequest.subject.identifier.system",
        ),
    ],
)
def test_what_cannot_be_used_is_told_and_kept_for_an_operator(site, body, status, issue, path):
    answer = site.client.post("/fhir/ServiceRequest", content=body, headers=FHIR)
    assert answer.status_code == status
    (told,) = refusal(answer).issue
    assert told.code == issue
    if path:
        assert told.expression == [path]
    assert "SECRET-1" not in answer.text
    (kept,) = site.intake.messages(outcome=Taken.QUARANTINED)
    assert kept.sentence and "SECRET-1" not in kept.sentence
    assert site.intake.body(kept.message_id) == body
    assert site.orders() == ()


@pytest.mark.parametrize(
    ("method", "address", "content_type", "status"),
    [
        ("GET", "/fhir/ServiceRequest/none", None, 404),
        ("GET", "/fhir/Observation/1", None, 404),
        ("POST", "/fhir/Observation", "application/fhir+json", 404),
        ("POST", "/fhir/ServiceRequest", "application/fhir+xml", 415),
        ("PUT", "/fhir/ServiceRequest/b%20d", "application/fhir+json", 422),
    ],
)
def test_errors_of_the_address_are_outcomes_too(site, method, address, content_type, status):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = site.client.request(method, address, content=json.dumps(request()), headers=headers)
    assert answer.status_code == status
    refusal(answer)


def test_a_body_that_is_too_large_is_refused(site):
    answer = site.client.post("/fhir/ServiceRequest", content=b" " * (1024 * 1024 + 1), headers=FHIR)
    assert answer.status_code == 413
    refusal(answer)


def test_the_server_says_what_it_can_do(site):
    statement = CapabilityStatement.model_validate(site.client.get("/fhir/metadata").json())
    (rest,) = statement.rest
    offered = {each.type: {one.code for one in each.interaction} for each in rest.resource}
    assert offered == {kind: {"create", "update", "read"} for kind in ("ServiceRequest", "Procedure")}


def test_an_operator_sees_what_was_set_aside_and_can_have_it_as_it_came(site):
    site.client.post("/fhir/ServiceRequest", content=b"Patient Example", headers=FHIR)
    site.post(request())
    listed = site.client.get("/api/messages?outcome=quarantined").json()
    assert [(each["kind"], each["outcome"], each["reason"]) for each in listed] == [
        ("ServiceRequest", "quarantined", "ServiceRequest: The body is not JSON.")
    ]
    assert len(site.client.get("/api/messages").json()) == 2
    assert site.client.get(f"/api/messages/{listed[0]['number']}").content == b"Patient Example"
    assert site.client.get("/api/messages/99").status_code == 404


def test_identifiers_that_the_site_does_not_know_stand_beside_one_that_it_does(site):
    insured = {"system": "https://insurance.example/members", "value": "A1"}
    patient = {"resourceType": "Patient", "id": "p", "identifier": [insured, {"system": SYSTEM, "value": "P1"}]}
    assert site.post(request(contained=[patient])).status_code == 201
    (notice,) = site.orders()
    assert (notice.patient.patient_id, notice.patient.other_ids) == ("P1", ())
    alone = {**patient, "identifier": [insured]}
    refused = site.post(request(contained=[alone]))
    assert refused.status_code == 422
    assert "site.issuers" in refusal(refused).issue[0].diagnostics


def send(site: OrderSite, method: str, address: str, document: dict, **headers: str):
    return site.client.request(method, address, content=json.dumps(document), headers={**FHIR, **headers})


def test_a_conditional_create_leaves_what_is_there_as_it_is(site):
    condition = {"If-None-Exist": "identifier=https://hospital.example/orders|O1"}
    first = send(site, "POST", "/fhir/ServiceRequest", request(), **condition)
    again = send(site, "POST", "/fhir/ServiceRequest", request(priority="routine"), **condition)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["priority"] == "stat"
    refused = send(site, "POST", "/fhir/ServiceRequest", request(), **{"If-None-Exist": "status=active"})
    assert refused.status_code == 422
    assert OperationOutcome.model_validate(refused.json()).issue[0].code == "not-supported"


def test_a_conditional_update_replaces_by_identifier_whatever_id_the_resource_has(site):
    address = "/fhir/ServiceRequest?identifier=https://hospital.example/orders|O1"
    posted = site.post(request())
    updated = send(site, "PUT", address, request(priority="routine"))
    assert (posted.status_code, updated.status_code) == (201, 200)
    assert updated.json()["id"] == posted.json()["id"]
    (order,) = site.orders()
    assert order.order.priority == "ROUTINE"


PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": SYSTEM, "value": "P1"}],
    "birthDate": "1961-04-02",
    "gender": "female",
}


def bundle(*resources: dict, kind: str = "transaction") -> dict:
    entries = [
        {
            "fullUrl": f"urn:uuid:{number}",
            "resource": each,
            "request": {"method": "POST", "url": each["resourceType"]},
        }
        for number, each in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def test_a_bundle_s_orders_are_of_the_patient_that_it_holds(site):
    document = bundle(PATIENT, request(subject={"reference": "urn:uuid:0"}))
    answer = send(site, "POST", "/fhir", document)
    assert answer.status_code == 200
    assert [each["response"]["status"] for each in answer.json()["entry"]] == ["200", "201"]
    (order,) = site.orders()
    assert (order.patient.patient_id, order.patient.birth_date, order.patient.sex) == ("P1", date(1961, 4, 2), "F")
    again = send(site, "POST", "/fhir", document).json()
    assert again["entry"][1]["response"]["status"] == "200"
    assert len(site.orders()) == 1


def test_of_a_transaction_with_a_fault_nothing_is_taken_and_of_a_batch_the_rest(site):
    resources = (request(), request(identifier=[{"value": "O2"}], subject={"reference": "Patient/unknown"}))
    refused = send(site, "POST", "/fhir", bundle(*resources))
    assert refused.status_code == 422
    assert OperationOutcome.model_validate(refused.json()).issue
    assert site.orders() == ()
    taken = send(site, "POST", "/fhir", bundle(*resources, kind="batch")).json()
    assert [each["response"]["status"] for each in taken["entry"]] == ["201", "422"]
    assert len(site.orders()) == 1


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Bundle", "type": "message", "entry": []}, 422),
        ({**bundle(request()), "entry": [7]}, 400),
        ({**bundle(request()), "entry": [{"resource": request(), "request": {"method": "DELETE", "url": "x"}}]}, 422),
    ],
)
def test_what_is_no_bundle_of_requests_is_refused(site, document: dict, status: int):
    answer = send(site, "POST", "/fhir", document)
    assert answer.status_code == status
    assert OperationOutcome.model_validate(answer.json()).issue
    assert site.orders() == ()
