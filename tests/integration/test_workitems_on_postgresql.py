"""The contracts of the workitem store and of subscriptions once more, on a real PostgreSQL."""

import importlib.util
from pathlib import Path

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.subscriptions import DatabaseSubscriptions
from plumbline.adapters.database.workitems import DatabaseWorkitems, DatabaseWorkitemStore
from plumbline.testing import ManualClock

CONTRACTS = Path(__file__).parents[1] / "unit" / "worklist"


def contract(name: str):
    """Module of the unit tests that states a contract."""
    specification = importlib.util.spec_from_file_location(f"contract_{name}", CONTRACTS / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


STORES, SUBSCRIPTIONS = contract("test_workitem_stores"), contract("test_subscriptions")
for stated in (STORES, SUBSCRIPTIONS):
    globals().update({name: what for name, what in vars(stated).items() if name.startswith("test_")})

clock, worklist = STORES.clock, STORES.worklist


@pytest.fixture
def opened(postgres_url):
    opened = open_store(postgres_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def store(opened):
    return DatabaseWorkitemStore(opened, ManualClock())


@pytest.fixture
def desk(opened):
    clock = ManualClock()
    return SUBSCRIPTIONS.Desk(DatabaseWorkitems(opened, clock), DatabaseSubscriptions(opened, clock), clock)
