"""What a reader wants to see of the board."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline.worklist.states import State
from services.worklist_api.board.lines import Line

ASSIGNED_TO_ME = "me"
ASSIGNED_TO_NOBODY = "nobody"

STATES = {
    "open": frozenset({State.SCHEDULED.value, State.IN_PROGRESS.value}),
    "waiting": frozenset({State.SCHEDULED.value}),
    "reading": frozenset({State.IN_PROGRESS.value}),
    "read": frozenset({State.COMPLETED.value}),
    "cancelled": frozenset({State.CANCELED.value}),
    "all": frozenset(state.value for state in State),
}
"""Words for states in addresses, and what they mean."""


class Filters(BaseModel):
    """A view of the board. Empty means everything; every field may stand in an address but the search.

    ``search`` may hold a patient's name, so it travels in the body of a request and never in an address.
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["open", "waiting", "reading", "read", "cancelled", "all"] = "open"
    priority: Literal["", "STAT", "URGENT", "ROUTINE"] = ""
    check: str = Field(default="", max_length=64)
    modality: str = Field(default="", max_length=16)
    site: str = Field(default="", max_length=64)
    assigned: str = Field(default="", max_length=64)
    search: str = Field(default="", max_length=200)

    @property
    def is_plain(self) -> bool:
        """Whether this is the board as everybody sees it first."""
        return self == Filters()

    def address_fields(self) -> dict[str, str]:
        """Fields that differ from the plain board and may stand in an address."""
        plain = Filters()
        return {
            name: value for name, value in self.model_dump(exclude={"search"}).items() if value != getattr(plain, name)
        }

    def accept(self, line: Line, reader: str | None) -> bool:
        """Whether a line belongs to this view; ``reader`` is who asks."""
        return (
            line.entry.state in STATES[self.state]
            and self.priority in ("", line.entry.priority)
            and self.modality in ("", line.entry.modality)
            and self.site in ("", line.site)
            and (not self.check or self.check in line.checks)
            and self._is_assigned(line, reader)
            and all(word in line.searchable for word in self.search.casefold().split())
        )

    def _is_assigned(self, line: Line, reader: str | None) -> bool:
        if not self.assigned:
            return True
        if self.assigned == ASSIGNED_TO_NOBODY:
            return line.reader is None and line.entry.state == State.SCHEDULED.value
        wanted = reader if self.assigned == ASSIGNED_TO_ME else self.assigned
        return wanted is not None and line.reader == wanted
