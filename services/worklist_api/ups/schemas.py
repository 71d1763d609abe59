"""Query parameters of a search, read into the worklist's own query (PS3.18 8.3.4, 11.9)."""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.errors import InvalidInput
from plumbline.worklist.attributes import RETURNED_BY_SEARCH
from plumbline.worklist.matching import Key, Query, attribute_path, search_key

DEFAULT_LIMIT = 100
MAXIMUM_LIMIT = 1000
"""Most workitems in one response; what is more can be had by paging."""

_NOT_KEYS = frozenset({"accept", "charset", "fuzzymatching", "includefield", "limit", "offset"})

_OF_THE_REQUEST = "ReferencedRequestSequence.AccessionNumber"
_FULL_NAMES = {"AccessionNumber": _OF_THE_REQUEST, "00080050": _OF_THE_REQUEST}
"""Keys that a workitem has only within a sequence, by what those say who know them from QIDO-RS."""


def read_query(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read the parameters of a search.

    Raises
    ------
    InvalidInput
        When a parameter is not an attribute of a workitem, or its value cannot be used.
    """
    parameters = list(parameters)
    is_fuzzy = any(name == "fuzzymatching" and value.lower() == "true" for name, value in parameters)
    keys: list[Key] = []
    include: frozenset[str] | None = frozenset()
    numbers = {"limit": DEFAULT_LIMIT, "offset": 0}
    for name, value in parameters:
        if name in numbers:
            numbers[name] = _count(name, value)
        elif name == "includefield":
            include = _included(include, value)
        elif name not in _NOT_KEYS:
            keys.append(search_key(_FULL_NAMES.get(name, name), value, is_fuzzy=is_fuzzy))
    return Query(tuple(keys), include, min(numbers["limit"], MAXIMUM_LIMIT), numbers["offset"])


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise InvalidInput("this has to be a whole number that is not negative", where=name)
    return int(value)


def _included(include: frozenset[str] | None, value: str) -> frozenset[str] | None:
    """Tags to return beside the usual ones; ``all`` is None."""
    if include is None or value == "all":
        return None
    return include | {attribute_path(part)[0] for part in value.split(",") if part}


def returned_tags(query: Query) -> frozenset[str] | None:
    """Tags of a search result: the usual ones, the keys, and the included; None is all."""
    if query.include is None:
        return None
    return RETURNED_BY_SEARCH | query.include | {key.path[0] for key in query.keys}
