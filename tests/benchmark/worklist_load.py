"""The load of the worklist benchmark, in processes of its own: readers that search, one that updates and is told.

``readers`` ask one of several searches without a pause, each on a connection of its own and every few searches on a
new one; ``updates`` changes workitems at a steady rate, half of them among those that the readers are shown, and
hears of each on the event channel. Both print what they measured as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import connect

SEARCHES = (
    "limit=100",
    "limit=100&offset=100",
    "limit=100&ProcedureStepState=SCHEDULED",
    "limit=100&ScheduledProcedureStepPriority=HIGH",
    "limit=100&ProcedureStepState=SCHEDULED&ScheduledWorkitemCodeSequence.CodeValue=110005",
)
"""What readers ask; each is answered with a full page of a longer list."""
SEARCHES_A_CONNECTION = 25
SHOWN = 200
"""Workitems at the top of the list that half of the updates are of."""
SUBSCRIBER = "BENCH"
GLOBAL = "1.2.840.10008.5.1.4.34.5"
MOST_UPDATES_LATE_S = 5.0


def read_for(address: str, seconds: float, pause_s: float, taken_ms: list[float], sizes: list[int]) -> None:
    """Search again and again; the last answer is unpacked and has to be a full page in order."""
    until, body = time.monotonic() + seconds, b""
    while time.monotonic() < until:
        body = _read_on_one_connection(address, until, pause_s, taken_ms)
    content = gzip.decompress(body)
    ranks = [("HIGH", "MEDIUM", "LOW").index(each["00741200"]["Value"][0]) for each in json.loads(content)]
    assert len(ranks) == 100 and ranks == sorted(ranks)
    sizes.append(len(content))


def _read_on_one_connection(address: str, until: float, pause_s: float, taken_ms: list[float]) -> bytes:
    """Some searches; the time of the first is that of connecting, too."""
    parts, body = urlsplit(address), b""
    began = time.perf_counter()
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(SEARCHES_A_CONNECTION):
            connection.sendall(_request(random.choice(SEARCHES)))
            body = _answered(connection)
            taken_ms.append((time.perf_counter() - began) * 1000)
            if pause_s:
                time.sleep(random.uniform(0, 2 * pause_s))
            if time.monotonic() >= until:
                break
            began = time.perf_counter()
    return body


def _request(search: str) -> bytes:
    lines = (
        f"GET /dicom-web/workitems?{search} HTTP/1.1",
        "Host: bench",
        "Accept: application/dicom+json",
        "Accept-Encoding: gzip",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _answered(connection: socket.socket) -> bytes:
    """Body of one answer with a length; as little work as can be, for the client shares the machine."""
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += connection.recv(1 << 18)
    status, _, headers = bytes(received[:end]).partition(b"\r\n")
    assert b" 206 " in status, status
    length = int(headers.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(received) < end + 4 + length:
        received += connection.recv(1 << 18)
    return bytes(received[end + 4 :])


def readers(arguments: argparse.Namespace) -> dict[str, object]:
    """Run the readers side by side."""
    taken_ms: list[float] = []
    sizes: list[int] = []
    with ThreadPoolExecutor(arguments.count) as side_by_side:
        reading = [
            side_by_side.submit(read_for, arguments.address, arguments.seconds, arguments.pause, taken_ms, sizes)
            for _ in range(arguments.count)
        ]
    for each in reading:
        each.result()  # a reader that was answered wrongly fails the benchmark
    return {"taken_ms": taken_ms, "bytes": max(sizes)}


async def update_and_listen(arguments: argparse.Namespace) -> dict[str, object]:
    """Change the readiness of workitems at a steady rate; note when each change is told on the channel."""
    base = f"{arguments.address}/dicom-web/workitems"
    sent: dict[str, float] = {}
    late_ms: list[float] = []
    async with httpx.AsyncClient(timeout=60) as client:
        subscribed = await client.post(f"{base}/{GLOBAL}/subscribers/{SUBSCRIBER}")
        channel_address = subscribed.headers["content-location"].replace("http", "ws", 1)
        async with connect(channel_address, max_size=None) as channel:

            async def listen() -> None:
                async for message in channel:
                    uid = json.loads(message)["00001000"]["Value"][0]
                    if uid in sent:
                        late_ms.append((time.perf_counter() - sent.pop(uid)) * 1000)

            listening = asyncio.create_task(listen())
            updates = await _updates(client, base, arguments, sent)
            deadline = time.monotonic() + MOST_UPDATES_LATE_S
            while sent and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            listening.cancel()
    return {**updates, "event_ms": late_ms, "untold": len(sent)}


async def _updates(
    client: httpx.AsyncClient, base: str, arguments: argparse.Namespace, sent: dict[str, float]
) -> dict[str, object]:
    taken_ms: list[float] = []
    under_way: set[asyncio.Task[None]] = set()

    readiness = "UNAVAILABLE" if arguments.is_warm_up else "INCOMPLETE"  # each update changes something

    async def update(uid: str) -> None:
        body = {"00404041": {"vr": "CS", "Value": [readiness]}, "00741200": {"vr": "CS", "Value": ["HIGH"]}}
        began = sent[uid] = time.perf_counter()
        answer = await client.post(f"{base}/{uid}", json=body)
        assert answer.status_code == 200, answer.text
        taken_ms.append((time.perf_counter() - began) * 1000)

    uids = await _to_be_updated(client, base, int(arguments.seconds * arguments.rate), arguments.workitems)
    began = time.perf_counter()
    for index, uid in enumerate(uids):
        await asyncio.sleep(max(0.0, began + index / arguments.rate - time.perf_counter()))
        task = asyncio.create_task(update(uid))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return {"update_ms": taken_ms, "updates_per_s": len(taken_ms) / (time.perf_counter() - began)}


async def _to_be_updated(client: httpx.AsyncClient, base: str, count: int, workitems: int) -> list[str]:
    """UIDs, half of them at the top of the list, half anywhere, each once."""
    answer = await client.get(base, params={"limit": SHOWN})
    shown = [each["00080018"]["Value"][0] for each in answer.json()]
    chosen = random.sample(shown, min(count // 2, len(shown)))
    others = {f"2.25.99{number}" for number in range(workitems)}.difference(shown)
    chosen += random.sample(sorted(others), count - len(chosen))
    random.shuffle(chosen)
    return chosen


def main() -> None:
    """Run one kind of load and print what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["readers", "updates"])
    parser.add_argument("--address", required=True)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--workitems", type=int, default=10_000)
    parser.add_argument("--warm-up", dest="is_warm_up", action="store_true")
    arguments = parser.parse_args()
    measured = readers(arguments) if arguments.kind == "readers" else asyncio.run(update_and_listen(arguments))
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main()
