"""Datasets in the DICOM JSON Model (PS3.18 annex F) as plain mappings: reading and building elements.

Tags are eight upper-case hexadecimal digits, as the JSON model spells them. Nothing here knows UPS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

Dataset = Mapping[str, Any]
"""One dataset: tag to element, where an element has ``vr`` and, where it is not empty, ``Value``."""

_LONGEST = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "ST": 1024, "LT": 10240}
_MULTIVALUED_TEXT = frozenset({"AE", "CS", "SH", "LO"})
_ELLIPSIS = "…"


def values(dataset: Dataset, tag: str) -> list[Any]:
    """Values of an element; empty where it is absent or has none."""
    element = dataset.get(tag)
    found = element.get("Value") if isinstance(element, Mapping) else None
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else []


def first(dataset: Dataset, tag: str) -> Any | None:
    """First value of an element, or None."""
    return next((value for value in values(dataset, tag) if value is not None), None)


def text(dataset: Dataset, tag: str) -> str:
    """First value as text; a person name gives its alphabetic group. Empty where there is none."""
    value = first(dataset, tag)
    if isinstance(value, Mapping):
        value = value.get("Alphabetic")
    return "" if value is None else str(value)


def items(dataset: Dataset, tag: str) -> list[Dataset]:
    """Items of a sequence; empty where it is absent."""
    return [item for item in values(dataset, tag) if isinstance(item, Mapping)]


def has_value(dataset: Dataset, tag: str) -> bool:
    """Whether an element is there with at least one value that is not empty."""
    return any(value not in (None, "", {}) for value in values(dataset, tag)) or has_bulk_value(dataset, tag)


def has_bulk_value(dataset: Dataset, tag: str) -> bool:
    """Whether an element's value is given inline or by reference instead of as ``Value``."""
    element = dataset.get(tag)
    return isinstance(element, Mapping) and ("InlineBinary" in element or "BulkDataURI" in element)


def tags(dataset: Dataset) -> Iterator[str]:
    """Tags of a dataset and of all its items, in order."""
    for tag in dataset:
        yield tag
        for item in items(dataset, tag):
            yield from tags(item)


def element(vr: str, *given: Any) -> dict[str, Any]:
    """Element with the values that are not None; empty without any, as type 2 attributes are written."""
    kept = [value for value in given if value is not None]
    return {"vr": vr, "Value": kept} if kept else {"vr": vr}


def sequence(*given: Dataset) -> dict[str, Any]:
    """Sequence element with these items."""
    return {"vr": "SQ", "Value": [dict(item) for item in given]} if given else {"vr": "SQ"}


def limited_text(vr: str, words: str | None) -> dict[str, Any]:
    """Text element that obeys the length and the characters of its VR (PS3.5 table 6.2-1).

    A text that is too long is cut and ends in an ellipsis. Line ends are kept only where the VR allows them.
    """
    if not words:
        return {"vr": vr}
    if vr in _MULTIVALUED_TEXT:
        words = " ".join(words.replace("\\", "/").split())
    longest = _LONGEST[vr]
    if len(words) > longest:
        words = words[: longest - 1].rstrip() + _ELLIPSIS
    return {"vr": vr, "Value": [words]}


def person_name(name: str | None) -> dict[str, Any]:
    """Person name from its DICOM form ``Family^Given``; component groups are split at ``=``."""
    if not name:
        return {"vr": "PN"}
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False)
    return {"vr": "PN", "Value": [{group: part for group, part in groups if part}]}


def date_element(day: date | None) -> dict[str, Any]:
    """DA element."""
    return element("DA", day.strftime("%Y%m%d") if day else None)


def datetime_element(moment: datetime | None) -> dict[str, Any]:
    """DT element in UTC, to the millisecond, with its offset."""
    return element("DT", dicom_datetime(moment) if moment else None)


def dicom_datetime(moment: datetime) -> str:
    """Write a timezone-aware moment as a DT value in UTC, e.g. ``20260301120000.000+0000``."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 1000:03d}+0000"


def coded(value: str, scheme: str, meaning: str) -> dict[str, Any]:
    """Item of a code sequence (PS3.3 table 8.8-1)."""
    return {
        "00080100": element("SH", value),
        "00080102": element("SH", scheme),
        "00080104": limited_text("LO", meaning),
    }
