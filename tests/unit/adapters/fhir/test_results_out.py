"""DiagnosticReport of a result, created once and replaced in place."""

import json

import httpx
import pytest

from plumbline.adapters.fhir.results_out import FhirReports, diagnostic_report
from plumbline.errors import InvalidInput, Unavailable
from plumbline.pipeline.outgoing import Routing, result_notice
from tests.unit.pipeline.outbox_cases import delivery, finished


def server(status, seen):
    def answer(request):
        seen.append(request)
        return httpx.Response(status)

    reports = FhirReports("http://fhir/base/")
    reports._client = httpx.Client(transport=httpx.MockTransport(answer))
    return reports


def test_it_says_status_conclusion_priority_and_study():
    report = diagnostic_report(result_notice(finished(1, 2), Routing({}, "http://127.0.0.1:8080")))
    said = json.loads(report.model_dump_json(exclude_none=True))
    assert (said["status"], said["conclusion"]) == ("corrected", "L4-L5: the spacer moved.")
    assert said["extension"][0]["valueCodeableConcept"]["text"] == "urgent"
    assert said["imagingStudy"][0]["identifier"]["value"] == "urn:oid:2.25.771"
    assert said["presentedForm"][0]["url"] == "http://127.0.0.1:8080/exams/2.25.771"


def test_every_revision_goes_to_the_same_report():
    seen = []
    for attempt in (1, 2):
        server(200, seen).deliver(delivery(1, attempts=attempt), ())
    assert {request.method for request in seen} == {"PUT"}
    assert {str(request.url.params["identifier"]) for request in seen} == {"urn:dicom:uid|urn:oid:2.25.991"}


@pytest.mark.parametrize(("status", "error"), [(500, Unavailable), (401, Unavailable), (422, InvalidInput)])
def test_answers_are_told_apart(status, error):
    with pytest.raises(error):
        server(status, []).deliver(delivery(1), ())
