"""Logs, metrics and traces, without patient data.

Metrics of all processes lie in one folder, a file for each process. Containers share the folder but not their
process ids (each has a process 1), so a file is named after the host too. This stands here because it must
come before any module of the package, or one that imports it, makes its first metric.
"""

import os
import socket
from pathlib import Path

from prometheus_client import values

from plumbline.metrics_folder import METRICS_VARIABLE, forget_ended

if _folder := os.environ.get(METRICS_VARIABLE):
    _host = socket.gethostname()
    forget_ended(Path(_folder), _host, reused=os.getpid())
    # Asked at every count of every metric, because a process may have been forked since.
    values.ValueClass = values.MultiProcessValue(lambda: f"{_host}-{os.getpid()}")
