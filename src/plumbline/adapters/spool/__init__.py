"""The spool: an append-only journal of received instances that is also the receive ledger."""

from plumbline.adapters.spool.journal import Journal
from plumbline.adapters.spool.tail import JournalTail

__all__ = ["Journal", "JournalTail"]
