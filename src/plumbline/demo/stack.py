"""The processes of ``deploy/processes.toml``, started natively on loopback with a settings file of their own."""

from __future__ import annotations

import socket
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from plumbline.adapters.orthanc.configuration import LocalArchive
from plumbline.demo.ports import HOST, DemoPorts
from plumbline.demo.processes import ProcessGroup
from plumbline.errors import Misconfigured, Unavailable
from plumbline.metrics_folder import METRICS_VARIABLE
from plumbline.settings import SETTINGS_FILE_VARIABLE

REPOSITORY = Path(__file__).parents[3]
PROCESSES_FILE = REPOSITORY / "deploy" / "processes.toml"


@dataclass(frozen=True)
class Stack:
    """A running system on loopback."""

    ports: DemoPorts
    directory: Path
    settings_file: Path
    group: ProcessGroup

    @property
    def worklist_url(self) -> str:
        """Root of the worklist API and its pages."""
        return f"http://{HOST}:{self.ports.api}"

    @property
    def orthanc_url(self) -> str:
        """Root of Orthanc's REST API."""
        return f"http://{HOST}:{self.ports.orthanc_http}"


Command = list[str]


@contextmanager
def running_stack(
    directory: Path,
    ports: DemoPorts,
    progress: Callable[[str], None],
    *,
    settings: dict[str, Any] | None = None,
    adapted: Callable[[str, Command], Command] = lambda _name, command: command,
) -> Iterator[Stack]:
    """Start every process, wait until each is ready, and end them all at the end.

    Parameters
    ----------
    directory
        Empty folder for the data, the settings file and the logs.
    progress
        Told the name of each process before it is started.
    settings
        Further settings, over the demonstration's own.
    adapted
        Given the name and the command of each process, the command that is run.

    Raises
    ------
    Unavailable
        When a process does not start; with its last words.
    """
    settings_file = _write_settings(directory, ports, settings or {})
    stack = Stack(ports, directory, settings_file, ProcessGroup(directory / "logs"))
    try:
        for process in _described_processes():
            progress(process["name"])
            _start(stack, process, adapted)
        yield stack
    finally:
        stack.group.end()


def _described_processes() -> list[dict[str, Any]]:
    if not PROCESSES_FILE.is_file():
        raise Misconfigured("the demonstration runs from a checkout of the repository", where=str(PROCESSES_FILE))
    return tomllib.loads(PROCESSES_FILE.read_text())["process"]


def _write_settings(directory: Path, ports: DemoPorts, further: dict[str, Any]) -> Path:
    (directory / "metrics").mkdir(parents=True, exist_ok=True)
    settings = {
        "data_dir": str(directory / "data"),
        "redis_url": f"redis://{HOST}:{ports.redis}/0",
        "orthanc": {"url": f"http://{HOST}:{ports.orthanc_http}"},
        "listener": {"port": ports.listener, "metrics_port": ports.listener_metrics, "reserve_bytes": 0},
        "hl7": {"port": ports.hl7},
        "api": {"port": ports.api},
        "path": {"quiet_period_s": 1.0, "recount_after_s": 1.0, "fetch_missing_after_s": 10.0},
        "site": {"name": "demonstration", "default_issuer_of_patient_id": "PHANTOM-HOSPITAL"},
        **further,
    }
    path = directory / "plumbline.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def _start(stack: Stack, process: dict[str, Any], adapted: Callable[[str, Command], Command]) -> None:
    archive = _archive(stack)
    values = {
        "data_dir": str(stack.directory),
        "orthanc_dir": str(archive.configuration_dir),
        "listen_address": HOST,
        "redis_port": str(stack.ports.redis),
    }
    command = [part.format(**values) if "{" in part else part for part in process["command"]]
    environment = {SETTINGS_FILE_VARIABLE: str(stack.settings_file), METRICS_VARIABLE: str(stack.directory / "metrics")}
    if process["name"] == "orthanc":
        archive.storage_dir.mkdir(parents=True, exist_ok=True)
        environment = archive.environment()
    if process["kind"] == "plumbline":
        command = [sys.executable, "-m", *(command[2:] if command[0] == "python" else command)]
    stack.group.start(
        process["name"],
        adapted(process["name"], command),
        is_ready=_readiness(stack, process),
        environment=environment,
        directory=REPOSITORY if process["kind"] == "plumbline" else stack.directory,
    )


def _archive(stack: Stack) -> LocalArchive:
    archive = LocalArchive(
        configuration_dir=REPOSITORY / "orthanc",
        storage_dir=stack.directory / "orthanc",
        http_port=stack.ports.orthanc_http,
        dicom_port=stack.ports.orthanc_dicom,
        listener_port=stack.ports.listener,
    )
    missing = archive.missing_parts()
    if missing:
        raise Unavailable(f"the Debian packages {', '.join(missing)} are not installed", remedy="Run 'make setup'")
    return archive


def _readiness(stack: Stack, process: dict[str, Any]) -> Callable[[], bool]:
    """How to tell that a process works, on the port that this demonstration gave it."""
    ports = stack.ports
    by_name = {
        "redis": ports.redis,
        "orthanc": ports.orthanc_http,
        "listener": ports.listener,
        "hl7-listener": ports.hl7,
        "api": ports.api,
    }
    ready = process.get("ready", {})
    if "http" in ready:
        url = f"http://{HOST}:{by_name[process['name']]}{ready['path']}"
        return lambda: _answers(url)
    if "tcp" in ready:
        return lambda: _accepts(by_name[process["name"]])
    if "celery" in ready:
        log = stack.directory / "logs" / f"{process['name']}.log"
        return lambda: "ready" in log.read_text(errors="replace")
    return lambda: True


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2.0) as answer:
            return answer.status == HTTPStatus.OK
    except OSError:
        return False


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
