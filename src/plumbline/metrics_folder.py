"""A folder for the metrics of a process and its children together, where the site has not named one.

The metrics' library reads the variable when it is imported, so whoever counts is imported after this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Name a folder for this process and those that it starts; the site's own where there is one."""
    if os.environ.get(METRICS_VARIABLE):
        yield
        return
    with TemporaryDirectory(prefix="plumbline-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[METRICS_VARIABLE] = folder
        yield
