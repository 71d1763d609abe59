"""Migrations that cannot be taken back without losing what nobody else has."""

from __future__ import annotations

from typing import NoReturn

from plumbline.errors import Conflict


def refuse_the_way_back(lost: str) -> NoReturn:
    """Raise ``Conflict``: what would be lost, and what to do instead."""
    raise Conflict(
        f"going back behind this version would lose {lost}",
        where="database",
        remedy="Restore the database from a backup of the earlier version instead",
    )
