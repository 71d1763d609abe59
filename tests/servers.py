"""Real servers for tests, from local binaries, on free loopback ports, in folders of their own.

Each is ended by its process id, and skipped with the name of the Debian package where its binary is missing.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from plumbline.adapters.database.engine import Store, create_store_engine, open_store
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.orthanc.configuration import LocalArchive
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.pipeline.ports import ReceivedInstance
from plumbline.pipeline.receive import Label
from plumbline.settings import ListenerSettings, Settings

REPOSITORY = Path(__file__).parents[1]
START_TIMEOUT_S = 90.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name: str, package: str, *further: Path) -> str:
    """Path of a binary, or skip with the package that has it."""
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, further)]))
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Poll until a condition holds; fail with ``what`` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail(f"not within {timeout_s:g} s: {what}")


def is_listening(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(
    command: list[str],
    *,
    log: Path,
    env: dict[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
    **options: object,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended by its id: the stop signal, and SIGKILL after ten seconds."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, stdout=output, stderr=output, env={**os.environ, **(env or {})}, **options
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class OrthancServer:
    """A running Orthanc."""

    archive: LocalArchive
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return self.archive.url


@contextmanager
def run_orthanc(
    folder: Path,
    *,
    listener_port: int | None = None,
    http_port: int | None = None,
    dicom_port: int | None = None,
    answers_with: int = 200,
    env: dict[str, str] | None = None,
) -> Iterator[OrthancServer]:
    """Orthanc with the project's configuration; its storage is in ``folder`` and survives a restart there."""
    binary = program("Orthanc", "orthanc")
    archive = LocalArchive(
        configuration_dir=REPOSITORY / "orthanc",
        storage_dir=folder,
        http_port=http_port or free_port(),
        dicom_port=dicom_port or free_port(),
        listener_port=listener_port or free_port(),
    )
    if missing := archive.missing_parts():
        pytest.skip(f"Orthanc plugins are not installed (Debian packages {', '.join(missing)})")
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "orthanc.log"
    with running(archive.command(binary), log=log, env=archive.environment() | (env or {})) as process:
        wait_until(
            lambda: process.poll() is not None or answers(archive.url + "/system", answers_with),
            f"Orthanc answers; {log}",
        )
        if process.returncode is not None:
            pytest.fail(f"Orthanc ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        yield OrthancServer(archive, process, log)


def answers(url: str, code: int = 200) -> bool:
    """Whether a GET is answered with this status code."""
    try:
        return httpx.get(url, timeout=2).status_code == code
    except httpx.TransportError:
        return False


LOCAL_PEERS = ("STORESCU", "DCMSEND", "ECHOSCU", "ORTHANC", "PYNETDICOM", "BENCH")


@dataclass
class ListenerProcess:
    """A running listener and what it has kept."""

    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        return self.settings.listener.port

    @property
    def index(self) -> DatabaseInstanceIndex:
        return DatabaseInstanceIndex(Store(create_store_engine(self.settings.store_url)))

    def kept(self) -> list[tuple[Label, bytes]]:
        """Every record that a reader of the journal sees."""
        tail = JournalTail(self.settings.spool_dir)
        found = []
        for name in tail.segments():
            offset = 0
            while records := tail.after(name, offset, 500):
                for record in records:
                    with tail.dataset(record) as dataset:
                        found.append((record.label, bytes(dataset)))
                offset = records[-1].end
        return found

    def bytes_of(self, instance: ReceivedInstance) -> bytes:
        """Dataset of a held instance, read as a worker reads it."""
        journal = Journal(self.settings.spool_dir)
        try:
            return journal.read(instance.location)
        finally:
            journal.close()


def listener_settings(folder: Path, **listener: Any) -> Settings:
    """Settings of a test's listener; ``listener`` overrides keys of its section."""
    values = {
        "port": free_port(),
        "metrics_port": free_port(),
        "peers": [{"ae_title": title, "addresses": ["127.0.0.1"]} for title in LOCAL_PEERS],
        "reserve_bytes": 0,
        **listener,
    }
    return Settings(data_dir=folder / "var", listener=ListenerSettings.model_validate(values))


@contextmanager
def run_listener(folder: Path, settings: Settings) -> Iterator[ListenerProcess]:
    """``python -m services.dicom_listener`` with these settings, ready when it listens."""
    folder.mkdir(parents=True, exist_ok=True)
    file, log = folder / "settings.yaml", folder / "listener.log"
    document = {"data_dir": str(settings.data_dir), "listener": settings.listener.model_dump(mode="json")}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    open_store(settings.store_url)
    command = [sys.executable, "-m", "services.dicom_listener"]
    with running(command, log=log, env={"PLUMBLINE_SETTINGS": str(file)}) as process:
        wait_until(lambda: process.poll() is not None or is_listening(settings.listener.port), "the listener listens")
        if process.returncode is not None:
            pytest.fail(f"the listener ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        yield ListenerProcess(settings, process, log)
