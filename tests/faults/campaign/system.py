"""The real processes on loopback: started as in production, struck by faults, started again by a supervisor."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from plumbline.adapters.database.engine import Store, create_store_engine
from plumbline.demo.ports import HOST, free_ports
from plumbline.demo.processes import RunningProcess
from plumbline.demo.stack import Command, Stack, running_stack
from plumbline.pipeline.path import MEASURE_QUEUE, PATH_QUEUE
from tests.faults.campaign import POISON_VARIABLE
from tests.faults.campaign.doubling import DoublingProxy
from tests.faults.campaign.plan import Blow, Fault
from tests.postgresql import Cluster, new_database, run_cluster

RESTART_AFTER_S = 1.0
"""How soon a supervisor starts a process again that has ended."""
SERVERS = frozenset({"redis", "orthanc", "postgresql"})
"""What is away for as long as the timetable says; nobody starts it again before."""
END_S = 30.0
POISONED_APP = "tests.faults.campaign.poisoned_worker"
"""What the measuring workers run in place of ``workers.app``."""
DATABASE_OPTIONS = ("max_connections=200",)


@dataclass
class System:
    """The running system, and what has been done to it."""

    stack: Stack
    cluster: Cluster
    proxy: DoublingProxy
    database_url: str
    told: Callable[[str], None]
    source: random.Random
    struck: Counter[str] = field(default_factory=Counter)
    """Faults that were carried out, by target and blow."""
    kills: int = 0
    """Processes of the system that were killed."""
    ended_alone: Counter[str] = field(default_factory=Counter)
    """Processes that ended although nobody had struck them, by name."""
    orphans: list[int] = field(default_factory=list)
    """Process groups whose leader was killed alone."""
    _away: set[str] = field(default_factory=set)
    _expected: set[int] = field(default_factory=set)
    """Process ids that were struck."""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def store(self) -> Store:
        """A store of the observer's own."""
        return Store(create_store_engine(self.database_url))

    def strike(self, fault: Fault) -> None:
        """Carry out one fault."""
        with self._lock:
            words = self._carry_out(fault)
            self.struck[f"{fault.target} {fault.blow.value}"] += 1
            self.kills += fault.is_kill
        self.told(words)

    def look_after(self, stopping: threading.Event) -> None:
        """Start again what has ended, as a supervisor does, until asked to stop."""
        while not stopping.wait(RESTART_AFTER_S):
            with self._lock:
                for each in self.stack.group.running:
                    if each.has_ended and each.name not in self._away:
                        self._start_again(each)

    def _start_again(self, ended: RunningProcess) -> None:
        if ended.process.pid not in self._expected:
            self.ended_alone[ended.name] += 1
            self.told(f"{ended.name} ended by itself with {ended.process.returncode}: {ended.last_words()}")
        ended.start_again()

    def _carry_out(self, fault: Fault) -> str:
        match fault.blow:
            case Blow.EMPTY:
                return self._empty_redis()
            case Blow.START:
                return self._start(fault.target)
            case Blow.STOP | Blow.CRASH:
                return self._end(fault.target, is_crash=fault.blow is Blow.CRASH)
            case _:
                return self._kill(self._process(fault.target), fault.blow)

    def _process(self, name: str) -> RunningProcess:
        return next(each for each in self.stack.group.running if each.name == name)

    def _empty_redis(self) -> str:
        try:
            with Redis(HOST, self.stack.ports.redis, socket_timeout=5) as redis:
                redis.flushall()
        except (RedisError, OSError):
            return "Redis could not be emptied: it is away"
        return "emptied Redis"

    def _start(self, target: str) -> str:
        self._away.discard(target)
        if target == "postgresql":
            self.cluster.start()
        else:
            self._process(target).start_again()
        return f"started {target} again"

    def _end(self, target: str, *, is_crash: bool) -> str:
        self._away.add(target)
        if target == "postgresql":
            self.cluster.stop(signal.SIGQUIT if is_crash else signal.SIGINT)
        else:
            process = self._process(target).process
            os.killpg(process.pid, signal.SIGKILL if is_crash else signal.SIGTERM)
            process.wait(END_S)
        return f"{'crashed' if is_crash else 'stopped'} {target}"

    def _kill(self, struck: RunningProcess, blow: Blow) -> str:
        pid = struck.process.pid
        if struck.has_ended:
            return f"{struck.name} had ended already"
        if blow is Blow.KILL_CHILD and (children := children_of(pid)):
            victim = self.source.choice(children)
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            return f"killed a child of {struck.name}"
        self._expected.add(pid)
        if blow is Blow.KILL_PARENT:
            self.orphans.append(pid)
            os.kill(pid, signal.SIGKILL)
        else:
            os.killpg(pid, signal.SIGKILL)
        struck.process.wait(END_S)
        return f"killed {struck.name}" + (", its children live on" if blow is Blow.KILL_PARENT else "")


def children_of(pid: int) -> list[int]:
    """Process ids of the children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def running_system(
    folder: Path, *, poison: str, seed: int, told: Callable[[str], None], progress: Callable[[str], None]
) -> Iterator[System]:
    """Start everything, on PostgreSQL and with every message doubled; end it all at the end.

    Parameters
    ----------
    poison
        Study Instance UID of the exam that crashes its worker.
    told
        Given a line for everything that happens to the system.
    progress
        Told the name of each process before it is started.
    """
    ports = free_ports()
    os.environ[POISON_VARIABLE] = poison
    with ExitStack() as ends:
        cluster = ends.enter_context(run_cluster(*DATABASE_OPTIONS))
        proxy = DoublingProxy(ports.redis, (PATH_QUEUE, MEASURE_QUEUE))
        ends.callback(proxy.close)
        database_url = new_database(cluster.url)
        settings = {"database_url": database_url, "redis_url": proxy.url, "path": {}}
        stack = ends.enter_context(running_stack(folder, ports, progress, settings=settings, adapted=_poisoned))
        system = System(stack, cluster, proxy, database_url, told, random.Random(f"victims {seed}"))
        ends.callback(_end_orphans, system.orphans)
        stopping = threading.Event()
        supervisor = threading.Thread(target=system.look_after, args=(stopping,), name="supervisor")
        supervisor.start()
        ends.callback(supervisor.join)
        ends.callback(stopping.set)
        yield system


def _poisoned(name: str, command: Command) -> Command:
    """The measuring workers begin in the module that lets one exam crash them."""
    if name != "worker-measure":
        return command
    return [POISONED_APP if word == "workers.app" else word for word in command]


def _end_orphans(groups: Sequence[int]) -> None:
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
