"""A folder for the metrics of a process and its children together, where the site has not named one.

The metrics' library reads the variable when it is imported, so whoever counts is imported after this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PROCESSES = Path("/proc")


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Name a folder for this process and those that it starts; the site's own where there is one."""
    if os.environ.get(METRICS_VARIABLE):
        yield
        return
    with TemporaryDirectory(prefix="plumbline-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[METRICS_VARIABLE] = folder
        yield


def forget_ended(folder: Path, host: str, *, reused: int | None = None) -> None:
    """Remove what processes of this host that have ended said is open now; what they counted stays.

    Parameters
    ----------
    host
        Name of this host, or container: those of others cannot be asked about.
    reused
        Process id of one that begins only now: what is there under its number is of an earlier one.
    """
    for file in folder.glob(f"gauge_live*_{host}-*.db"):
        pid = file.stem.rpartition("-")[2]
        if pid == str(reused) or not (PROCESSES / pid).exists():
            file.unlink(missing_ok=True)
