"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("developer", deadline=None)
# The same examples in every run: a change is judged by itself, not by the luck of its run.
settings.register_profile("continuous-integration", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("continuous-integration" if os.environ.get("CI") else "developer")
