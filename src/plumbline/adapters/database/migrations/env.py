"""Alembic's entry point: runs the migrations on the engine of ``adapters.database.engine``."""

from __future__ import annotations

from alembic import context

from plumbline.adapters.database.engine import create_store_engine
from plumbline.adapters.database.tables import Base

ADVISORY_LOCK = 0x506C756D  # "Plum": one migrating process at a time on PostgreSQL


def run() -> None:
    """Migrate inside one transaction, alone."""
    engine = create_store_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            context.run_migrations()
        connection.commit()
    engine.dispose()


run()
