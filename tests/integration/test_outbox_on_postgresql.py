"""The tests of the outbox once more, on a real PostgreSQL."""

import importlib.util
from pathlib import Path

import pytest

from plumbline.adapters.database.engine import open_store

STATED = Path(__file__).parents[1] / "unit" / "pipeline" / "test_outbox.py"


def stated():
    """Module of the unit tests."""
    specification = importlib.util.spec_from_file_location("stated_outbox", STATED)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


OUTBOX = stated()
globals().update({name: what for name, what in vars(OUTBOX).items() if name.startswith("test_")})
clock, outbox, destination, dispatcher = OUTBOX.clock, OUTBOX.outbox, OUTBOX.destination, OUTBOX.dispatcher


@pytest.fixture
def store(postgres_url):
    opened = open_store(postgres_url)
    yield opened
    opened.engine.dispose()
