from __future__ import annotations

import pytest

from plumbline.adapters.database.engine import Store, open_store
from plumbline.testing import ManualClock


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield store
    store.engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


__all__ = ["Store"]
