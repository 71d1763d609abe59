"""Starting, watching and ending the processes of the demonstration. Only what was started here is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.errors import Unavailable

START_TIMEOUT_S = 180.0
END_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Launch:
    """How a process is started, the first time and again; its output is added to the log."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path | None
    log: Path

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, at the head of a process group of its own; raise ``Unavailable`` when it is not installed."""
        try:
            with self.log.open("ab") as output:
                return subprocess.Popen(  # ended in ProcessGroup.end()
                    list(self.command),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, **self.environment},
                    cwd=self.directory,
                    start_new_session=True,
                )
        except FileNotFoundError as error:
            reason = f"{self.command[0]} is not installed"
            raise Unavailable(reason, where=self.name, remedy="Run 'make setup'") from error


@dataclass
class RunningProcess:
    """One started process and where its output goes."""

    launch: Launch
    process: subprocess.Popen[bytes]

    @property
    def name(self) -> str:
        """What it is called in ``deploy/processes.toml``."""
        return self.launch.name

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.launch.log

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, by itself or not."""
        return self.process.poll() is not None

    def start_again(self) -> None:
        """Start it as before; returns at once."""
        self.process = self.launch.start()

    def last_words(self) -> str:
        """The last line that it wrote, for an error message."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it wrote nothing"


@dataclass
class ProcessGroup:
    """Processes that are started in order and ended in reverse order."""

    log_dir: Path
    running: list[RunningProcess] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """Start a process and wait until it is ready.

        Raises
        ------
        Unavailable
            When the program is not installed, ends at once or is not ready in time; with its last words.
        """
        self.log_dir.mkdir(parents=True, exist_ok=True)
        launch = Launch(name, command, environment or {}, directory, self.log_dir / f"{name}.log")
        launch.log.unlink(missing_ok=True)
        started = RunningProcess(launch, launch.start())
        self.running.append(started)
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if started.has_ended:
                raise Unavailable(f"it ended with {started.process.returncode}: {started.last_words()}", where=name)
            if time.monotonic() > deadline:
                raise Unavailable(f"it was not ready after {timeout_s:.0f} s: {started.last_words()}", where=name)
            time.sleep(0.1)

    def refuse_dead(self) -> None:
        """Raise ``Unavailable`` when one of them has ended by itself."""
        for each in self.running:
            if each.has_ended:
                raise Unavailable(f"it ended with {each.process.returncode}: {each.last_words()}", where=each.name)

    def end(self) -> None:
        """End all of them, the last started first; kill what does not end in time."""
        for each in reversed(self.running):
            if not each.has_ended:
                _signal(each.process, signal.SIGTERM)
                try:
                    each.process.wait(END_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    _signal(each.process, signal.SIGKILL)
                    each.process.wait()
        self.running.clear()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
