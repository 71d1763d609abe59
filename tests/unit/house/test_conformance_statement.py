"""The conformance statement is current, and every claim in it names a test that is there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def statement() -> ModuleType:
    path = Path(__file__).parents[3] / "scripts" / "conformance_statement.py"
    specification = importlib.util.spec_from_file_location("conformance_statement", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_document_is_what_the_code_and_the_template_say(house: Path, statement: ModuleType) -> None:
    written = (house / "docs" / "conformance-statement.md").read_text(encoding="utf-8")
    assert written == statement.document(), "run scripts/conformance_statement.py"


def test_every_claim_names_a_test_that_is_there(house: Path, statement: ModuleType) -> None:
    for claim, test in statement.TESTS.items():
        path, _, name = test.partition("::")
        source = (house / "tests" / path).read_text(encoding="utf-8")
        assert re.search(rf"def {name}\(", source), f"{claim}: {test}"


def test_every_ups_class_that_is_served_is_claimed_and_tested(statement: ModuleType) -> None:
    for name, _ in statement.UPS_SERVICES.values():
        assert f"{name} SCP" in statement.TESTS
    assert set(statement.UPS_SERVICES) == set(statement.SERVED)


def test_a_part_that_is_not_there_is_noticed(statement: ModuleType, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "template.md").write_text("{{no_such_part}}\n")
    monkeypatch.setattr(statement, "TEMPLATE", tmp_path / "template.md")
    with pytest.raises(KeyError):
        statement.document()
