"""Deliveries at the command line, on the site's store; the same as ``/api/deliveries``."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.observability.clock import SystemClock
from plumbline.pipeline.outbox import DeliveryState
from plumbline.settings import load_settings


def print_deliveries(console: Console, *, only_dead: bool, destination: str | None, limit: int) -> None:
    """Print deliveries, the newest first."""
    table = Table("Number", "Destination", "Kind", "Study Instance UID", "Revision", "State", "Attempts", "Reason")
    state = DeliveryState.DEAD if only_dead else None
    for each in _outbox().letters(state=state, destination=destination, limit=limit):
        table.add_row(
            str(each.delivery_id),
            each.destination,
            each.kind.value,
            each.study_instance_uid,
            str(each.revision),
            each.state.value,
            str(each.attempts),
            each.error or "",
        )
    console.print(table)


def send_again(delivery_id: int) -> None:
    """Let a delivery be sent again; raises what ``Outbox.resend`` does."""
    _outbox().resend(delivery_id)


def _outbox() -> DatabaseOutbox:
    return DatabaseOutbox(open_store(load_settings().store_url), SystemClock())
