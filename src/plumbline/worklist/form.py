"""Whether a dataset that somebody sent is a DICOM JSON dataset at all, and its values can be of their VR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from plumbline.worklist.attributes import VR_OF_TAG
from plumbline.worklist.dataset import Dataset
from plumbline.worklist.refusals import Refusal, WorkitemInvalid

_DEEPEST = 16
"""Nesting beyond this is no workitem."""

_TAG = re.compile(r"^[0-9A-F]{8}$")
_NOT_IN_DATASETS = frozenset({"0000", "0002", "0004", "0006", "FFFE", "FFFF"})
"""Groups of commands, file meta information, directories and delimiters."""

_UID = re.compile(r"^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*$")
_TEXT_LENGTH = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "ST": 1024, "LT": 10240, "DS": 16, "IS": 12}
_PATTERNS = {
    "CS": re.compile(r"^[A-Z0-9_ ]*$"),
    "DA": re.compile(r"^\d{8}$"),
    "DT": re.compile(r"^\d{4}(?:\d\d){0,5}(?:\.\d{1,6})?(?:[+-]\d{4})?$"),
    "TM": re.compile(r"^\d\d(?:\d\d){0,2}(?:\.\d{1,6})?$"),
}
_NUMERIC_VRS = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
_VRS = _NUMERIC_VRS | {
    *("AE", "AS", "AT", "CS", "DA", "DT", "LO", "LT", "OB", "OD", "OF", "OL", "OV", "OW"),
    *("PN", "SH", "SQ", "ST", "TM", "UC", "UI", "UN", "UR", "UT"),
}
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that no text of ours can hold: control characters, halves of characters, non-characters."""

_ELEMENT_KEYS = frozenset({"vr", "Value", "InlineBinary", "BulkDataURI"})
_LARGEST = 2**64
"""No number of a workitem comes near it: whole numbers have 64 bits at most (PS3.5 table 6.2-1)."""

_PN_GROUPS = frozenset({"Alphabetic", "Ideographic", "Phonetic"})


def check_form(dataset: Any, *, where: str = "", depth: int = 0) -> Dataset:
    """Check tags, VRs and values of a dataset and of its items.

    Raises
    ------
    WorkitemInvalid
        INVALID_VALUE, with the path of the first thing that is wrong.
    """
    if not isinstance(dataset, Mapping) or depth > _DEEPEST:
        raise _invalid("this is not a dataset", where)
    for tag, element in dataset.items():
        path = f"{where}{tag}"
        _check_tag(tag, path)
        _check_element(tag, element, path, depth)
    return dataset


def is_uid(value: str) -> bool:
    """Whether a text is a UID (PS3.5 9.1)."""
    return len(value) <= 64 and _UID.match(value) is not None


def _check_tag(tag: Any, path: str) -> None:
    if not isinstance(tag, str) or not _TAG.match(tag) or tag[:4] in _NOT_IN_DATASETS:
        raise _invalid("this is not the tag of an attribute", path[:80])


def _check_element(tag: str, element: Any, path: str, depth: int) -> None:
    if not isinstance(element, Mapping) or not element.keys() <= _ELEMENT_KEYS:
        raise _invalid("this is not an element of the DICOM JSON Model", path)
    vr = element.get("vr")
    if vr not in _VRS or vr != VR_OF_TAG.get(tag, vr):
        raise _invalid("the value representation is not the attribute's", path)
    given = element.get("Value", [])
    if not isinstance(given, list):
        raise _invalid("Value is not a list", path)
    if not all(_is_writable(element[key]) for key in ("InlineBinary", "BulkDataURI") if key in element):
        raise _invalid("binary and bulk data are given as text", path)
    for number, value in enumerate(given, start=1):
        if vr == "SQ":
            check_form(value, where=f"{path}[{number}].", depth=depth + 1)
        elif value is not None:
            _check_value(vr, value, path)


def _check_value(vr: str, value: Any, path: str) -> None:
    if vr == "PN":
        is_good = isinstance(value, Mapping) and value.keys() <= _PN_GROUPS and all(map(_is_writable, value.values()))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        is_good = vr in _NUMERIC_VRS and -_LARGEST < value < _LARGEST  # JSON reads 1e999 as infinity
    elif isinstance(value, str):
        is_good = _is_text_of(vr, value)
    else:
        is_good = False
    if not is_good:
        raise _invalid(f"this cannot be a value of {vr}", path)


def _is_text_of(vr: str, value: str) -> bool:
    if not _is_writable(value):
        return False
    if vr == "UI":
        return is_uid(value)
    pattern = _PATTERNS.get(vr)
    return len(value) <= _TEXT_LENGTH.get(vr, len(value)) and (pattern is None or pattern.match(value) is not None)


def _is_writable(value: Any) -> bool:
    return isinstance(value, str) and _UNWRITABLE.search(value) is None


def _invalid(sentence: str, where: str) -> WorkitemInvalid:
    return WorkitemInvalid(Refusal.INVALID_VALUE, where=where or None, detail=sentence)
