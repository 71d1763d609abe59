"""Several processes of the worklist API on one port and one store: any may be asked for anything, one may die."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.integration.test_ups_rs import REPOSITORY, free_port, wait_until_live

PROCESSES, CHANNELS, CHANGES = 2, 6, 8
GLOBAL = "1.2.840.10008.5.1.4.34.5"
STATE = "00741000"
WITHIN_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ONE_CONNECTION_A_REQUEST = httpx.Limits(max_keepalive_connections=0)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    data_dir, port = tmp_path_factory.mktemp("several"), free_port()
    environment = {key: value for key, value in os.environ.items() if key != "PROMETHEUS_MULTIPROC_DIR"} | {
        "PLUMBLINE_DATA_DIR": str(data_dir),
        "PLUMBLINE_API__PORT": str(port),
        "PLUMBLINE_API__PROCESSES": str(PROCESSES),
    }
    process = subprocess.Popen([sys.executable, "-m", "services.worklist_api"], cwd=REPOSITORY, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_live(address, process, 2 * WITHIN_S)
        wait_until(lambda: len(serving(process.pid)) == PROCESSES)
        yield address, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) in (0, -signal.SIGTERM)


def wait_until(holds) -> None:
    until = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def serving(parent: int) -> list[int]:
    """Children that answer requests: they are the ones that multiprocessing has spawned."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    return [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


def connections(process: int, port: int) -> int:
    """TCP connections to a port that a process holds."""
    sockets = {
        line.split()[9]
        for line in Path(f"/proc/{process}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if int(line.split()[1].partition(":")[2], 16) == port and line.split()[3] == "01"
    }
    held = [str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir() if each.is_symlink()]
    return sum(1 for each in held if each.removeprefix("socket:[").removesuffix("]") in sockets)


def new_workitem(number: int) -> dict:
    texts = {"00741204": ("LO", f"Read {number}"), "00741200": ("CS", "MEDIUM"), "00404041": ("CS", "READY")}
    given = {**texts, STATE: ("CS", "SCHEDULED"), "00404005": ("DT", "20260302080000")}
    return {tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in given.items()}


async def create(address: str, number: int) -> str:
    """Create a workitem on a connection of its own, which either process may take."""
    uid = f"2.25.{number}"
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{address}/dicom-web/workitems?{uid}", json=new_workitem(number))
    assert answer.status_code == 201, answer.text
    return uid


async def heard(channel, count: int) -> list[str]:
    """Workitems of the next events, and of any that comes with them unasked."""
    found = [json.loads(await asyncio.wait_for(channel.recv(), WITHIN_S)) for _ in range(count)]
    with suppress(TimeoutError):
        found.append(json.loads(await asyncio.wait_for(channel.recv(), 0.2)))
    return [each["00001000"]["Value"][0] for each in found]


def subscribed(address: str, ae_title: str) -> str:
    answer = httpx.post(f"{address}/dicom-web/workitems/{GLOBAL}/subscribers/{ae_title}")
    assert answer.status_code == 201
    return answer.headers["content-location"]


def test_events_reach_subscribers_connected_to_another_process_once(service):
    address, parent = service
    channel_address = subscribed(address, "MANY")

    async def use() -> tuple[list[str], list[list[str]], set[bool]]:
        async with AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(connect(channel_address)) for _ in range(CHANNELS)]
            uids = [await create(address, number) for number in range(100, 100 + CHANGES)]
            told = await asyncio.gather(*(heard(channel, CHANGES) for channel in channels))
            port = int(address.rpartition(":")[2])
            return uids, told, {connections(child, port) > 0 for child in serving(parent)}

    uids, told, shares = asyncio.run(use())
    assert shares == {True}  # or nothing was shown of several processes
    assert [Counter(each) for each in told] == [Counter(uids)] * CHANNELS


def test_every_process_answers_a_search_with_what_another_has_stored(service):
    address, _ = service
    with httpx.Client(limits=ONE_CONNECTION_A_REQUEST) as client:
        for number in range(200, 206):
            uid = asyncio.run(create(address, number))
            asked = {"limit": 1, "SOPInstanceUID": uid}
            answers = [client.get(f"{address}/dicom-web/workitems", params=asked) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200] * 4
        shown = [client.get(f"{address}/dicom-web/workitems", params={"limit": 1000}).json() for _ in range(3)]
    assert shown[0] == shown[1] == shown[2]


def test_metrics_are_those_of_all_processes(service):
    address, _ = service
    with httpx.Client(limits=ONE_CONNECTION_A_REQUEST) as client:
        for _ in range(12):
            client.get(f"{address}/health/live")
    line = 'plumbline_api_requests_total{method="GET",route="/health/live",status="200"}'
    counted = [each for each in httpx.get(f"{address}/metrics").text.splitlines() if each.startswith(line)]
    assert float(counted[0].rpartition(" ")[2]) >= 12


def test_a_process_that_is_killed_costs_its_subscribers_no_event(service):
    address, parent = service
    channel_address = subscribed(address, "KILLED")

    async def use() -> tuple[list[str], set[str]]:
        told: set[str] = set()
        async with connect(channel_address) as channel:
            port = int(address.rpartition(":")[2])
            holder = next(child for child in serving(parent) if connections(child, port))
            uids = [await create(address, 300)]
            told.update(await heard(channel, 1))
            os.kill(holder, signal.SIGKILL)
        wait_until(lambda: len(serving(parent)) == PROCESSES and holder not in serving(parent))
        for number in range(301, 304):
            uids.append(await create(address, number))
        async with connect(channel_address) as channel:
            while told != set(uids):
                told.add(json.loads(await asyncio.wait_for(channel.recv(), WITHIN_S))["00001000"]["Value"][0])
        return uids, told

    uids, told = asyncio.run(use())
    assert told == set(uids)
