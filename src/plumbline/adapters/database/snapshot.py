"""A consistent copy of the whole store while it is in use, and the way back from one.

SQLite by its backup interface, PostgreSQL by pg_dump and pg_restore in the custom format.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import URL, make_url

from plumbline.adapters.database.engine import create_store_engine, migrate
from plumbline.errors import Conflict, InvalidInput, Misconfigured, Unavailable


class Snapshots:
    """Snapshots of the store at a URL.

    Attributes
    ----------
    file_name
        What a snapshot is called: one of SQLite is none of PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        self._text = url
        self._url = make_url(url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self.file_name = "database.sqlite" if self._is_sqlite else "database.pgdump"

    def take(self, file: Path) -> None:
        """Write the store as it is at one moment into a new file.

        Raises
        ------
        Unavailable
            The store does not answer.
        Misconfigured
            PostgreSQL's client programs are not installed.
        """
        if self._is_sqlite:
            self._copy_sqlite(self._sqlite_file(), file)
        else:
            self._run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={file}", self._address())

    def is_empty(self) -> bool:
        """Whether there is no store yet to be overwritten."""
        if self._is_sqlite:
            return not self._sqlite_file().exists()
        engine = create_store_engine(self._text)
        try:
            return not inspect(engine).get_table_names()
        finally:
            engine.dispose()

    def restore(self, file: Path) -> None:
        """Make the store what a snapshot says, and bring it to the newest schema; all of it or nothing.

        Raises
        ------
        Conflict
            There is a store already.
        InvalidInput
            The snapshot cannot be read.
        """
        if not self.is_empty():
            raise Conflict("there is a database already, and a restore would mix two", remedy="Name an empty one")
        if self._is_sqlite:
            self._restore_sqlite(file)
        else:
            options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
            self._run("pg_restore", *options, f"--dbname={self._address()}", str(file))
        migrate(self._text)

    def _restore_sqlite(self, file: Path) -> None:
        target = self._sqlite_file()
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".restoring")
        unfinished.unlink(missing_ok=True)
        self._copy_sqlite(file, unfinished)
        unfinished.rename(target)

    def _sqlite_file(self) -> Path:
        return Path(self._url.database or "")

    @staticmethod
    def _copy_sqlite(source: Path, target: Path) -> None:
        if not source.is_file():
            raise Unavailable("there is no database", where=str(source))
        try:
            with (
                closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as original,
                closing(sqlite3.connect(target)) as copy,
            ):
                original.backup(copy)
                if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                    raise InvalidInput("the database is damaged", where=str(source))
        except sqlite3.DatabaseError as error:
            raise InvalidInput(f"the database cannot be read ({error})", where=str(source)) from error

    def _address(self) -> str:
        """The URL as libpq reads it, without the password, which lists of processes would show."""
        plain = URL.create(
            "postgresql",
            username=self._url.username,
            host=self._url.host,
            port=self._url.port,
            database=self._url.database,
            query=self._url.query,
        )
        return plain.render_as_string(hide_password=False)

    def _run(self, program: str, *arguments: str) -> None:
        password = {"PGPASSWORD": str(self._url.password)} if self._url.password else {}
        try:
            done = subprocess.run(
                [program, *arguments], env={**os.environ, **password}, capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise Misconfigured(f"{program} is not installed", remedy="Install PostgreSQL's client programs") from error
        if done.returncode != 0:
            words = done.stderr.strip().splitlines()
            raise Unavailable(f"{program} could not: {words[-1] if words else 'it said nothing'}")
