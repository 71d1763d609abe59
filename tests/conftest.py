"""What holds for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgresql import STORE_VARIABLE, redirect_stores

if os.environ.get(STORE_VARIABLE) == "postgresql":
    redirect_stores()  # here, before any test imports what opens a store

settings.register_profile("developer", deadline=None)
# The same examples in every run: a change is judged by itself, not by the luck of its run.
settings.register_profile("continuous-integration", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("continuous-integration" if os.environ.get("CI") else "developer")


ON_SERVERS = ("integration", "fuzz", "faults", "browser")
"""Tiers whose tests have servers, ports and moments of their own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests (``--dist loadgroup``), what needs servers runs in one of them, in order.

    The tests of any other module stay together, for they share what the module has made.
    """
    for item in items:
        tier, *_ = item.path.relative_to(Path(__file__).parent).parts
        item.add_marker(pytest.mark.xdist_group("servers" if tier in ON_SERVERS else str(item.path)))
