"""Each outside library stays in the folder of its adapter, and no package of ours escapes the contracts on imports.

Whether the contracts are kept is asked by import-linter (``make check``).
"""

from __future__ import annotations

import ast
import tomllib
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
    "opentelemetry": ("src/plumbline/observability/otlp.py",),
    "psycopg": ("src/plumbline/adapters/database",),
    "pydicom": ("src/plumbline/adapters", "src/plumbline/reports", "src/plumbline/phantom", "src/plumbline/demo"),
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


BESIDE_THE_LAYERS = {"demo", "observability", "phantom"}
"""Packages of ours that stand in no layer (ARCHITECTURE.md, Layers)."""


def packages_in(folder: str) -> set[str]:
    return {path.parent.name for path in (HOUSE / folder).glob("*/__init__.py")}


def contracts() -> list[dict]:
    return tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def test_every_package_has_its_layer() -> None:
    layers = next(contract["layers"] for contract in contracts() if contract["type"] == "layers")
    layered = {name.removeprefix("plumbline.") for layer in layers for name in layer.split(" : ")}
    assert packages_in("src/plumbline") - layered == BESIDE_THE_LAYERS
    assert layered - packages_in("src/plumbline") == {"services", "workers"}


def test_every_adapter_and_every_service_is_kept_from_its_siblings() -> None:
    kept = {module for contract in contracts() if contract["type"] == "independence" for module in contract["modules"]}
    adapters = {f"plumbline.adapters.{name}" for name in packages_in("src/plumbline/adapters")}
    services = {f"services.{name}" for name in packages_in("services")}
    assert adapters | services | {"workers"} == kept
