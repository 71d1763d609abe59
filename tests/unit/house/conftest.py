"""The files of the house, read once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

HOUSE = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def house() -> Path:
    return HOUSE


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    return yaml.safe_load((HOUSE / "docker-compose.yml").read_text())


@pytest.fixture(scope="session")
def processes() -> dict[str, Any]:
    return tomllib.loads((HOUSE / "deploy/processes.toml").read_text())
