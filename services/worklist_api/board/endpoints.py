"""The worklist page and the rows that it loads while one scrolls."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.worklist_api.board.board import Selection
from services.worklist_api.board.filters import ASSIGNED_TO_ME, Filters
from services.worklist_api.context import Context, InContext
from services.worklist_api.forms import form_of
from services.worklist_api.pages.rendering import render
from services.worklist_api.readers.identity import Reader

router = APIRouter(include_in_schema=False)

ROWS_A_CHUNK = 50
"""Few enough that a browser takes them in between two pictures, and more than a large screen shows."""


class Chunk(Filters):
    """A view, and from which line on it is wanted."""

    offset: int = Field(default=0, ge=0)

    @property
    def view(self) -> Filters:
        """The view alone."""
        return Filters(**self.model_dump(exclude={"offset"}))


_SENT = Depends(form_of(Chunk))


@router.get("/")
def worklist(request: Request, context: InContext, reader: Reader, chunk: Annotated[Chunk, Query()]) -> Response:
    """The worklist, the most urgent and then the oldest first."""
    view = chunk.view.model_copy(update={"search": ""})
    return _page(request, context, view, chunk.offset, reader)


@router.post("/")
def searched_worklist(request: Request, context: InContext, reader: Reader, chunk: Annotated[Chunk, _SENT]) -> Response:
    """The same with a search, which travels in the body: it may hold a patient's name."""
    return _page(request, context, chunk.view, chunk.offset, reader)


@router.post("/worklist/rows")
def rows(request: Request, context: InContext, reader: Reader, chunk: Annotated[Chunk, _SENT]) -> Response:
    """Further rows of a view, as a table body, with the standing of the whole view."""
    shown = _shown(context, chunk.view, chunk.offset, reader)
    return render(request, "worklist_rows.html", shown)


def _page(request: Request, context: Context, view: Filters, offset: int, reader: str | None) -> Response:
    return render(request, "worklist.html", _shown(context, view, offset, reader))


def _shown(context: Context, view: Filters, offset: int, reader: str | None) -> dict[str, Any]:
    selection = context.board.select(view, offset=offset, limit=ROWS_A_CHUNK, reader=reader)
    return {
        "selection": selection,
        "view": view,
        "who_am_i_asked": reader is None and view.assigned == ASSIGNED_TO_ME,
        "offset": offset,
        "rows_a_chunk": ROWS_A_CHUNK,
        "now": context.now(),
        "further": _further(view, selection),
    }


def _further(view: Filters, selection: Selection) -> dict[str, str]:
    """Addresses of the neighbouring pages, for readers without scripts."""
    fields = view.address_fields()
    pages: dict[str, int] = {}
    if selection.offset:
        pages["before"] = max(selection.offset - ROWS_A_CHUNK, 0)
    if selection.offset + len(selection.lines) < selection.total:
        pages["after"] = selection.offset + ROWS_A_CHUNK
    return {name: "/?" + urlencode({**fields, "offset": offset}) for name, offset in pages.items()}
