"""Erasing a patient at the command line: what would go, and, with a word for it, that it went."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from plumbline.erasure import Erasure, erase
from plumbline.settings import load_settings


def print_erasure(console: Console, patient_id: str, issuer: str, *, by: str | None) -> None:
    """Erase, or without somebody who has it done only show; raises what ``erase`` does."""
    erasure = erase(load_settings(), patient_id, issuer, by=by)
    console.print(_counted(erasure))
    console.print(
        f"{erasure.instances} datasets in the spool; {erasure.unreadable} there of which nobody can tell whose"
    )
    for uid in erasure.study_instance_uids:
        console.print(f"Study {uid}", highlight=False)
    if by is None:
        console.print("Nothing was changed. With --yes and --by this is erased; erase it in the archive first.")
    else:
        console.print("Erased. The archive, destinations and backups keep what they have.")


def _counted(erasure: Erasure) -> Table:
    table = Table("Table", "Rows", box=None)
    for name, rows in erasure.rows.items():
        if rows:
            table.add_row(name, str(rows))
    return table
