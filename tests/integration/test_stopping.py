"""A process that is asked to end again and again ends, also when the signals interrupt each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

CHILD = """
import signal, time
from plumbline.stopping import Stop
stopping = Stop()
stopping.on(signal.SIGTERM)
print("up", flush=True)
while not stopping.is_set:
    time.sleep(0.5)
time.sleep(0.2)
"""
BURSTS = 6
SIGNALS = 3000


def test_signals_on_top_of_each_other_do_not_block_the_end():
    for _ in range(BURSTS):
        with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with suppress(ProcessLookupError):
                for _ in range(SIGNALS):
                    os.kill(process.pid, signal.SIGTERM)
            try:
                assert process.wait(20) == 0
            finally:
                process.kill()
