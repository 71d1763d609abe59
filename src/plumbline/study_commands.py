"""Completeness of studies at the command line, on the site's store; the same as ``/api/studies``."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.studies import DatabaseStudies
from plumbline.observability.clock import SystemClock
from plumbline.settings import load_settings


def declare_complete(study_instance_uid: str, *, by: str, reason: str) -> None:
    """Take a person's word that a study is complete as it is held.

    Raises
    ------
    InvalidInput
        There is no such study, or nobody or no reason is named.
    Conflict
        The study is complete already.
    """
    _studies().declare(study_instance_uid, by=by, reason=reason, at=SystemClock().now())


def print_studies(console: Console, *, limit: int, only_waiting: bool) -> None:
    """Print where the studies stand, the ones with the newest instances first."""
    table = Table("Study Instance UID", "State", "Held", "Listed", "Missing", "Since", "Reason")
    for study in _studies().studies(limit=limit, only_waiting=only_waiting):
        count = study.count
        listed = "-" if count.listed is None else str(count.listed)
        since = study.since.strftime("%Y-%m-%d %H:%M:%S")
        reason = study.note or count.sentence
        table.add_row(count.study_instance_uid, study.state, str(count.held), listed, str(count.missing), since, reason)
    console.print(table)


def _studies() -> DatabaseStudies:
    return DatabaseStudies(open_store(load_settings().store_url))
