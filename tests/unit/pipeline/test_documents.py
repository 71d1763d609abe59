"""What steps leave for the next one comes back as it was; what leaves the house has the contract's form."""

from __future__ import annotations

import json
from datetime import date

import pytest

from plumbline.anatomy.levels import Level
from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.checks.finding import CheckName, Finding, Measurement, Status, TrackedImplant
from plumbline.exams.facts import SourceKind
from plumbline.exams.order import Plan
from plumbline.exams.recognition import ExamKind, Recognition, SeriesRole
from plumbline.pipeline import documents
from plumbline.pipeline.documents import Comparison, result_document
from plumbline.priors.choice import Reference, ReferenceChoice, Role
from plumbline.triage.facts import Facts
from plumbline.triage.priority import Priority, TriageDecision

FINDING = Finding(
    CheckName.SPACER_MIGRATION,
    "L4-L5",
    Status.POSITIVE,
    ("It lies elsewhere.",),
    {"translation_mm": Measurement(3.123456, 0.412345)},
    reference="baseline",
    sources=("B26",),
    implant=TrackedImplant("2.25.3", "Interbody spacer L4-L5", "interbody-spacer"),
    geometry={"displacement": ((0.0, 1.0, 2.0), (3.0, 4.0, 5.25))},
)
NUMBERING = Numbering((Labelling(("L4", "L5", "S1"), 0.9), Labelling(("L3", "L4", "S1"), 0.1)), "sacrum", "A doubt.")
COMPARISON = Comparison(
    (FINDING, Finding(CheckName.LEVEL_ERROR, None, Status.FAILED, ("It broke off.",))),
    NUMBERING,
    ("L4", "L5", "S1"),
    {"2.25.1": "2.25.1.1"},
    {"2.25.1": (1.0, 2.0, 3.5)},
    hardware_seen=True,
    warnings=("One series was left out.",),
)
CHOICE = ReferenceChoice(
    (
        Reference("2.25.5", Role.BASELINE, True, 0.91234, {"time": 0.5}, ("The first one.",), is_partial=True),
        Reference("2.25.6", None, False, 0.1, {}, ("Of another modality.",)),
    ),
    {Role.PREOPERATIVE: "None was found."},
    ("The operation of March counts.",),
)
PLAN = Plan((Level.parse("L4-L5"),), ("TLIF",), "left", date(2026, 3, 2), SourceKind.HEADER_TEXT, "TLIF L4-L5")
RECOGNITION = Recognition(
    kind=ExamKind.POSTOPERATIVE_SPINE,
    modality="CT",
    projection=None,
    position=None,
    levels_in_view=("L4", "L5"),
    series=(SeriesRole("1.2", True, 1.0, "", "lateral", modality="DX", views=(("lateral", "standing"), ("ap", None))),),
    reasons=("It says so.",),
)
DECISION = TriageDecision(Priority.URGENT, ("It has moved.",), ("migration",))


def through_json(document):
    return json.loads(json.dumps(document))


@pytest.mark.parametrize(
    ("value", "write", "read"),
    [
        pytest.param(COMPARISON, documents.comparison_document, documents.comparison_from_document, id="comparison"),
        pytest.param(Comparison(()), documents.comparison_document, documents.comparison_from_document, id="nothing"),
        pytest.param(CHOICE, documents.choice_document, documents.choice_from_document, id="choice"),
        pytest.param(PLAN, documents.plan_document, documents.plan_from_document, id="plan"),
        pytest.param(None, documents.plan_document, documents.plan_from_document, id="no plan"),
        pytest.param(DECISION, documents.decision_document, documents.decision_from_document, id="decision"),
        pytest.param(
            RECOGNITION, documents.recognition_document, documents.recognition_from_document, id="recognition"
        ),
    ],
)
def test_what_is_stored_comes_back_as_it_was(value, write, read):
    assert read(through_json(write(value))) == value


def test_the_result_is_the_contracts_document():
    document = through_json(
        result_document(
            study_instance_uid="2.25.1",
            recognition=RECOGNITION,
            comparison=COMPARISON,
            choice=CHOICE,
            decision=DECISION,
            sr_path="sr.dcm",
        )
    )
    current = document["current"]
    assert (current["study_instance_uid"], current["modality"]) == ("2.25.1", "CT")
    assert current["levels_in_view"] == ["L4", "L5", "S1"], "what was seen in the images, not what the header says"
    assert current["numbering"] == {"anchor": "sacrum", "confidence": 0.9, "conflict": "A doubt."}
    assert [each["role"] for each in document["references"]] == ["baseline"]
    assert [each["study_instance_uid"] for each in document["considered"]] == ["2.25.6"]
    assert document["missing"] == {"preoperative": "None was found."}
    assert document["findings"][0]["measurements"] == {"translation_mm": {"value": 3.12, "uncertainty_95": 0.41}}
    assert "geometry" not in document["findings"][0]
    assert document["triage"] == {"priority": "URGENT", "reasons": ["It has moved."], "rules": ["migration"]}
    assert document["report"] == {"sr": "sr.dcm"}


def test_an_exam_that_could_not_be_numbered_says_so_in_the_same_form():
    document = result_document(
        study_instance_uid="2.25.1",
        recognition=RECOGNITION,
        comparison=Comparison(()),
        choice=ReferenceChoice(()),
        decision=DECISION,
        sr_path=None,
    )
    assert document["current"]["numbering"] == {"anchor": None, "confidence": 0.0, "conflict": None}
    assert document["current"]["levels_in_view"] == ["L4", "L5"]


def test_facts_come_back_as_the_rules_saw_them():
    facts = Facts({"exam.modality": "CT", "order.red_flags": frozenset({"infection"}), "exam.phase": None}, (FINDING,))
    stored = json.loads(json.dumps(documents.facts_document(facts)))
    assert documents.facts_from_document(stored, [FINDING]) == facts
