"""Exams an hour with one measuring worker process and with two, and what an exam costs besides: ``make bench-scale``.

The real processes run on PostgreSQL. The measuring workers take nothing until every exam has arrived and waits to be
compared, so that only they are timed; the quick steps that follow each comparison run beside them, as they do at work.
Writes ``build/figures/scale.json``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from celery import Celery
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from plumbline.adapters.database.engine import Store, create_store_engine
from plumbline.adapters.database.tables import StepRow
from plumbline.demo.figures import write_figures
from plumbline.demo.patients import WrittenExam, write_cohort
from plumbline.demo.ports import HOST, free_ports
from plumbline.demo.processes import RunningProcess
from plumbline.demo.run import COHORT_CACHE
from plumbline.demo.sending import send
from plumbline.demo.stack import Command, Stack, running_stack
from plumbline.demo.watching import Watch
from plumbline.pipeline.path import MEASURE_QUEUE
from plumbline.pipeline.ports import StepName
from tests.postgresql import new_database, run_cluster
from tests.servers import wait_until

PATIENTS = ("MovedBack", "InCanal", "Subsided", "WrongLevel", "TwoHalves")
"""Of the cohort: each has a baseline and a follow-up of full size, and both are measured."""
WORKERS = (1, 2)
MEASURING, MEASURING_NODE = "worker-measure", "measure@"
SERVERS = frozenset({"orthanc", "redis"})
IDLE_S = 20.0
"""How long the processes are watched while there is nothing to do."""
WAIT_S = 1200.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
SESSION, USER_S = 3, 11
"""Fields of ``/proc/PID/stat`` behind the name: the session, and the first of four processor times."""


@dataclass(frozen=True)
class Run:
    """What one number of workers came to.

    Parameters
    ----------
    measuring_s
        From the moment at which the workers begin until the last exam was compared.
    measuring_cpu_s, other_cpu_s, servers_cpu_s
        Processor time of the measuring workers, of our other processes beyond what they take when idle, and of the
        archive and the broker.
    idle_share
        Share of one core that our other processes take when there is nothing to do.
    """

    workers: int
    exams: int
    measuring_s: float
    measuring_cpu_s: float
    other_cpu_s: float
    servers_cpu_s: float
    idle_share: float

    @property
    def exams_per_h(self) -> float:
        """Rate at which exams are compared."""
        return 3600 * self.exams / self.measuring_s


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time so far, and when they were read."""

    measuring_s: float
    other_s: float
    servers_s: float
    at_s: float


def processor_s(session: int) -> float:
    """Processor time of a session of processes, of those too that have ended in it."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[SESSION]) == session:
            total += sum(map(int, fields[USER_S : USER_S + 4]))
    return total / CLOCK_TICKS


def usage(processes: Sequence[RunningProcess]) -> Usage:
    """What the processes of a stack have used."""
    by_name = {each.name: processor_s(each.process.pid) for each in processes}
    servers = sum(by_name[name] for name in SERVERS)
    measuring = by_name[MEASURING]
    return Usage(measuring, sum(by_name.values()) - servers - measuring, servers, time.monotonic())


@contextmanager
def stack_of(workers: int, database_url: str) -> Iterator[Stack]:
    """The whole system with so many measuring processes."""

    def with_workers(name: str, command: Command) -> Command:
        if name != MEASURING:
            return command
        return [f"--concurrency={workers}" if part.startswith("--concurrency=") else part for part in command]

    with (
        tempfile.TemporaryDirectory(prefix="plumbline-scale-") as folder,
        running_stack(
            Path(folder),
            free_ports(),
            lambda _name: None,
            settings={"database_url": database_url},
            adapted=with_workers,
        ) as stack,
    ):
        yield stack


def compared(store: Store, *states: str) -> int:
    """How many comparisons are in one of these states."""
    wanted = select(func.count()).where(StepRow.name == StepName.COMPARE.value, StepRow.state.in_(states))
    with store.read() as session:
        return session.scalar(wanted) or 0


def last_compared(store: Store) -> datetime:
    """When the last comparison ended."""
    wanted = select(func.max(StepRow.finished_at)).where(StepRow.name == StepName.COMPARE.value)
    with store.read() as session:
        found = session.scalar(wanted)
    assert found is not None, "something was compared"
    return found


def measure(workers: int, exams: Sequence[WrittenExam], database_url: str) -> Run:
    """Send all exams, let them wait, then compare them with so many processes."""
    with stack_of(workers, database_url) as stack:
        store, processes = Store(create_store_engine(database_url)), stack.group.running
        gate = Celery(broker=f"redis://{HOST}:{stack.ports.redis}/0").control
        measuring = [name for reply in gate.ping() for name in reply if name.startswith(MEASURING_NODE)]
        gate.cancel_consumer(MEASURE_QUEUE, destination=measuring, reply=True)
        idle = usage(processes)
        time.sleep(IDLE_S)
        before = usage(processes)
        for exam in exams:
            send(exam.files, port=stack.ports.orthanc_dicom)
        wait_until(lambda: compared(store, "ready") == len(exams), "every exam waits to be compared", timeout_s=WAIT_S)
        began = datetime.now(UTC)
        gate.add_consumer(MEASURE_QUEUE, destination=measuring, reply=True)
        _wait_for_ends(stack, database_url, exams)
        after = usage(processes)
        idle_share = (before.other_s - idle.other_s) / (before.at_s - idle.at_s)
        return Run(
            workers,
            len(exams),
            measuring_s=(last_compared(store) - began).total_seconds(),
            measuring_cpu_s=after.measuring_s - before.measuring_s,
            other_cpu_s=after.other_s - before.other_s - idle_share * (after.at_s - before.at_s),
            servers_cpu_s=after.servers_s - before.servers_s,
            idle_share=idle_share,
        )


def _wait_for_ends(stack: Stack, database_url: str, exams: Sequence[WrittenExam]) -> None:
    Watch(database_url, stack.worklist_url, stack.orthanc_url).wait(
        [(each.exam.header.study_instance_uid, 1) for each in exams],
        timeout_s=WAIT_S,
        progress=lambda _done: None,
        still_alive=stack.group.refuse_dead,
    )


def figures_of(runs: Sequence[Run]) -> dict[str, float]:
    """The figures of design section 4, and what they rest on."""
    one, two = runs
    exams = one.exams + two.exams
    return {
        "exams": exams,
        **{f"exams_per_h_{run.workers}": round(run.exams_per_h, 1) for run in runs},
        "two_over_one": round(two.exams_per_h / one.exams_per_h, 3),
        "overhead_cpu_s": round((one.other_cpu_s + two.other_cpu_s) / exams, 3),
        "servers_cpu_s": round((one.servers_cpu_s + two.servers_cpu_s) / exams, 3),
        "measuring_cpu_s": round((one.measuring_cpu_s + two.measuring_cpu_s) / exams, 2),
        "idle_core_share": round((one.idle_share + two.idle_share) / 2, 4),
    }


def main() -> None:
    """Measure with each number of workers, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", nargs="+", choices=PATIENTS, default=PATIENTS)
    options = parser.parse_args()
    console = Console(highlight=False)
    console.print("Virtual patients (rendered once, then kept) ...")
    patients = write_cohort(COHORT_CACHE, lambda _done, _total: None, names=options.patients)
    exams = [exam for patient in patients for exam in patient.exams]
    runs = []
    with run_cluster() as cluster:
        for workers in WORKERS:
            console.print(f"{len(exams)} exams, measuring processes: {workers} ...")
            runs.append(measure(workers, exams, new_database(cluster.url)))
    table = Table("measuring processes", "exams / h", "CPU s an exam: measuring", "other", "archive and broker")
    for run in runs:
        cells = (run.measuring_cpu_s, run.other_cpu_s, run.servers_cpu_s)
        table.add_row(str(run.workers), f"{run.exams_per_h:.0f}", *(f"{cell / run.exams:.2f}" for cell in cells))
    console.print(table)
    console.print(f"Figures: {write_figures('scale', figures_of(runs))}")


if __name__ == "__main__":
    main()
