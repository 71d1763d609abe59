"""Readiness on a real Redis with real workers: it says what is missing, within the time that the settings give."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx
import pytest
import yaml

from tests.servers import REPOSITORY, free_port, is_listening, program, running, wait_until

LIMIT_S = 3.0
EVERY_S = 0.5
STATED_S = LIMIT_S + 2 * EVERY_S
"""From the end of a worker to the answer that the system is not ready: the limit, and the canary before it."""
SLACK_S = 4.0
"""For two busy cores."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class System:
    url: str
    redis: Popen[bytes]
    measure: Popen[bytes]

    def missing(self) -> dict[str, str]:
        """What is said to be missing; nothing where the system is ready."""
        answer = httpx.get(f"{self.url}/health/ready", timeout=30)
        missing = {name: words for name, words in answer.json()["checks"].items() if words != "answers"}
        assert answer.status_code == (503 if missing else 200)
        return missing

    def until(self, holds: Callable[[dict[str, str]], bool], what: str, timeout_s: float) -> float:
        began = time.monotonic()
        wait_until(lambda: holds(self.missing()), what, timeout_s)
        return time.monotonic() - began


@pytest.fixture
def system(orthanc, tmp_path: Path) -> Iterator[System]:
    """API, beat, and a worker for each queue, with impatient settings."""
    redis_port, api_port = free_port(), free_port()
    settings = {
        "data_dir": str(tmp_path / "var"),
        "redis_url": f"redis://127.0.0.1:{redis_port}/0",
        "orthanc": {"url": orthanc.url},
        "api": {"port": api_port},
        "readiness": {"canary_every_s": EVERY_S, "path_within_s": LIMIT_S, "measure_within_s": LIMIT_S},
    }
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "metrics").mkdir()
    environment = {
        "PLUMBLINE_SETTINGS": str(tmp_path / "settings.yaml"),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }

    with ExitStack() as stack:

        def start(name: str, *command: str) -> Popen[bytes]:
            log = tmp_path / f"{name}.log"
            context = running(list(command), log=log, env=environment, cwd=REPOSITORY, start_new_session=True)
            return stack.enter_context(context)

        server = program("redis-server", "redis-server")
        redis = start("redis", server, "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "")
        wait_until(lambda: is_listening(redis_port), "Redis listens")
        start("api", sys.executable, "-m", "services.worklist_api")
        celery = (sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--concurrency=1")
        start("path", *celery, "--queues=path", "--beat", f"--schedule={tmp_path}/beat", "--hostname=path@%h")
        measure = start("measure", *celery, "--queues=measure", "--hostname=measure@%h")
        stack.callback(lambda: _signal_group(measure, signal.SIGCONT))  # a stopped process cannot be ended
        wait_until(lambda: is_listening(api_port), "the API listens")
        yield System(f"http://127.0.0.1:{api_port}", redis, measure)


def _signal_group(process: Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def test_ready_means_that_every_queue_brings_something_back(system):
    system.until(lambda missing: not missing, "ready", 60)
    metrics = httpx.get(f"{system.url}/metrics").text
    assert 'plumbline_canary_round_trip_seconds{queue="measure"}' in metrics

    _signal_group(system.measure, signal.SIGSTOP)  # the process is there, and does nothing
    took_s = system.until(lambda missing: "queue measure" in missing, "measuring is missed", STATED_S + SLACK_S)
    assert took_s > EVERY_S
    missing = system.missing()
    assert missing.keys() == {"queue measure"}
    assert "the workers of 'measure' are away, or busy" in missing["queue measure"]
    assert httpx.get(f"{system.url}/health/serving").status_code == 200

    _signal_group(system.measure, signal.SIGCONT)
    system.until(lambda missing: not missing, "ready again", 20)

    system.redis.kill()
    system.redis.wait()
    system.until(lambda missing: "broker" in missing, "the broker is missed at once", 5)
    system.until(
        lambda missing: {"queue path", "queue measure"} <= missing.keys(), "queues are missed", STATED_S + SLACK_S
    )
