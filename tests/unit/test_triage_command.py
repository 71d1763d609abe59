"""``plumbline triage``: rules tried on results, with a reason for each; files that are wrong get one sentence."""

import json

import pytest
from typer.testing import CliRunner

from plumbline.cli import app
from plumbline.errors import InvalidInput, Misconfigured
from plumbline.triage.rule_file import default_rules
from plumbline.triage.rules import decide
from plumbline.triage_command import facts_of_result

RESULT = {
    "current": {"study_instance_uid": "2.25.1", "modality": "CT", "projection": None, "kind": "postoperative-spine"},
    "references": [{"role": "baseline", "study_instance_uid": "2.25.2", "comparable": True, "reasons": []}],
    "findings": [
        {
            "check": "spacer-migration",
            "level": "L4-L5",
            "status": "positive",
            "measurements": {"posterior_margin_mm": {"value": -1.5, "uncertainty_95": 0.4}, "rotation_deg": {}},
            "reference": "baseline",
            "reasons": ["It moved."],
            "sources": ["B26"],
        }
    ],
    "triage": {"priority": "STAT", "reasons": ["x"]},
    "report": {"sr": None},
}


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(RESULT))
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["triage", *map(str, arguments)], env={"COLUMNS": "200"})


def test_the_rules_decide_on_a_result_as_they_did_when_it_was_made(result):
    decision = decide(default_rules(), facts_of_result(RESULT))
    assert decision.priority.value == "STAT"
    shown = run("--result", result)
    assert shown.exit_code == 0
    assert shown.output.startswith("STAT: L4-L5: the interbody spacer reaches behind the posterior wall")
    assert "Not fired" not in shown.output


def test_explaining_gives_every_rule_with_its_reason(result):
    shown = run("--result", result, "--explain").output
    for rule in default_rules().rules:
        assert rule.name[:20] in shown
    assert "Fired: a finding with" in shown
    assert "order.red_flags contains" in shown


def test_other_rules_can_be_tried(result, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{name: r, priority: URGENT, says: It is a CT., when: {exam.modality: CT}}]\n")
    assert run("--result", result, "--rules", rules).output == "URGENT: It is a CT.\n"


def test_wrong_rules_are_told_with_line_and_reason(result, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - {name: r, priority: SOON, says: x, when: {exam.modality: CT}}\n")
    caught = run("--result", result, "--rules", rules).exception
    assert isinstance(caught, Misconfigured)
    assert "rules.yaml line 2" in str(caught)


@pytest.mark.parametrize("content", ["not JSON", "[]", "{}", '{"current": {}, "findings": [{}], "references": []}'])
def test_what_is_no_result_is_refused(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    caught = run("--result", tmp_path / "result.json").exception
    assert isinstance(caught, InvalidInput)
    assert "compare --json" in str(caught)


def test_an_exam_or_a_result_has_to_be_named(result):
    assert isinstance(run().exception, InvalidInput)
    assert isinstance(run("2.25.1", "--result", result).exception, InvalidInput)
