"""Opening the store, on PostgreSQL or SQLite, with the settings each needs to be trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from plumbline.errors import Unavailable

_BUSY_TIMEOUT_S = 30
_CONNECTIONS_KEPT = 40
"""Of an embedded database: as many as a web server has threads, for each new one is prepared anew."""
_ONLY_READS = "plumbline_only_reads"
_NOT_KEPT = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000|[\ud800-\udfff]")
"""In JSON text: an escape of NUL (and not a backslash before ``u0000``), or half of a surrogate pair."""


def create_store_engine(url: str) -> Engine:
    """Engine for a SQLAlchemy URL.

    SQLite runs in WAL mode with ``synchronous=FULL`` and takes its write lock at BEGIN, so that a
    transaction that reads before it writes cannot fail half-way with a busy database.
    """
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, json_serializer=json_text)
    database = url.partition("sqlite:///")[2]
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    several = {"pool_size": _CONNECTIONS_KEPT} if database and database != ":memory:" else {}
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S}, json_serializer=json_text, **several)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def json_text(document: object) -> str:
    """A document as JSON that both stores take and give back alike.

    PostgreSQL's text has no NUL and no half of a surrogate pair; both come from broken headers and are dropped. A
    number that JSON does not have (NaN) raises ``ValueError``.
    """
    written = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return written if _is_kept_as_it_is(written) else _NOT_KEPT.sub(r"\1", written)


def _is_kept_as_it_is(written: str) -> bool:
    """Whether a text has nothing to drop; told faster than by going through it letter by letter."""
    try:
        written.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return "\\u0000" not in written


def _begin_sqlite(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get(_ONLY_READS, False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _prepare_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # BEGIN is ours to say
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def migrate(url: str) -> None:
    """Bring the store to the newest schema; safe to call from several processes at once."""
    config = Config()
    config.set_main_option("script_location", "plumbline.adapters.database:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except OperationalError as error:
        raise Unavailable("the database does not answer", remedy="Check database_url and that it runs") from error


class _Turns:
    """Lets the threads of this process write to an embedded database one after another.

    SQLite itself lets whoever finds it locked sleep, ever longer and up to 100 ms, and try again: under a stream of
    changes the lock goes to whoever just woke up and some threads wait for seconds. Other processes still wait so.
    """

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=_BUSY_TIMEOUT_S):
            raise Unavailable("the database is being written to for too long")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Store:
    """Transactions on one engine.

    ``begin`` yields a session that commits at the end and rolls back on any exception. A lost
    connection becomes ``Unavailable``.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reading_engine = engine.execution_options(**{_ONLY_READS: True})
        self._turns: AbstractContextManager[object] = _Turns() if engine.dialect.name == "sqlite" else nullcontext()

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One transaction that may write."""
        with self._turns, self._transaction(self.engine) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that only reads: on SQLite it neither waits for a writer nor holds one up."""
        with self._transaction(self._reading_engine) as session:
            yield session

    def tell_missing(self) -> None:
        """Raise ``Unavailable`` unless the database answers now."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except OperationalError as error:
            raise Unavailable("the database does not answer") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise Unavailable("the connection to the database was lost") from error
            raise


def open_store(url: str) -> Store:
    """Migrate and open."""
    engine = create_store_engine(url)
    migrate(url)
    return Store(engine)
