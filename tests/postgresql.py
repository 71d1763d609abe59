"""A PostgreSQL cluster for tests, and a way to run tests that name SQLite files on it.

With ``PLUMBLINE_TEST_STORE=postgresql`` every store that a test opens in its own process lies there: each SQLite URL
has a database of its own. Processes that a test starts keep the store of their settings.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from plumbline.adapters.database import engine

_migrate = engine.migrate
STORE_VARIABLE = "PLUMBLINE_TEST_STORE"
ONLY_ON_FILES = pytest.mark.skipif(
    os.environ.get(STORE_VARIABLE) == "postgresql", reason="is about the file of an SQLite database"
)
POSTGRES_USER = "postgres"
START_TIMEOUT_S = 60.0
_FAST_AND_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400")


class Cluster:
    """A PostgreSQL cluster in a folder of its own, which may be stopped and started again on the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._identity = folder, _as_postgres()
        self._data, self._log = folder / "data", folder / "postgres.log"
        self._port = _free_port()
        self._options = ("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", *options)
        initdb = [_program("initdb"), "-D", str(self._data), "-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8"]
        initdb += ["--no-sync", "--locale=C.UTF-8"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **self._identity)
        self._process: subprocess.Popen[Any] | None = None

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the maintenance database."""
        return f"postgresql+psycopg://{POSTGRES_USER}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it accepts queries."""
        command = [_program("postgres"), "-D", str(self._data), "-p", str(self._port)]
        command += [word for option in self._options for word in ("-c", option)]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd=self._folder, **self._identity)
        _wait_for(self.url)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT breaks off what is under way, SIGQUIT leaves it to recover at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


@contextmanager
def run_postgres(*options: str) -> Iterator[str]:
    """URL of the maintenance database of a cluster of its own, with further settings of the server."""
    with run_cluster(*options) as cluster:
        yield cluster.url


@contextmanager
def run_cluster(*options: str) -> Iterator[Cluster]:
    """A cluster that runs, with further settings of the server."""
    with _folder() as folder:
        cluster = Cluster(folder, *options)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def new_database(server: str, *, like: str = "template1") -> str:
    """Make a database in a cluster, empty or like another one that nobody uses; return its SQLAlchemy URL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"'.encode())
    return server.removesuffix("/postgres") + f"/{name}"


def empty_store(folder: Path) -> str:
    """SQLAlchemy URL of a store without any table, of the kind that this run of the tests is about."""
    if os.environ.get(STORE_VARIABLE) == "postgresql":
        return new_database(_server())
    return f"sqlite:///{folder / 'empty.sqlite'}"


def drop_database(url: str) -> None:
    """Remove a database, whoever is connected to it."""
    server, _, name = url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def redirect_stores() -> None:
    """Let every SQLite URL mean a PostgreSQL database; to be called before anybody imports the engine's functions."""
    real = engine.create_store_engine

    def create_store_engine(url: str) -> Engine:
        made = real(_database_of(url) if url.startswith("sqlite:///") else url)
        # No test leaves connections that the next ones lack; what a first connection is asked, these are asked, too.
        made.pool = NullPool(made.pool._creator, _dispatch=made.pool.dispatch, dialect=made.pool._dialect)
        return made

    def migrate(url: str) -> None:
        _migrated()  # before, for one migration cannot begin within another
        _migrate(url)

    engine.create_store_engine, engine.migrate = create_store_engine, migrate


@cache
def _database_of(_sqlite_url: str) -> str:
    return new_database(_server(), like=_migrated())


@cache
def _migrated() -> str:
    """Name of a database with the newest schema, to be copied: quicker than every migration each time."""
    url = new_database(_server())
    _migrate(url)
    return url.rpartition("/")[2]


@cache
def _server() -> str:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(run_postgres(*_FAST_AND_FORGETFUL))


def _program(name: str) -> str:
    installed = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *installed]))
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package postgresql)")
    return found


def _as_postgres() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: become the user that its package made."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(POSTGRES_USER)
    except KeyError:
        pytest.skip(f"no user {POSTGRES_USER} to run PostgreSQL as (Debian package postgresql)")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def _folder() -> Iterator[Path]:
    # Not under pytest's own folder: that one is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="plumbline-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, POSTGRES_USER, POSTGRES_USER)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL accepts no queries within {START_TIMEOUT_S:g} s")
            time.sleep(0.05)
