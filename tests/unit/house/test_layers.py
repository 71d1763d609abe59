"""Each outside library stays in the folder of its adapter, so that it can be changed in one place.

Which of our own packages may import which is the business of import-linter (``make check``).
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]

HOMES = {
    "alembic": ("src/plumbline/adapters/database",),
    "celery": ("src/plumbline/adapters/queue", "workers"),
    "dicomweb_client": ("src/plumbline/adapters/dicomweb",),
    "fastapi": ("services/worklist_api",),
    "fhir": ("src/plumbline/adapters/fhir",),
    "highdicom": ("src/plumbline/reports",),
    "hl7": ("src/plumbline/adapters/hl7",),
    "httpx": ("src/plumbline/adapters", "src/plumbline/demo"),
    "kombu": ("src/plumbline/adapters/queue",),
    "psycopg": ("src/plumbline/adapters/database",),
    "pydicom": ("src/plumbline/adapters", "src/plumbline/reports", "src/plumbline/phantom"),
    "pynetdicom": ("src/plumbline/adapters/dimse",),
    "pyorthanc": ("src/plumbline/adapters/orthanc",),
    "redis": ("src/plumbline/adapters/queue",),
    "SimpleITK": ("src/plumbline/imaging", "src/plumbline/phantom"),
    "sqlalchemy": ("src/plumbline/adapters/database",),
    "typer": ("src/plumbline",),
    "uvicorn": ("services/worklist_api",),
}


def imported_libraries(source: str) -> set[str]:
    """Top-level names of what a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.fixture(scope="module")
def importers() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for folder in ("src", "services", "workers"):
        for path in sorted((HOUSE / folder).rglob("*.py")):
            for library in imported_libraries(path.read_text(encoding="utf-8")):
                found[library].append(path.relative_to(HOUSE).as_posix())
    return found


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_only_at_home(importers: dict[str, list[str]], library: str) -> None:
    assert [path for path in importers[library] if not path.startswith(HOMES[library])] == []


def test_an_import_inside_a_function_is_seen_too() -> None:
    assert imported_libraries("def f():\n    from celery.app import base\n    import redis.client") == {
        "celery",
        "redis",
    }
