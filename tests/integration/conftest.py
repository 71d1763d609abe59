"""Real servers for the integration tests, from local binaries, on free loopback ports, in folders of their own.

Each is started once a session, ended by its process id, and skipped with the name of the Debian package
where its binary is missing.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from plumbline.adapters.orthanc.configuration import LocalArchive

REPOSITORY = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
POSTGRES_USER = "postgres"


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
    folder: Path, *, listener_port: int | None = None, http_port: int | None = None, dicom_port: int | None = None
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
    with running(archive.command(binary), log=log, env=archive.environment()) as process:
        wait_until(lambda: process.poll() is not None or answers(archive.url + "/system"), f"Orthanc answers; {log}")
        if process.returncode is not None:
            pytest.fail(f"Orthanc ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        yield OrthancServer(archive, process, log)


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """One Orthanc for the session; its auto-routing aims at a port where nobody listens."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty Redis."""
    binary = program("redis-server", "redis-server")
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with running(command, log=folder / "redis.log"):
        wait_until(lambda: is_listening(port), "Redis listens")
        yield f"redis://127.0.0.1:{port}/0"


def _as_postgres() -> dict[str, object]:
    """PostgreSQL refuses to run as root: become the user that its package made."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(POSTGRES_USER)
    except KeyError:
        pytest.skip(f"no user {POSTGRES_USER} to run PostgreSQL as (Debian package postgresql)")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def _postgres_folder() -> Iterator[Path]:
    # Not under pytest's own folder: that one is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="plumbline-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, POSTGRES_USER, POSTGRES_USER)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL cluster's maintenance database."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb = program("initdb", "postgresql", *installed)
    postgres = program("postgres", "postgresql", *installed)
    identity = _as_postgres()
    port = free_port()
    with _postgres_folder() as folder:
        data, log = folder / "data", folder / "postgres.log"
        subprocess.run(
            [
                initdb,
                "-D",
                str(data),
                "-U",
                POSTGRES_USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
                "--locale=C.UTF-8",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **identity,  # type: ignore[call-overload]
        )
        command = [postgres, "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
        command += ["-c", f"unix_socket_directories={folder}"]
        with running(command, log=log, stop=signal.SIGINT, cwd=folder, **identity):  # fast shutdown
            url = f"postgresql+psycopg://{POSTGRES_USER}@127.0.0.1:{port}/postgres"
            wait_until(lambda: _accepts_queries(url), "PostgreSQL accepts queries")
            yield url


def _accepts_queries(url: str) -> bool:
    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """SQLAlchemy URL of an empty database of its own for one test."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield postgres_server.removesuffix("/postgres") + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
