"""A span for each request, by its route: whom a reader asked about is in no trace."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from plumbline.errors import Unavailable
from plumbline.observability.tracing import SpanKind, exam_place
from services.worklist_api.tracing import RequestTraces
from tests.unit.observability.traced_exam import KeptTracing


@pytest.fixture
def tracing(site) -> KeptTracing:
    kept = KeptTracing()
    site.app.add_middleware(RequestTraces, tracing=kept, now=site.clock.now)
    return kept


def test_a_request_is_named_by_its_route_and_linked_to_its_exam(site, client, tracing):
    study_uid = site.add_result(1, {"triage": {"priority": "STAT", "reasons": []}})
    assert client.get(f"/api/exams/{study_uid}").status_code == 200
    (span,) = tracing.spans
    assert (span.name, span.kind) == ("GET /api/exams/{study_instance_uid}", SpanKind.SERVER)
    assert (span.parent, span.link) == (None, exam_place(study_uid))
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/exams/{study_instance_uid}",
        "http.response.status_code": 200,
    }


def test_a_request_that_broke_is_an_error_and_one_that_is_refused_is_not(site, client, tracing):
    def break_off(*_args, **_options):
        raise Unavailable("the database does not answer")

    assert client.get("/api/exams/2.25.404").status_code == 404
    site.results.newest = break_off
    assert client.get("/api/exams/2.25.404").status_code == 503
    assert [each.has_failed for each in tracing.spans] == [False, True]


def test_requests_are_traces_of_their_own(client, tracing):
    for _ in range(3):
        client.get("/dicom-web/workitems")
    assert len({each.place.trace_id for each in tracing.spans}) == 3


def test_what_machines_ask_for_all_the_time_is_not_traced(client, tracing):
    client.get("/health/live")
    client.get("/metrics")
    client.get("/static/plumbline.css")
    assert tracing.spans == []


def test_what_was_searched_for_is_left_out(site, client, tracing):
    site.add_reading(1, name="Mustermann^Erika")
    client.get("/dicom-web/workitems?PatientName=Mustermann*&PatientID=PAT-4711&PatientBirthDate=19500102")
    client.get("/?q=Mustermann")
    client.get("/PAT-4711/Mustermann")
    client.post("/api/fhir/Patient", content=b'{"name": "Mustermann"}')
    text = json.dumps([asdict(each) for each in tracing.spans], default=str)
    assert len(tracing.spans) == 4
    assert [word for word in ("mustermann", "pat-4711", "19500102") if word in text.lower()] == []
