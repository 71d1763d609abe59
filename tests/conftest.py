"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.postgresql import STORE_VARIABLE, redirect_stores

if os.environ.get(STORE_VARIABLE) == "postgresql":
    redirect_stores()  # here, before any test imports what opens a store

settings.register_profile("developer", deadline=None)
# The same examples in every run: a change is judged by itself, not by the luck of its run.
settings.register_profile("continuous-integration", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("continuous-integration" if os.environ.get("CI") else "developer")
