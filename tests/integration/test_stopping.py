"""A process that is asked to end again and again ends, also when the signals interrupt each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from services.dispatcher.app import HEARTBEAT_S
from tests.servers import REPOSITORY, running, wait_until

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


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "settings.yaml"
    file.write_text(f"data_dir: {tmp_path / 'data'}\n", encoding="utf-8")
    return file


def test_the_dispatcher_ends_soon_after_it_was_asked_to(tmp_path: Path, settings: Path):
    command = [sys.executable, "-m", "services.dispatcher"]
    environment = {"PLUMBLINE_SETTINGS": str(settings)}
    with running(command, log=tmp_path / "log", env=environment, cwd=REPOSITORY) as process:
        alive = tmp_path / "data" / "dispatcher-alive"
        wait_until(lambda: alive.exists() or process.poll() is not None, "it works")
        began = time.monotonic()
        process.terminate()
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
        assert time.monotonic() - began < HEARTBEAT_S
