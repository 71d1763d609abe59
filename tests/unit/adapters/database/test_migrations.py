"""Migrations go to the newest schema from each earlier one, with what it holds; none goes back that would lose any."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Column, Connection, Integer, MetaData, Table, func, inspect, select

from plumbline.adapters.database.engine import create_store_engine, migrate
from plumbline.adapters.database.tables import Base
from plumbline.errors import Conflict
from tests.postgresql import empty_store

REMADE = {"event_turns"}
"""Tables that hold nothing for longer than a minute."""
NEVER_WRITTEN = {"orders"}
"""Tables that were there once and that nothing ever wrote to."""
TABLES = ("delivery_tables", "operation_tables", "reader_tables", "receiving_tables", "record_tables")
"""Modules that declare tables beside ``tables``."""


def configured(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", "plumbline.adapters.database:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


RELEASES = [each.revision for each in reversed([*ScriptDirectory.from_config(configured("")).walk_revisions()])]
"""Revisions of the schema, the first one first."""


def tables(url: str) -> set[str]:
    engine = create_store_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


@pytest.mark.parametrize(("target", "kept"), [("0012", "step_events"), ("0010", "tasks")])
def test_the_way_back_is_refused_before_anything_is_lost(tmp_path, target, kept):
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    migrate(url)
    before = tables(url)
    with pytest.raises(Conflict, match=r"would lose the .* Restore the database from a backup"):
        command.downgrade(configured(url), target)
    assert before - REMADE <= tables(url)
    assert kept in tables(url)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_store_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def schema(connection: Connection) -> MetaData:
    """The tables that are there, without alembic's own."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name != "alembic_version")
    return found


def filled_with(connection: Connection, number: int) -> dict[str, int]:
    """Put a row into every table that is there, those of one number belong together; how many rows each has now."""
    tables = schema(connection).sorted_tables
    for table in tables:
        connection.execute(table.insert().values({each.name: value_for(each, number) for each in table.columns}))
    return {table.name: rows_of(connection, table) for table in tables}


def rows_of(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def value_for(column: Column[Any], number: int) -> Any:
    if isinstance(column.type, JSON):
        return {"of": number, "hardware_seen": True}
    if isinstance(column.type, Integer):
        return number
    kinds = {str: f"x{number}", bool: False, bytes: b"x", float: 1.5, datetime: datetime(2026, 3, number, tzinfo=UTC)}
    return kinds[column.type.python_type]


@pytest.mark.parametrize(
    "release", [RELEASES[0], *(pytest.param(each, marks=pytest.mark.slow) for each in RELEASES[1:-2]), RELEASES[-2]]
)
def test_a_database_of_each_release_comes_to_the_newest_schema_and_keeps_what_it_holds(tmp_path, release):
    url = empty_store(tmp_path)
    command.upgrade(configured(url), release)
    with connected(url) as connection:
        held = filled_with(connection, 7)
    migrate(url)
    with connected(url) as connection:
        kept = {table.name: rows_of(connection, table) for table in schema(connection).sorted_tables}
    assert held["exams"] == 1
    assert {name: kept.get(name) for name in held.keys() - NEVER_WRITTEN} == {
        name: count for name, count in held.items() if name not in NEVER_WRITTEN
    }


def test_migrations_end_at_the_tables_that_the_code_has(tmp_path):
    for module in TABLES:
        importlib.import_module(f"plumbline.adapters.database.{module}")
    url = empty_store(tmp_path)
    migrate(url)
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_whether_metal_was_seen_is_taken_from_results_of_before(tmp_path):
    url = empty_store(tmp_path)
    command.upgrade(configured(url), "0022")
    cases = [
        ("recognise", "done", True),
        ("compare", "ended", False),
        ("match", "done", True),
        ("compare", "held", True),
    ]
    with connected(url) as connection:
        steps = schema(connection).tables["steps"]
        row = {each.name: value_for(each, 1) for each in steps.columns}
        for number, (name, state, seen) in enumerate(cases, start=1):
            identity = {"step_id": number, "revision": number, "name": name, "state": state}
            connection.execute(steps.insert().values(row | identity | {"result": {"hardware_seen": seen}}))
    migrate(url)
    with connected(url) as connection:
        steps = schema(connection).tables["steps"]
        seen = connection.execute(select(steps.c.hardware_seen).order_by(steps.c.step_id)).scalars().all()
    assert seen == [True, False, None, None]
