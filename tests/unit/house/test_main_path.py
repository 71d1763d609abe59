"""docs/main-path.md must lead to the code: every function and class that it names is defined where it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[3] / "docs" / "main-path.md"
NAMED_LINK = re.compile(r"\[`(\w+)`\]\(([^)#]+\.py)\)")
STOPS = 9


def named_links() -> list[tuple[str, str]]:
    return NAMED_LINK.findall(DOCUMENT.read_text(encoding="utf-8"))


def test_every_stop_names_at_least_one_function():
    stops = re.split(r"^\d+\. ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(stops) == STOPS
    assert all(NAMED_LINK.search(stop) for stop in stops)


@pytest.mark.parametrize(("name", "target"), named_links())
def test_a_named_function_is_defined_where_the_link_leads(name, target):
    path = (DOCUMENT.parent / target).resolve()
    assert path.is_file(), f"{target} does not exist"
    defined = {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    assert name in defined
