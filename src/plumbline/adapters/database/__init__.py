"""The store: SQLAlchemy, PostgreSQL or SQLite."""
