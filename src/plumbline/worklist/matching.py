"""Attribute matching of a search on DICOM JSON datasets (PS3.4 C.2.2.2, CC.2.8; PS3.18 8.3.4). Pure.

Supported: single value, list of UIDs, wildcard, date and time range, universal and sequence matching.
Person names match without regard to case; other texts exactly. Fuzzy matching of person names, where it is asked
for, is by words (see ``_matches_fuzzily``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any

from plumbline.errors import InvalidInput
from plumbline.worklist.attributes import TAG_OF_KEYWORD, VR_OF_TAG
from plumbline.worklist.dataset import Dataset, items, values

_TAG = re.compile(r"^[0-9A-Fa-f]{8}$")
_KEYWORD = re.compile(r"^[A-Z][A-Za-z0-9]*$")
_WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_PLAIN = re.compile(r"[A-Za-z0-9 .,^_-]+")
_TEMPORAL_VRS = frozenset({"DA", "TM", "DT"})
_TEMPORAL_VALUE = re.compile(r"^[0-9.+\-:]*$")
_PN_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_DT = r"\d{4}(?:\d\d){0,5}(?:\.\d{1,6})?(?:[+-]\d{4})?"
_MOMENT = re.compile(r"^(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?$")
_MOMENT_RANGE = re.compile(rf"^({_DT})?-({_DT})?$")
_EARLIEST = [1, 1, 1, 0, 0, 0]
_UNITS = {3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1), 6: timedelta(seconds=1)}


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key: the path of tags to an attribute, and the value it has to match.

    An empty value or ``*`` matches everything (universal matching).
    """

    path: tuple[str, ...]
    value: str
    is_fuzzy: bool = False
    """Whether a person name may be written otherwise."""

    @property
    def is_universal(self) -> bool:
        """Whether it matches whatever is there, or nothing at all."""
        return self.value.strip("*") == ""

    @property
    def has_wildcard(self) -> bool:
        """Whether the value has ``*`` or ``?`` in it."""
        return "*" in self.value or "?" in self.value

    @property
    def literal(self) -> str:
        """Longest run of plain characters that every matching text holds, whatever its case; else empty."""
        if self.is_fuzzy or VR_OF_TAG.get(self.path[-1], "UN") not in _WILDCARD_VRS:
            return ""
        return max(_PLAIN.findall(self.value), key=len, default="")

    @property
    def uids(self) -> list[str]:
        r"""Values of a list of UIDs, separated by ``\`` or by a comma (PS3.18 8.3.4.1)."""
        return re.split(r"[\\,]", self.value)


@dataclass(frozen=True, slots=True)
class Query:
    """What a search asks for.

    ``include`` are the tags to return beside the usual ones; None means all of them.
    ``states`` are the values of Procedure Step State to keep, any of them where None.
    ``with_references`` is whether the workitems found have to have their Input Information and Performed
    Procedure Sequence; a store may leave these out where nobody needs them, for they are long.
    """

    keys: tuple[Key, ...] = ()
    include: frozenset[str] | None = frozenset()
    limit: int = 100
    offset: int = 0
    states: frozenset[str] | None = None
    with_references: bool = True


def attribute_path(attribute_id: str) -> tuple[str, ...]:
    """Tags of an attribute ID: a tag or a keyword, nested ones separated by a full stop (PS3.18 8.3.4.1).

    Raises
    ------
    InvalidInput
        When a part is neither a tag nor the keyword of an attribute of a workitem.
    """
    return tuple(_tag(part, attribute_id) for part in attribute_id.split("."))


def _tag(part: str, attribute_id: str) -> str:
    if _TAG.match(part):
        return part.upper()
    if _KEYWORD.match(part) and part in TAG_OF_KEYWORD:
        return TAG_OF_KEYWORD[part]
    raise InvalidInput("this is not an attribute of a workitem", where=attribute_id[:64])


def search_key(attribute_id: str, value: str, *, is_fuzzy: bool = False) -> Key:
    """Matching key from a query parameter; ``is_fuzzy`` says how person names match and nothing of other attributes.

    Raises
    ------
    InvalidInput
        When the attribute is not known, or the value cannot be one of its VR.
    """
    key = checked_key(attribute_path(attribute_id), value, where=attribute_id[:64])
    return replace(key, is_fuzzy=True) if is_fuzzy and VR_OF_TAG.get(key.path[-1]) == "PN" else key


def checked_key(path: tuple[str, ...], value: str, *, where: str | None = None) -> Key:
    """Matching key from tags; raise ``InvalidInput`` where the value cannot be one of its VR."""
    vr = VR_OF_TAG.get(path[-1])
    if vr in _TEMPORAL_VRS and value.strip("*") and not _is_temporal(vr, value):
        raise InvalidInput("this is not a date or time", where=where or path[-1])
    if vr == "SQ" and value:
        raise InvalidInput("a sequence is matched by the attributes of its items", where=where or path[-1])
    return Key(path, value)


def _is_temporal(vr: str, value: str) -> bool:
    if vr != "DT":
        return _TEMPORAL_VALUE.match(value) is not None
    bounds = match.groups() if (match := _MOMENT_RANGE.match(value)) else ("",)
    return moment_span(value) is not None or (
        any(bounds) and all(moment_span(bound) for bound in bounds if bound is not None)
    )


def matches(dataset: Dataset, keys: Sequence[Key]) -> bool:
    """Whether a dataset matches every key.

    Keys below the same sequence have to be met by one and the same item (PS3.4 C.2.2.2.6).
    """
    direct = [key for key in keys if len(key.path) == 1]
    nested: dict[str, list[Key]] = {}
    for key in keys:
        if len(key.path) > 1:
            nested.setdefault(key.path[0], []).append(replace(key, path=key.path[1:]))
    return all(_matches_one(dataset, key) for key in direct) and all(
        all(key.is_universal for key in below) or any(matches(item, below) for item in items(dataset, tag))
        for tag, below in nested.items()
    )


def _matches_one(dataset: Dataset, key: Key) -> bool:
    tag = key.path[0]
    if key.is_universal:
        return True
    element = dataset.get(tag)
    vr = str(element.get("vr", "UN")) if isinstance(element, Mapping) else VR_OF_TAG.get(tag, "UN")
    return any(matches_value(vr, value, key.value, is_fuzzy=key.is_fuzzy) for value in values(dataset, tag))


def matches_value(vr: str, value: Any, wanted: str, *, is_fuzzy: bool = False) -> bool:
    """Whether one stored value matches a key's value, by the rules of its VR."""
    if vr == "PN":
        names = [value.get(group) for group in _PN_GROUPS] if isinstance(value, Mapping) else [value]
        return any(name and _matches_name(str(name), wanted, is_fuzzy=is_fuzzy) for name in names)
    stored = str(value)
    if vr == "UI":
        return stored in re.split(r"[\\,]", wanted)
    if vr in _TEMPORAL_VRS:
        return _matches_time(vr, stored, wanted)
    if vr in _WILDCARD_VRS:
        return _pattern(wanted, fold=False).match(stored) is not None
    return stored == wanted or _same_number(stored, wanted)


def _matches_name(name: str, wanted: str, *, is_fuzzy: bool) -> bool:
    """Empty components at the end say nothing, and many senders write them."""
    if is_fuzzy:
        return _matches_fuzzily(name, wanted)
    return _pattern(wanted.rstrip("^"), fold=True).match(name.rstrip("^")) is not None


def _matches_fuzzily(name: str, wanted: str) -> bool:
    """Whether each word that is wanted begins a word of the name, in any order, accents and umlauts aside.

    "mueller a" finds "Müller^Anna" and "MULLER^ANNA MARIA"; a wildcard in a word counts within it.
    """
    left = list(_words(name))
    for word in _words(wanted):
        begins = next((each for each in left if _pattern(f"{word}*", fold=False).match(each)), None)
        if begins is None:
            return False
        left.remove(begins)
    return True


@lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    """Words of a name, the longest first, as they are compared: "ä", "ae" and "a" are one, "ß" and "ss" another."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name.casefold()) if not _is_mark(letter))
    for written in ("ae", "oe", "ue"):
        plain = plain.replace(written, written[0])
    return tuple(sorted(filter(None, re.split(r"[\s^,.'’-]+", plain)), key=len, reverse=True))


def _is_mark(letter: str) -> bool:
    return unicodedata.combining(letter) != 0


@lru_cache(maxsize=512)
def _pattern(wanted: str, *, fold: bool) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    source = "".join(parts.get(letter, re.escape(letter)) for letter in wanted)
    return re.compile(rf"^{source}$", re.DOTALL | (re.IGNORECASE if fold else 0))


def _same_number(stored: str, wanted: str) -> bool:
    try:
        return float(stored) == float(wanted)
    except ValueError:
        return False


def _matches_time(vr: str, stored: str, wanted: str) -> bool:
    """Single value or range ``from-to``, either end open; both ends included at their own precision."""
    if vr == "DT":
        return _matches_moment(stored, wanted)
    stored, wanted = stored.replace(":", ""), wanted.replace(":", "").replace(".", "" if vr == "DA" else ".")
    low, is_range, high = wanted.partition("-")
    if not is_range:
        return stored.startswith(wanted)
    return (not low or stored >= low) and (not high or stored[: len(high)] <= high)


def _matches_moment(stored: str, wanted: str) -> bool:
    """Range matching of DT values; a value without an offset is read as UTC."""
    found = moment_span(stored)
    if found is None or not (moment_span(wanted) or _MOMENT_RANGE.match(wanted)):
        return False
    low, high = moment_bounds(wanted)
    return (low is None or found[0] >= low) and (high is None or found[0] <= high)


def moment_span(value: str) -> tuple[datetime, datetime] | None:
    """First and last moment that a DT value of any precision means, or None where it is not one (PS3.5 6.2)."""
    match = _MOMENT.match(value)
    if match is None:
        return None
    *parts, fraction, zone = match.groups()
    given = [int(part) for part in parts if part is not None]
    try:
        year, month, day, hour, minute, second = given + _EARLIEST[len(given) :]
        start = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone))
        start += timedelta(seconds=float(f"0{fraction}")) if fraction else timedelta()
        return start, _end_of(start, len(given), fraction)
    except (ValueError, OverflowError):
        return None


def moment_bounds(wanted: str) -> tuple[datetime | None, datetime | None]:
    """First and last moment that match a DT key, single value or range; None at an open end and where it is neither."""
    single = moment_span(wanted)
    if single is not None:
        return single
    match = _MOMENT_RANGE.match(wanted)
    low, high = (moment_span(bound) if bound else None for bound in (match.groups() if match else (None, None)))
    return low and low[0], high and high[1]


def _end_of(start: datetime, precision: int, fraction: str | None) -> datetime:
    """Last microsecond of the year, month, day, hour, minute, second or fraction that begins at ``start``."""
    if precision == 1:
        following = start.replace(year=start.year + 1)
    elif precision == 2:
        following = (start + timedelta(days=31)).replace(day=1)
    elif fraction:
        following = start + timedelta(seconds=10.0 ** -(len(fraction) - 1))
    else:
        following = start + _UNITS[precision]
    return following - timedelta(microseconds=1)


def _zone(offset: str | None) -> tzinfo:
    if offset is None:
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
