"""How soon a search is answered and an event is told, while many read and some write.

Run it as ``python -m tests.benchmark.worklist``. The worklist API runs as its own process on a store with
10,000 readings; 20 readers ask for 100 in reading order by five different searches without a pause while 20
workitems a second are updated over UPS-RS, half of them among those shown, and one subscriber listens on the event
channel. Each reading lists every instance of a lumbar CT and of its SR, as the path writes it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import event

from plumbline.adapters.database.engine import Store, open_store
from plumbline.adapters.database.workitems import DatabaseWorkitemStore
from plumbline.observability.clock import SystemClock
from plumbline.testing import invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.workitem import Workitem
from tests.servers import free_port

FIGURES = Path("build/figures/worklist.json")
LOAD = [sys.executable, "-m", "tests.benchmark.worklist_load"]
WORKITEMS, READERS, UPDATES_PER_S = 10_000, 20, 20
SHARES = {Priority.STAT: 0.03, Priority.URGENT: 0.17, Priority.ROUTINE: 0.80}
WARM_UP_S = 2.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def fill(store: Store, count: int, instances: int) -> None:
    """Put invented readings onto the worklist, a minute apart."""
    workitems = DatabaseWorkitemStore(store, SystemClock())
    draw = random.Random(6)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        at = began + timedelta(minutes=number)
        priority = draw.choices(list(SHARES), list(SHARES.values()))[0]
        dataset = reading_workitem(
            invented_ct_study(number, instance_count=instances),
            TriageDecision(priority, ("L4-L5: the interbody spacer is not where it was in the baseline exam.",)),
            workitem_uid=f"2.25.99{number}",
            scheduled_at=at,
            source=RetrievalSource("ORTHANC", "http://127.0.0.1:8042/dicom-web"),
            patient_name="Example^Ada",
        )
        workitems.add(Workitem(f"2.25.99{number}", dataset, created_at=at, updated_at=at))


@contextmanager
def api(store_url: str, data_dir: Path, processes: int = 1) -> Iterator[tuple[str, int]]:
    """The worklist API in processes of its own; yields its address and the id of the first."""
    port = free_port()
    environment = {
        **os.environ,
        "PLUMBLINE_DATA_DIR": str(data_dir),
        "PLUMBLINE_DATABASE_URL": store_url,
        "PLUMBLINE_API__PORT": str(port),
        "PLUMBLINE_API__PROCESSES": str(processes),
    }
    process = subprocess.Popen([sys.executable, "-m", "services.worklist_api"], env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_live(address)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_live(address: str) -> None:
    """Until it answers, and has read the board that it reads once when it starts."""
    for _ in range(400):
        try:
            httpx.get(f"{address}/", timeout=120).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the worklist API did not start")


def cpu_s(process_id: int) -> float:
    """Processor time of a process and its children so far."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return _cpu_s_of(process_id) + sum(cpu_s(int(child)) for child in children)


def _cpu_s_of(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def load(address: str, seconds: float, options: argparse.Namespace, *, is_warm_up: bool = False) -> dict[str, Any]:
    """Readers and updates side by side; what they measured."""
    common = ["--address", address, "--seconds", str(seconds), *(["--warm-up"] if is_warm_up else [])]
    updating = [*LOAD, "updates", *common, "--rate", str(UPDATES_PER_S), "--workitems", str(options.workitems)]
    reading = [*LOAD, "readers", *common, "--count", str(READERS), "--pause", str(options.pause)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in (updating, reading)]
    measured: dict[str, Any] = {}
    for process in processes:
        said, _ = process.communicate(timeout=seconds + 120)
        if process.returncode != 0:
            raise RuntimeError("a load process failed; its reason is above")
        measured |= json.loads(said)
    return measured


def percentile(values: Sequence[float], share: float) -> float:
    """Value below which so large a share of the values lies."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def figures_of(measured: dict[str, Any], alone_ms: Sequence[float], options: argparse.Namespace) -> dict[str, float]:
    """Figures, flat, with their units in the keys."""
    taken, events = measured["taken_ms"], measured["event_ms"]
    return {
        "workitems": options.workitems,
        "readers": READERS,
        "reader_pause_s": options.pause,
        "api_processes": options.processes,
        "instances_per_workitem": options.instances,
        "answer_mib": round(measured["bytes"] / 2**20, 3),
        "search_alone_p50_ms": round(statistics.median(alone_ms), 2),
        "search_p50_ms": round(statistics.median(taken), 2),
        "search_p95_ms": round(percentile(taken, 0.95), 2),
        "searches_per_s": round(len(taken) / options.seconds, 1),
        "api_cpu_ms_per_search": round(measured["api_cpu_s"] * 1000 / len(taken), 2),
        "cpu_load_average": round(os.getloadavg()[0], 1),
        "updates_per_s": round(measured["updates_per_s"], 2),
        "update_p95_ms": round(percentile(measured["update_ms"], 0.95), 2),
        "event_p50_ms": round(statistics.median(events), 2),
        "event_p95_ms": round(percentile(events, 0.95), 2),
        "events": len(events),
        "events_untold": measured["untold"],
    }


def search_alone(address: str) -> list[float]:
    """Times of single searches with nothing else going on, in ms."""
    taken = []
    with httpx.Client(timeout=60) as client:
        for _ in range(20):
            began = time.perf_counter()
            client.get(f"{address}/dicom-web/workitems", params={"limit": 100}).raise_for_status()
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def show(figures: dict[str, float]) -> None:
    """Print the table for people."""
    table = Table("figure", "value", title="Worklist under load")
    for name, value in figures.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)


def main() -> None:
    """Fill, load, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workitems", type=int, default=WORKITEMS)
    parser.add_argument("--instances", type=int, default=120)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--pause", type=float, default=0, help="mean pause of a reader between two searches, s")
    parser.add_argument("--processes", type=int, default=1, help="of the API")
    parser.add_argument("--database-url", help="an empty PostgreSQL database in place of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        url = options.database_url or f"sqlite:///{directory}/store.sqlite"
        store = open_store(url)
        if url.startswith("sqlite"):  # filling is not measured
            event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        fill(store, options.workitems, options.instances)
        store.engine.dispose()
        with api(url, Path(directory), options.processes) as (address, process_id):
            alone = search_alone(address)
            load(address, WARM_UP_S, options, is_warm_up=True)
            before = cpu_s(process_id)
            measured = load(address, options.seconds, options)
            measured["api_cpu_s"] = cpu_s(process_id) - before
            figures = figures_of(measured, alone, options)
    show(figures)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
