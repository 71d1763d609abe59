"""Real servers for the integration tests; ``tests.servers`` starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.postgresql import drop_database, new_database, run_postgres
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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL cluster's maintenance database."""
    with run_postgres() as url:
        yield url


@pytest.fixture
def new_postgres_database(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Make an empty database for one test, as often as it is called; returns its SQLAlchemy URL."""
    made: list[str] = []

    def make() -> str:
        made.append(new_database(postgres_server))
        return made[-1]

    yield make
    for url in made:
        drop_database(url)


@pytest.fixture
def postgres_url(new_postgres_database: Callable[[], str]) -> str:
    """SQLAlchemy URL of an empty database of its own for one test."""
    return new_postgres_database()


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
