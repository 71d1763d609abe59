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
RATE, CPU = 0, 1
SETTLING_S = 5.0
"""Between two sizes: time to write what is left of the first."""


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


Measured = dict[str, dict[str, list[tuple[float, float]]]]
"""By receiver and size, of each round: (instances per second, CPU ms an instance)."""


def rates(receivers: list[Receiver], counts: dict[str, int], runs: int) -> Measured:
    """What each receiver reaches, the receivers in turn.

    One size after the other: what a receiver still has to write of one is not counted with the next.
    """
    measured: Measured = {r.name: {s: [] for s in SIDES} for r in receivers}
    for size, side in SIDES.items():
        for _ in range(runs):
            for receiver in receivers:
                (said,), cpu_s = send(receiver, side, counts[size])
                measured[receiver.name][size].append((counts[size] / said["seconds"], 1000 * cpu_s))
                receiver.clean()
        time.sleep(SETTLING_S)
    return measured


def ratio(measured: Measured, peer: str, size: str, which: int) -> float:
    """Median over the rounds of ours over the peer's in the same round; a round is shorter than a machine's moods."""
    ours_and_theirs = zip(measured["Plumbline"][size], measured[peer][size], strict=True)
    return statistics.median(mine[which] / theirs[which] for mine, theirs in ours_and_theirs)


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
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--ct", type=int, default=250, help="CT instances a run")
    parser.add_argument("--small", type=int, default=1000, help="small instances a run")
    parser.add_argument("--ledger", type=int, default=100_000, help="instances into one ledger; 0 leaves it out")
    parser.add_argument("--ledgers", type=int, default=3, help="how many ledgers are filled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        peers = [stack.enter_context(storescp(folder)), stack.enter_context(plain_orthanc(folder))]
        receiver, settings = stack.enter_context(ours(folder / "listener"))
        figures = measure(peers, receiver, settings, options)
    if options.ledger:
        figures |= fill_ledgers(options.ledger, options.ledgers)
    Console().print_json(json.dumps(figures))
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


def measure(peers: list[Receiver], receiver: Receiver, settings: Any, options: argparse.Namespace) -> dict[str, float]:
    """The figures of design section 4 beside other receivers, and the rates that the ratios come from."""
    send(receiver, SIDES["small"], 20)
    found = rates([receiver, *peers], {"ct": options.ct, "small": options.small}, options.runs)
    show(found)
    cpu = {f"{size}_cpu_over_storescp": ratio(found, "storescp", size, CPU) for size in SIDES}
    return {
        **{f"{size}_per_s": statistics.median(one[RATE] for one in found["Plumbline"][size]) for size in SIDES},
        **{
            f"{size}_over_{peer.lower()}": ratio(found, peer, size, RATE)
            for size in SIDES
            for peer in ("storescp", "Orthanc")
        },
        **cpu,
        "cpu_over_storescp": max(cpu.values()),
        "readable_s": readable_s(receiver, settings, 250, options.runs),
        "four_over_one": four_over_one(receiver, options.small, options.runs),
    }


def fill_ledgers(count: int, ledgers: int) -> dict[str, float]:
    """Medians of ``one_ledger`` over listeners that begin with nothing: is the last tenth as fast as the first?"""
    found = []
    for _ in range(ledgers):
        with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as name, ours(Path(name)) as (receiver, _settings):
            send(receiver, SIDES["small"], 20)
            found.append(one_ledger(receiver, count))
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def one_ledger(receiver: Receiver, count: int) -> dict[str, float]:
    """Very many instances over one association: is the last tenth as fast as the first, does memory grow?"""
    before = receiver.resident_mib()
    (said,), _ = send(receiver, SIDES["small"], count)
    return {
        "ledger_instances": count,
        "tail_over_head": said["head_seconds"] / said["tail_seconds"],
        "memory_growth_mib": receiver.resident_mib() - before,
    }


def show(found: Measured) -> None:
    """Table for people: medians."""
    table = Table("receiver", "CT / s", "CT CPU ms", "small / s", "small CPU ms")
    for name, sizes in found.items():
        cells = [statistics.median(one[which] for one in sizes[size]) for size in SIDES for which in (RATE, CPU)]
        table.add_row(name, f"{cells[0]:.0f}", f"{cells[1]:.2f}", f"{cells[2]:.0f}", f"{cells[3]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
