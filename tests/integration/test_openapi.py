"""The worklist API held to its own OpenAPI document by schemathesis: whatever is sent, no failure of ours.

Bounded: a few examples of each operation, valid and not. The answers have the statuses and media types that the
document promises, and every refusal says in one sentence why.
"""

import warnings

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from plumbline.testing import ManualClock, MemoryExamResults, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context

pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES = 10
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def application():
    clock = ManualClock()
    worklist = MemoryWorkitems(clock)
    dataset = reading_workitem(
        invented_ct_study(1),
        TriageDecision(Priority.URGENT, ("x",)),
        workitem_uid="2.25.991",
        scheduled_at=clock.now(),
        source=RetrievalSource("ORTHANC"),
    )
    worklist.upsert_reading("2.25.991", "2.25.771", dataset)
    return serve(Context(worklist, worklist.store, MemoryExamResults(), clock.now, {}))


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    schema = schemathesis.openapi.from_asgi("/openapi.json", application()).include(
        path_regex=r"^/(dicom-web|api/worklist|health)"
    )


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_whatever_is_sent_the_answer_is_one_that_the_document_knows(case):
    answer = case.call()
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code >= 400:
        said = answer.json()
        assert said["status"] == answer.status_code
        assert said["title"]
