"""The change number of the worklist read in microseconds, for an event loop that asks before every answer.

Only of an embedded database, which is a file on this machine: in WAL mode a read waits for no writer. A database
behind a network is asked in a thread, as everything else is.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine, event


def glance_at(engine: Engine) -> Glance | None:
    """Glance at an embedded database that is a file; None for every other."""
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database or database == ":memory:":
        return None
    glance = Glance(Path(database))
    event.listen(engine, "engine_disposed", lambda _engine: glance.close())
    return glance


class Glance:
    """One connection that reads the change number and nothing else; opened when first asked."""

    def __init__(self, database: Path) -> None:
        self._address = f"{database.absolute().as_uri()}?mode=ro"
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()

    def number(self) -> int | None:
        """Return the number as it stands now; None where somebody would have to be waited for."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = sqlite3.connect(
                        self._address, uri=True, timeout=0, isolation_level=None, check_same_thread=False
                    )
                rows = self._connection.execute("SELECT number FROM worklist_changes").fetchall()
            except sqlite3.OperationalError:
                return None
        return int(rows[0][0]) if rows else None

    def close(self) -> None:
        """Give the connection back; the next glance opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
