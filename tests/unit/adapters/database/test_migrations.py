"""Migrations go to the newest schema; one that would lose what nobody else has refuses the way back."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from plumbline.adapters.database.engine import create_store_engine, migrate
from plumbline.errors import Conflict

REMADE = {"event_turns"}
"""Tables that hold nothing for longer than a minute."""


def configured(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", "plumbline.adapters.database:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


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
