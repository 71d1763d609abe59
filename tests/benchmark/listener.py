"""How fast the listener receives, beside DCMTK's storescp and the local Orthanc.

Run it as ``python -m tests.benchmark.listener``.

One sender process, the same bytes to each receiver, interleaved, medians. storescp takes PDUs as long as ours
do, its best: with those of 16 KiB that it takes unless told otherwise, it stalls for some 40 ms an instance or
not at all, depending on how a sender cuts its writes. The receivers are not alike in what they promise:
storescp writes files without a flush, Orthanc indexes without one, ours answers when the instance is durable.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plumbline.adapters.database.engine import Store, create_store_engine
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.spool import JournalTail
from tests.servers import (
    answers,
    free_port,
    is_listening,
    listener_settings,
    program,
    run_listener,
    running,
    wait_until,
)

FIGURES = Path("build/figures/listener.json")
SENDER = [sys.executable, "-m", "tests.benchmark.store_sender"]
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
SIDES = {"ct": 512, "small": 64}


@dataclass(frozen=True)
class Receiver:
    """One receiver under test: where it listens and which processes work for it."""

    name: str
    port: int
    called: str
    process_id: int
    clean: Callable[[], None] = lambda: None

    def cpu_s(self) -> float:
        """Processor time of its process so far."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def resident_mib(self) -> float:
        """Memory of its process now."""
        pages = int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def send(receiver: Receiver, side: int, count: int, senders: int = 1) -> tuple[list[dict[str, float]], float]:
    """Send from so many processes at once; (what each says, CPU seconds of the receiver an instance).

    The disk is quiet when it begins: what one receiver left unflushed is not to slow the flushes of the next.
    """
    os.sync()
    command = [*SENDER, "--port", str(receiver.port), "--called", receiver.called]
    command += ["--side", str(side), "--count", str(count)]
    before = receiver.cpu_s()
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(senders)]
    said = [json.loads(process.communicate(timeout=1200)[0]) for process in processes]
    return said, (receiver.cpu_s() - before) / (count * senders)


@contextmanager
def storescp(folder: Path) -> Iterator[Receiver]:
    """DCMTK's storescp with PDUs as long as ours."""
    port, files = free_port(), folder / "storescp"
    files.mkdir()

    def clean() -> None:
        for path in files.iterdir():
            path.unlink()

    command = [program("storescp", "dcmtk"), "-aet", "STORESCP", "-pdu", "131072", "-od", str(files), str(port)]
    with running(command, log=folder / "storescp.log") as process:
        wait_until(lambda: is_listening(port), "storescp listens")
        yield Receiver("storescp", port, "STORESCP", process.pid, clean)


@contextmanager
def plain_orthanc(folder: Path) -> Iterator[Receiver]:
    """Orthanc as installed: no plugin, no routing."""
    port, http, files = free_port(), free_port(), folder / "orthanc"
    files.mkdir()
    configuration = {
        "StorageDirectory": str(files),
        "IndexDirectory": str(files),
        "DicomPort": port,
        "HttpPort": http,
        "DicomAet": "ORTHANC",
        "MaximumPduLength": 131072,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    command = [program("Orthanc", "orthanc"), str(folder / "orthanc.json")]
    with running(command, log=folder / "orthanc.log") as process:
        wait_until(lambda: answers(f"http://127.0.0.1:{http}/system"), "Orthanc answers")
        yield Receiver("Orthanc", port, "ORTHANC", process.pid)


@contextmanager
def ours(folder: Path) -> Iterator[tuple[Receiver, Any]]:
    """The listener as it is deployed, with its indexer beside it."""
    settings = listener_settings(folder)
    with run_listener(folder, settings) as listener:
        yield Receiver("Plumbline", settings.listener.port, "PLUMBLINE", listener.process.pid), settings


def rates(receivers: list[Receiver], counts: dict[str, int], runs: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Medians of (instances per second, CPU ms an instance) by receiver and size, the runs interleaved."""
    measured: dict[str, dict[str, list[tuple[float, float]]]] = {r.name: {s: [] for s in SIDES} for r in receivers}
    for _ in range(runs):
        for receiver in receivers:
            for size, side in SIDES.items():
                (said,), cpu_s = send(receiver, side, counts[size])
                measured[receiver.name][size].append((counts[size] / said["seconds"], 1000 * cpu_s))
            receiver.clean()
    return {
        name: {
            size: (statistics.median(r for r, _ in found), statistics.median(c for _, c in found))
            for size, found in sizes.items()
        }
        for name, sizes in measured.items()
    }


def four_over_one(receiver: Receiver, count: int, runs: int) -> float:
    """Rate with four associations over the rate with one; small instances, where the flush is what counts."""
    ratios = []
    for _ in range(runs):
        (one,), _ = send(receiver, SIDES["small"], count)
        four, _ = send(receiver, SIDES["small"], count, senders=4)
        ratios.append(sum(count / said["seconds"] for said in four) / (count / one["seconds"]))
    return statistics.median(ratios)


def readable_s(receiver: Receiver, settings: Any, count: int, runs: int) -> float:
    """Median time from the last answer of a CT series until every instance of it is in the ledger."""
    index = DatabaseInstanceIndex(Store(create_store_engine(settings.store_url)))
    _wait_for_indexer(index, settings)
    waits = []
    for _ in range(runs):
        (said,), _ = send(receiver, SIDES["ct"], count)
        uid = _last_uid(settings)
        while not index.find([uid]):
            time.sleep(0.005)
        waits.append(max(time.time() - said["last_answer_unix"], 0.0))
    return statistics.median(waits)


def _last_uid(settings: Any) -> str:
    tail = JournalTail(settings.spool_dir)
    name, end, uid = tail.segments()[-1], 0, ""
    while records := tail.after(name, end, 10_000):
        end, uid = records[-1].end, records[-1].label.sop_instance_uid
    return uid


def _wait_for_indexer(index: DatabaseInstanceIndex, settings: Any) -> None:
    uid = _last_uid(settings)
    wait_until(lambda: bool(index.find([uid])), "the indexer caught up", timeout_s=1200)


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ct", type=int, default=400, help="CT instances a run")
    parser.add_argument("--small", type=int, default=1000, help="small instances a run")
    parser.add_argument("--ledger", type=int, default=100_000, help="instances into one ledger; 0 leaves it out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        peers = [stack.enter_context(storescp(folder)), stack.enter_context(plain_orthanc(folder))]
        receiver, settings = stack.enter_context(ours(folder / "listener"))
        figures = measure(peers, receiver, settings, options)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


def measure(peers: list[Receiver], receiver: Receiver, settings: Any, options: argparse.Namespace) -> dict[str, float]:
    """All figures of design section 4, and the rates that the ratios come from."""
    send(receiver, SIDES["small"], 20)
    found = rates([receiver, *peers], {"ct": options.ct, "small": options.small}, options.runs)
    show(found)
    mine, scp, archive = (found[name] for name in ("Plumbline", "storescp", "Orthanc"))
    figures = {
        "ct_per_s": mine["ct"][0],
        "small_per_s": mine["small"][0],
        "ct_over_storescp": mine["ct"][0] / scp["ct"][0],
        "ct_over_orthanc": mine["ct"][0] / archive["ct"][0],
        "small_over_storescp": mine["small"][0] / scp["small"][0],
        "small_over_orthanc": mine["small"][0] / archive["small"][0],
        "ct_cpu_over_storescp": mine["ct"][1] / scp["ct"][1],
        "small_cpu_over_storescp": mine["small"][1] / scp["small"][1],
        "cpu_over_storescp": max(mine[size][1] / scp[size][1] for size in SIDES),
        "readable_s": readable_s(receiver, settings, 250, options.runs),
        "four_over_one": four_over_one(receiver, options.small, options.runs),
    }
    if options.ledger:
        figures |= one_ledger(receiver, options.ledger)
    Console().print_json(json.dumps(figures))
    return figures


def one_ledger(receiver: Receiver, count: int) -> dict[str, float]:
    """Very many instances over one association: is the last tenth as fast as the first, does memory grow?"""
    before = receiver.resident_mib()
    (said,), _ = send(receiver, SIDES["small"], count)
    return {
        "ledger_instances": count,
        "tail_over_head": said["head_seconds"] / said["tail_seconds"],
        "memory_growth_mib": receiver.resident_mib() - before,
    }


def show(found: dict[str, dict[str, tuple[float, float]]]) -> None:
    """Table for people."""
    table = Table("receiver", "CT / s", "CT CPU ms", "small / s", "small CPU ms")
    for name, sizes in found.items():
        (ct, ct_cpu), (small, small_cpu) = sizes["ct"], sizes["small"]
        table.add_row(name, f"{ct:.0f}", f"{ct_cpu:.2f}", f"{small:.0f}", f"{small_cpu:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
