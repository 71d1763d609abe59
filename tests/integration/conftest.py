"""Real servers for the integration tests; ``tests.servers`` starts them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers import (
    ListenerProcess,
    OrthancServer,
    free_port,
    is_listening,
    listener_settings,
    program,
    run_listener,
    run_orthanc,
    running,
    wait_until,
)

POSTGRES_USER = "postgres"


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


@pytest.fixture
def start_listener(tmp_path: Path) -> Iterator[Callable[..., ListenerProcess]]:
    """Start a listener in the test's folder; keyword arguments are settings of its section."""
    with ExitStack() as stack:

        def start(**listener: Any) -> ListenerProcess:
            return stack.enter_context(run_listener(tmp_path, listener_settings(tmp_path, **listener)))

        yield start


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListenerProcess]:
    """One listener for the tests of a module."""
    folder = tmp_path_factory.mktemp("listener")
    with run_listener(folder, listener_settings(folder)) as process:
        yield process
