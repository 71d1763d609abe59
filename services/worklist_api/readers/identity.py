"""Who is reading: named by the site's own sign-on in a header, or by themselves once in each browser.

Where the site's proxy signs readers on, it names them in a header that is set with ``api.reader_header``. Else a
reader gives a name, which is not verified and which the pages say so of.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from plumbline.errors import InvalidInput
from services.worklist_api.context import InContext, Records, records_of
from services.worklist_api.problems import Forbidden

COOKIE = "plumbline-reader"
LONGEST_NAME = 64


def reader_of(request: Request, context: InContext) -> str | None:
    """Name of the reader, None where nobody said."""
    if context.reader_header:
        return _clean(request.headers.get(context.reader_header, "")) or None
    token = request.cookies.get(COOKIE)
    return context.records.readers.reader_of(token) if token and context.records else None


def known_reader(request: Request, context: InContext) -> str:
    """Name of the reader.

    Raises
    ------
    Forbidden
        When nobody said who reads, or another site's page sent this.
    """
    own_page(request)
    reader = reader_of(request, context)
    if reader is None:
        raise Forbidden("say who you are before you do this", remedy="Give your name on the page")
    return reader


def own_page(request: Request) -> None:
    """Refuse what a page of another site sends in a reader's name."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Forbidden("this was sent by a page of another site")


def clean_name(name: str) -> str:
    """Name as it is kept; raise ``InvalidInput`` where nothing is left of it."""
    cleaned = _clean(name)
    if not cleaned:
        raise InvalidInput("a name has at least one letter")
    return cleaned


def _clean(name: str) -> str:
    return " ".join("".join(c for c in name if c.isprintable() and c not in "\\^=").split())[:LONGEST_NAME]


Reader = Annotated[str | None, Depends(reader_of)]
KnownReader = Annotated[str, Depends(known_reader)]
InRecords = Annotated[Records, Depends(records_of)]
OWN_PAGE = Depends(own_page)
